"""All networks of a sweep with each other: shards on many workers are one pass on one."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest

from tfprune.config import config_hash, from_dict, override, to_dict
from tfprune.errors import DamagedError, InputError
from tfprune.report.data import ReportData
from tfprune.results import LevelResult, SimilarityResult
from tfprune.runs.workspace import RUNS
from tfprune.similarity import similarity_of
from tfprune.similarity.mds import classical_mds
from tfprune.sweeps.all_pairs import (
    AllPairs,
    SweepNetwork,
    begun,
    merged,
    networks_of,
    pairs_of,
    place_on_map,
    tree,
    values_of,
)
from tfprune.sweeps.all_pairs import _packed as file_of
from tfprune.sweeps.all_pairs import _unpacked as read_file
from tfprune.sweeps.compare_all import (
    _packed,
    compare_all,
    kept,
    networks_csv,
    outdated,
    similarities_csv,
    summary,
)
from tfprune.sweeps.opened import open_sweep
from tfprune.sweeps.report import floors_of, map_of
from tfprune_cli.main import main

LAYERS = [("conv", "dense"), ("conv", "dense"), ("other", "last"), ("one", "two", "three")]
MEASURES = ("cka", "procrustes-distance")


def activations(n):
    """Four networks on n images; the last has more layers than the others."""
    rng = np.random.default_rng(1)
    widths = [(4, 6), (4, 6), (3, 5), (2, 2, 2)]
    shared = rng.normal(size=(n, 5, 5, 4))
    found = {}
    for number, (names, sizes) in enumerate(zip(LAYERS, widths, strict=True)):
        maps = shared[..., : sizes[0]] + number * rng.normal(size=(n, 5, 5, sizes[0])) + 100.0
        found[f"{number}/{names[0]}"] = maps
        for name, width in zip(names[1:], sizes[1:], strict=True):
            found[f"{number}/{name}"] = rng.normal(size=(n, width)) * (1 + number)
    return found


def shard(whole, start, stop):
    comparison = begun(pairs_of(LAYERS), LAYERS, MEASURES, "pixels", first_image=start)
    part = {name: values[start:stop] for name, values in whole.items()}
    comparison.update(part, part)
    return file_of(comparison)


def test_shards_merged_as_a_tree_are_one_pass_to_1e_12():
    whole = activations(200)
    cuts = [0, 30, 60, 90, 120, 150, 200]
    parts = [shard(whole, *cut) for cut in itertools.pairwise(cuts)]
    merge_all = values_of(read_file(tree(parts, merged)), LAYERS, MEASURES)
    one_pass = values_of(read_file(shard(whole, 0, 200)), LAYERS, MEASURES)
    for measure in MEASURES:
        np.testing.assert_allclose(merge_all[measure], one_pass[measure], rtol=0, atol=1e-12)


def test_every_pair_is_what_it_is_alone_and_networks_of_other_depth_are_not_compared():
    whole = activations(80)
    found = values_of(read_file(shard(whole, 0, 80)), LAYERS, MEASURES)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        for place, (a, b) in enumerate(zip(LAYERS[i], LAYERS[j], strict=True)):
            x, y = (whole[f"{n}/{name}"] for n, name in ((i, a), (j, b)))
            x, y = (rows.reshape(-1, rows.shape[-1]) for rows in (x, y))
            for measure in MEASURES:
                alone = similarity_of(measure, x, y)
                assert found[measure][place, i, j] == pytest.approx(alone, abs=1e-9)
                assert found[measure][place, j, i] == found[measure][place, i, j]
    assert np.isnan(found["cka"][:, 3, :3]).all()
    assert found["cka"][0].diagonal().tolist() == [1.0] * 4
    assert found["procrustes-distance"][0].diagonal().tolist() == [0.0] * 4
    assert place_on_map(found["procrustes-distance"]) is None
    assert place_on_map(found["procrustes-distance"][:2, :3, :3])[0].shape == (3, 2)


def test_distances_over_layers_add_like_squares():
    flat = np.abs(np.subtract.outer([0.0, 3.0, 7.0], [0.0, 3.0, 7.0]))
    places, share = place_on_map(np.stack([0.6 * flat, 0.8 * flat]))
    assert share == 1.0  # they lie on a line again
    np.testing.assert_allclose(np.abs(places[:, 0] - places[0, 0]), [0, 3, 7], atol=1e-9)


@pytest.mark.parametrize(
    "points", [np.random.default_rng(s).normal(size=(9, d)) for s, d in ((0, 1), (1, 2), (2, 5))]
)
def test_scaling_gives_distances_in_the_plane_back_and_says_what_it_shows(points):
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    places, share = classical_mds(distances)
    centred = points - points.mean(axis=0)
    variances = np.linalg.svd(centred, compute_uv=False) ** 2
    assert share == pytest.approx(variances[:2].sum() / variances.sum())
    again = np.linalg.norm(places[:, None] - places, axis=-1)
    if points.shape[1] <= 2:
        np.testing.assert_allclose(again, distances, atol=1e-7)
    else:
        assert (again <= distances + 1e-9).all()  # a projection


def test_what_is_no_matrix_of_distances_is_refused():
    with pytest.raises(InputError, match="symmetric, and 0 from each network to itself"):
        classical_mds(np.array([[0.0, 1.0], [2.0, 0.0]]))
    with pytest.raises(InputError, match=r"finite \(n, n\) matrix of distances; got \(2,\)"):
        classical_mds(np.array([0.0, 1.0]))


def run_of(folder, key, config):
    place = folder / RUNS / key
    place.mkdir(parents=True)
    said = {"key": key, "name": key, "config": to_dict(config), "config_hash": config_hash(config),
            "store": {"uri": None, "experiment": "tfprune"}, "finished": True}  # fmt: skip
    (place / "run.json").write_text(json.dumps(said))


def of_grid(folder, grid, **base):
    """A sweep, all cells done, of dotted settings."""
    cells = []
    for number, settings in enumerate(grid):
        config = from_dict(override(base, settings))
        run_of(folder, f"run{number}", config)
        cells.append([config_hash(config), settings])
    place = folder / RUNS / "abcd"
    place.mkdir()
    facts = {"key": "abcd", "name": "s", "kind": "sweep", "finished": True, "cells": cells,
             "deterministic": False, "store": {"uri": None, "experiment": "tfprune"}}  # fmt: skip
    (place / "run.json").write_text(json.dumps(facts))
    (place / "records.jsonl").write_text("")
    return open_sweep("abcd", folder=folder)


@pytest.fixture
def sweep(tmp_path):
    """Two strategies by two seeds, two levels; another layout of one; movement trains alone."""
    grid = [
        {"seed": seed, "pruning.strategy": strategy}
        for seed in (0, 1)
        for strategy in ("magnitude", "random", "movement")
    ]
    grid.append({"seed": 0, "pruning.strategy": "random", "comparison.layout": "mean"})
    return of_grid(tmp_path, grid, pruning={"levels": 2}, comparison={"layout": "pixels"})


def test_networks_that_are_the_same_bits_come_once(sweep):
    found = networks_of(sweep)
    dense = [n for n in found if n.level == 0]
    # of each seed: one that magnitude and random begin with, and movement's own
    assert sorted(n.seed for n in dense) == [0, 0, 1, 1]
    assert len(found) == 4 + 2 * 3 * 2  # and two levels of three strategies by two seeds
    assert len({n.reference for n in found}) == len(found)


def test_dense_networks_belong_to_the_training_that_their_settings_share(tmp_path):
    """Two trainings by two strategies by two seeds: floors and kinds of pairs don't mix them."""
    grid = [
        {"training.epochs": epochs, "pruning.strategy": strategy, "seed": seed}
        for epochs in (1, 10)
        for strategy in ("magnitude", "random")
        for seed in (0, 1)
    ]
    found = networks_of(of_grid(tmp_path, grid, pruning={"levels": 1}))
    dense = [(n.setting, n.dense, n.seed) for n in found if n.level == 0]
    assert dense == [
        (name, name, seed) for name in ("dense epochs=1", "dense epochs=10") for seed in (0, 1)
    ]
    assert {(n.setting, n.dense) for n in found if n.level} == {
        (f"epochs={e} strategy={s}", f"dense epochs={e}")
        for e in (1, 10)
        for s in ("magnitude", "random")
    }
    # what is known of a pair: 0.9 of one training, 0.1 of two
    same = np.array([[a.dense == b.dense for b in found] for a in found])
    values = np.where(same, 0.9, 0.1)[None].repeat(2, axis=0)
    whole = AllPairs(tuple(found), ("conv", "dense"), {"cka": values}, "pixels", 100)
    assert summary(whole)[1] == (
        "cka: dense networks of two seeds 0.900, dense networks of two trainings at one seed "
        "0.100, levels of one seed and setting 0.900, settings at one seed and level 0.367"
    )  # of three pairs of settings at one seed and level, one each is of one training
    floors = floors_of(whole, {n.setting: setting() for n in found if n.level})
    assert list(floors) == ["seed floor of dense epochs=1", "seed floor of dense epochs=10"]
    for name, floor in floors.items():
        assert {row.similarity for row in floor.similarities} == {0.9}
        assert {row.seed for row in floor.similarities} == {0}
        assert floor.name == name


