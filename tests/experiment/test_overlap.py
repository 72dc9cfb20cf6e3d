"""How much the masks of several seeds share: with every earlier seed, at every level."""

from __future__ import annotations

import csv
import io
import itertools
import math
from pathlib import Path

import numpy as np
import pytest

from tfprune.activations import collect_activations
from tfprune.config import from_dict
from tfprune.errors import RunError
from tfprune.experiment.checkpoint import Shelf
from tfprune.experiment.facts import overlaps_with
from tfprune.experiment.plan import make_plan, normalization_of
from tfprune.models.files import load_model
from tfprune.pruning.mask_files import load_masks
from tfprune.results import OverlapResult, mask_overlap_csv
from tfprune.runs.finished import open_run
from tfprune.runs.run import run
from tfprune.similarity import linear_cka
from tfprune.tracking import open_store, resolve_store


def masks(**layers):
    return {name: np.array(flags, bool) for name, flags in layers.items()}


def test_masks_are_set_beside_those_of_every_earlier_seed():
    earlier = {
        3: masks(x=[1, 1, 0, 0], y=[1, 1]),
        4: masks(x=[0, 0, 1, 1], y=[1, 0]),
    }
    rows = overlaps_with(earlier, masks(x=[1, 0, 1, 0], y=[1, 0]), seed=5, level=2)
    assert rows == [
        # x: 1 of 3 shared, by chance 2*2/4 = 1 of 3; y: 1 of 2, by chance 2*1/2 = 1 of 2
        OverlapResult(3, 5, 2, 2 / 5, 2 / 5, {"x": 1 / 3, "y": 1 / 2}, {"x": 1 / 3, "y": 1 / 2}),
        # y: 1 of 1, by chance 1*1/2 of 1.5
        OverlapResult(4, 5, 2, 2 / 4, 1.5 / 4.5, {"x": 1 / 3, "y": 1.0}, {"x": 1 / 3, "y": 1 / 3}),
    ]


def test_the_table_has_a_row_per_pair_and_level_and_two_columns_per_layer():
    row = OverlapResult(0, 1, 2, 0.4, 0.3, {"x": 0.5, "y": math.nan}, {"x": 0.25, "y": math.nan})
    assert mask_overlap_csv([row]) == (
        "seed_a,seed_b,level,jaccard,chance,jaccard/x,jaccard/y,chance/x,chance/y\n"
        "0,1,2,0.4,0.3,0.5,nan,0.25,nan\n"
    )


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_shelf_gives_back_what_was_put_there(tmp_path, on_disk):
    rng = np.random.default_rng(0)
    shapes = {"conv": (3, 3, 2, 5), "dense": (7, 3)}
    kept = {
        (seed, level): {name: rng.random(shape) < 0.5 for name, shape in shapes.items()}
        for seed, level in itertools.product((0, 1), (0, 1))
    }
    shelf = Shelf(tmp_path / "new" if on_disk else None)
    for (seed, level), found in kept.items():
        shelf.put(seed, level, found, [np.full(2, seed)] if seed == 0 else ())
    again = Shelf(tmp_path / "new") if on_disk else shelf  # as a resumed process would
    for (seed, level), expected in kept.items():
        kept_level = again.get(seed, level)
        found, values = kept_level.masks, kept_level.values
        assert list(found) == list(expected)
        for name, mask in found.items():
            assert mask.dtype == np.bool_
            np.testing.assert_array_equal(mask, expected[name])
        assert [value.tolist() for value in values] == ([[0, 0]] if seed == 0 else [])