def test_data_orders_are_replicates_as_seeds_are_and_none_is_dropped(tmp_path):
    grid = [
        {"pruning.strategy": strategy, "seed": seed, "training.data_order_seed": order}
        for strategy in ("magnitude", "random")
        for seed in (0, 1)
        for order in (5, 6)
    ]
    found = networks_of(of_grid(tmp_path, grid, pruning={"levels": 1}))
    assert len(found) == 4 + 8
    assert len({(n.setting, n.replicate, n.level) for n in found}) == 12
    whole = AllPairs(tuple(found), ("conv",), {"cka": np.ones((1, 12, 12))}, "pixels", 9)
    assert "dense networks of two data orders 1.000" in summary(whole)[1]
    assert {line.split(",")[-1] for line in networks_csv(whole).splitlines()[1:]} == {"5", "6"}


def test_replicates_that_cells_share_are_one_network(tmp_path):
    found = networks_of(of_grid(tmp_path, [{"seed": s} for s in (0, 1, 2)],
                                replicates=2, pruning={"levels": 1}))  # fmt: skip
    assert [(n.seed, n.level) for n in found] == [(s, n) for s in range(4) for n in (0, 1)]


def test_a_map_of_other_networks_than_those_of_now_is_told(sweep):
    found = networks_of(sweep)
    whole = AllPairs(tuple(found), ("conv",), {}, "pixels", 9)
    assert outdated(sweep, whole) == ""
    before = dataclasses.replace(whole, networks=tuple(found[:-2]))
    anew = "'tfprune compare --all abcd --layout pixels' compares them anew"
    assert outdated(sweep, before) == (
        "left out: 14 networks were compared before, and there are 16 now, of which 2 were not "
        f"among them. {anew}"
    )
    old = [dataclasses.replace(n, setting="dense") if n.level == 0 else n for n in found]
    assert outdated(sweep, dataclasses.replace(whole, networks=tuple(old))) == (
        "left out: an earlier version compared them, which did not tell trainings or data orders "
        f"apart. {anew}"
    )
    path = sweep.root / RUNS / "abcd" / "all-pairs" / "all-pairs.npz"
    path.parent.mkdir()
    path.write_bytes(_packed(whole))
    assert outdated(sweep, kept(sweep)) == ""