@pytest.mark.parametrize("on_disk", [True, False])
def test_a_level_stays_when_its_values_are_dropped(tmp_path, on_disk):
    shelf = Shelf(tmp_path if on_disk else None)
    shelf.put(0, 1, masks(x=[1, 0]), [np.arange(3.0)], np.array([2, 0]))
    shelf.put(1, 1, masks(x=[0, 1]))  # as an older version did, without answers
    shelf.drop_values(0, 1)
    shelf.drop_values(0, 7)  # never kept
    kept = shelf.find(0, 1)
    assert kept is not None
    assert kept.masks["x"].tolist() == [True, False]
    assert kept.values == []
    assert kept.answers is not None
    assert kept.answers.tolist() == [2, 0]
    assert shelf.get(1, 1).answers is None
    assert shelf.find(0, 7) is None


def test_a_shelf_that_has_lost_a_level_says_so(tmp_path):
    shelf = Shelf(tmp_path)
    shelf.put(0, 1, masks(x=[1, 0]))
    path = tmp_path / "level1-seed0"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError) as caught:
        shelf.get(0, 1)
    assert str(caught.value) == (
        f"{path} is gone or damaged: it holds the masks of level 1 of seed 0. The run cannot be "
        "resumed; restore the file, or start a new run with 'tfprune run --fresh'."
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("overlap")
    config = {**small, "replicates": 3, "pruning": {"levels": 1, "fraction": 0.5},
              "training": {"epochs": "1ep", "batch_size": 256}}  # fmt: skip
    result = run(config, folder=folder, tell=lambda message: None)
    return result, open_store(resolve_store(folder=folder))


def jaccard(a, b):
    both = sum(int((a[name] & b[name]).sum()) for name in a)
    return both / sum(int((a[name] | b[name]).sum()) for name in a)


@pytest.mark.slow
def test_a_run_logs_the_overlap_of_every_pair_of_seeds(finished):
    result, store = finished
    text = store.read_text(result.run_id, "mask-overlap.csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    pairs = [(row["seed_a"], row["seed_b"], row["level"]) for row in rows]
    assert pairs == [
        ("0", "1", "0"), ("0", "1", "1"), ("0", "2", "0"), ("1", "2", "0"), ("0", "2", "1"),
        ("1", "2", "1"),
    ]  # fmt: skip
    assert [float(row["jaccard"]) for row in rows] == [row.jaccard for row in result.overlaps]
    logged = {}
    for seed, level in itertools.product((0, 1, 2), (0, 1)):
        child = store.child(result.run_id, level=level, seed=seed)
        logged[seed, level] = load_masks(store.download_artifact(child.id, "mask.npz"))
    for row in result.overlaps:
        a, b = logged[row.seed_a, row.level], logged[row.seed_b, row.level]
        assert row.jaccard == jaccard(a, b)
        for name in a:
            assert row.layer_jaccard[name] == jaccard({name: a[name]}, {name: b[name]})
        if row.level == 0:
            assert row.jaccard == row.chance == 1
        else:
            assert 0.2 < row.jaccard < 0.6  # two halves taken at random share a third


@pytest.mark.slow
def test_a_levels_fact_is_the_mean_over_the_earlier_seeds(finished):
    result, store = finished
    for level in result.levels:
        rows = [r for r in result.overlaps if (r.seed_b, r.level) == (level.seed, level.level)]
        assert len(rows) == level.seed
        if not rows:
            assert "jaccard" not in level.facts
            continue
        assert level.facts["jaccard"] == pytest.approx(np.mean([r.jaccard for r in rows]))
        assert level.facts["jaccard_chance"] == pytest.approx(np.mean([r.chance for r in rows]))
        child = store.child(result.run_id, level=level.level, seed=level.seed)
        (point,) = store.metric_history(child.id, "facts/jaccard")
        assert point.value == level.facts["jaccard"]


@pytest.mark.slow
def test_the_seed_floor_compares_every_pair_of_dense_networks(finished):
    """Each network sees its images as it was trained on them; the earlier seed is side a."""
    result, store = finished
    floor = [row for row in result.similarities if row.against == "seed"]
    pairs = list(dict.fromkeys((row.against_seed, row.seed) for row in floor))
    assert pairs == [(0, 1), (0, 2), (1, 2)]
    assert {(row.against_seed, row.null is None) for row in floor} == {(0, False), (1, True)}
    config = from_dict({"comparison": {"probe_size": 100}})
    plan = make_plan(config)
    probe = plan.probe
    read = {}
    for seed in range(3):
        child = store.child(result.run_id, level=0, seed=seed)
        network = load_model(store.download_artifact(child.id, "model.keras"))
        scale = normalization_of(plan, seed)
        read[seed] = collect_activations(network, probe.images, normalization=scale)
    for row in floor:
        x, y = (
            a[row.layer].reshape(-1, row.width) for a in map(read.get, (row.against_seed, row.seed))
        )
        assert row.similarity == pytest.approx(linear_cka(x, y), abs=1e-5)


@pytest.mark.slow
def test_answers_of_classes_and_images_are_those_of_the_logged_networks(finished):
    """From each level's stored network: divergence, agreement, classes, modal answers."""
    from scipy.spatial.distance import jensenshannon
    from scipy.special import softmax
    from sklearn.metrics import cohen_kappa_score

    result, store = finished
    plan = make_plan(from_dict({"comparison": {"probe_size": 100}}))
    test, outputs = plan.dataset.test, {}
    for seed, level in itertools.product(range(3), (0, 1)):
        child = store.child(result.run_id, level=level, seed=seed)
        network = load_model(store.download_artifact(child.id, "model.keras"))
        outputs[seed, level] = softmax(
            network(normalization_of(plan, seed).apply(test.images), training=False).numpy(), axis=1
        )
    answers = {key: found.argmax(axis=1) for key, found in outputs.items()}
    for row in result.levels:
        dense, now = outputs[row.seed, 0], outputs[row.seed, row.level]
        divergence = np.mean(jensenshannon(dense, now, axis=1) ** 2)
        assert row.facts["js_divergence"] == pytest.approx(divergence, rel=1e-3, abs=1e-7)
        kappa = cohen_kappa_score(answers[row.seed, 0], answers[row.seed, row.level])
        assert row.facts["kappa"] == pytest.approx(kappa)
    assert [(row.seed, row.level) for row in result.classes] == [(0, 1), (1, 1), (2, 1)]
    frame = result.classes_frame()
    for row in frame.itertuples():
        own = test.labels == frame.loc[row.Index, "class"]
        assert row.n_images == own.sum()
        assert row.accuracy_dense == np.mean(answers[row.seed, 0][own] == test.labels[own])
        assert row.accuracy_test == pytest.approx(
            np.mean(answers[row.seed, 1][own] == test.labels[own])
        )
        assert row.change == pytest.approx(row.accuracy_test - row.accuracy_dense)
        assert row.low <= row.change <= row.high
    text = store.read_text(result.run_id, "classes.csv")
    assert len(text.splitlines()) == 1 + len(frame)

    def modal(level):
        votes = np.stack([answers[seed, level] for seed in range(3)])
        return np.array([np.bincount(column).argmax() for column in votes.T])

    expected = np.flatnonzero(modal(0) != modal(1))
    assert [row.index for row in result.forgotten] == expected.tolist()
    last = result.levels[-1].facts
    assert last["forgotten"] == len(expected) / len(test.labels)
    pairs = [np.mean(answers[a, 0] != answers[b, 0]) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert last["forgotten_by_chance"] == pytest.approx(np.mean(pairs))
    assert last["forgotten_p"] in (0.25, 0.5, 0.75, 1.0)
    assert "forgotten" not in result.levels[1].facts  # not all seeds had the level yet
    rows = list(csv.DictReader(io.StringIO(store.read_text(result.run_id, "forgotten.csv"))))
    assert [int(row["index"]) for row in rows] == expected.tolist()
    assert all(row["label_name"] == str(test.labels[int(row["index"])]) for row in rows)
    opened = open_run(result.run_id, folder=Path(result.report).parents[3])
    assert (opened.classes, opened.forgotten) == (result.classes, result.forgotten)