def pairs(layout="pixels"):
    networks = (
        SweepNetwork("r0:0:0", "dense", 0, 0), SweepNetwork("r0:1:0", "x", 0, 1),
        SweepNetwork("r1:0:1", "dense", 1, 0), SweepNetwork("r1:1:1", "x", 1, 1),
    )  # fmt: skip
    values = np.ones((2, 4, 4))
    values[:, 0, 2] = values[:, 2, 0] = [0.5, 0.25]  # dense 0 against dense 1
    values[:, 0, 1] = values[:, 1, 0] = 0.8
    return AllPairs(networks, ("conv", "dense"), {"cka": values}, layout, 100,
                    map=np.arange(8.0).reshape(4, 2), shown=0.75)  # fmt: skip


FIELDS = {
    item.name: None if "None" in str(item.type) else 0
    for item in dataclasses.fields(SimilarityResult)
}


def setting():
    rows = [
        SimilarityResult(**{**FIELDS, "level": level, "layer": layer, "layer_index": at,
                            "measure": "cka", "similarity": 0.9, "layout": "pixels",
                            "against": "dense", "warnings": "", "low": 0.8})
        for level in (0, 1)
        for at, layer in enumerate(("conv", "dense"))
    ]  # fmt: skip
    levels = [LevelResult(0, n, 0.5 * n, 10, 5, 0.9, 0.9, 0.1, 0.1, 0.0) for n in (0, 1)]
    return ReportData("x", tuple(levels), tuple(rows))


def test_the_seed_floor_is_that_of_dense_networks_in_the_settings_layout():
    (floor,) = floors_of(pairs(), {"x": setting()}).values()
    assert [(row.level, row.layer, row.similarity) for row in floor.similarities] == [
        (0, "conv", 0.5), (1, "conv", 0.5), (0, "dense", 0.25), (1, "dense", 0.25),
    ]  # fmt: skip
    assert {row.low for row in floor.similarities} == {None}
    assert floors_of(pairs("mean"), {"x": setting()}) == {}


def test_tables_and_summary_name_the_pairs():
    found = pairs()
    lines = similarities_csv(found).splitlines()
    assert len(lines) == 1 + 6 * 2
    assert lines[2] == "r0:0:0,r1:0:1,0,conv,cka,0.5"
    assert networks_csv(found).splitlines()[1] == "r0:0:0,dense,0,0,0.0,1.0,dense,"
    assert summary(found) == [
        "4 networks, 2 layers, 100 images, layout pixels",
        "cka: dense networks of two seeds 0.375, levels of one seed and setting 0.900",
        "the map shows 75% of the squared Procrustes distances",
    ]
    chart = map_of(found)
    own = [row for row in chart.rows if row["line"] == "own"]
    assert [(row["setting"], row["level"], row["x"]) for row in own] == [
        ("dense", 0, 0.0), ("x", 1, 2.0), ("dense", 0, 4.0), ("x", 1, 6.0),
    ]  # fmt: skip
    assert len(chart.rows) == 6  # each line of x begins at its dense network
    assert "it shows 75% of the squared distances" in chart.caption


def test_a_damaged_file_of_all_pairs_is_named(sweep):
    assert kept(sweep) is None
    path = sweep.root / RUNS / "abcd" / "all-pairs" / "all-pairs.npz"
    path.parent.mkdir()
    path.write_bytes(b"no npz")
    with pytest.raises(DamagedError, match=r"all-pairs\.npz"):
        kept(sweep)


def test_a_sweep_without_two_networks_is_refused(sweep):
    for place in (sweep.root / RUNS).glob("run*"):
        (place / "run.json").unlink()
    with pytest.raises(InputError) as error:
        compare_all("abcd", folder=sweep.root)
    assert str(error.value) == "the sweep 's' has 0 networks so far; two are needed."


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["A", "B", "--all"], "--all compares the networks of one sweep; leave out B."),
        (["A", "--all", "--csv"], "--all compares the networks of one sweep; leave out --csv."),
        (["A"], "Missing argument 'B'."),
        (["A", "B", "--workers", "2"], "--workers and --scheduler are for --all."),
    ],
)
def test_options_that_do_not_go_together_are_refused(words, message, capsys):
    assert main(["compare", *words]) == 2
    assert message in capsys.readouterr().err
