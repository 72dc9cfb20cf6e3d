from __future__ import annotations

import dataclasses
import io
import math
import re

import numpy as np
import pytest
from rich.console import Console

from tfprune.report.charts.similarity import depth_chart, heat_chart
from tfprune.report.depth import (
    fewer_seeds,
    layers_of,
    null_of_level,
    profiles,
    seed_floor,
    training_floor,
)
from tfprune.report.figures import draw
from tfprune.report.summary import rows_legend
from tfprune.report.tables import level_table, print_result
from tfprune.results import DENSE, SAME_INIT, SEED_FLOOR, RunResult, SimilarityResult


def row(template: SimilarityResult, **changes) -> SimilarityResult:
    return dataclasses.replace(template, **changes)


def one(make_data) -> SimilarityResult:
    return make_data(n_layers=1, n_levels=1).similarities[0]


def test_one_replicate_keeps_its_bootstrap_interval(make_data):
    rows = [row(one(make_data), similarity=0.7, low=0.6, high=0.75)]
    (line,) = profiles(rows, measure="svcca")
    assert (line.mean[0], line.low[0], line.high[0]) == (0.7, 0.6, 0.75)


def test_several_replicates_give_mean_and_range_instead_of_the_interval(make_data):
    template = one(make_data)
    rows = [
        row(template, seed=seed, similarity=value, low=0.0, high=1.0)
        for seed, value in enumerate((0.5, 0.6, 0.9))
    ]
    (line,) = profiles(rows, measure="svcca")
    assert line.n_replicates == 3
    np.testing.assert_allclose((line.mean[0], line.low[0], line.high[0]), (2 / 3, 0.5, 0.9))


def test_a_replicate_without_a_number_does_not_spoil_the_others(make_data):
    template = one(make_data)
    rows = [row(template, seed=0, similarity=float("nan")), row(template, seed=1, similarity=0.4)]
    (line,) = profiles(rows, measure="svcca")
    assert line.mean[0] == 0.4


def test_a_layer_without_any_number_is_nan_and_warns_nobody(make_data):
    (line,) = profiles([row(one(make_data), similarity=float("nan"))], measure="svcca")
    assert np.isnan(line.mean[0])


def test_the_seed_floor_is_no_level_and_the_dense_level_is_not_drawn(make_data):
    template = one(make_data)
    rows = [
        row(template, level=0, similarity=1.0),
        row(template, level=1, similarity=0.8),
        row(template, level=0, seed=1, similarity=0.3, against=SEED_FLOOR),
    ]
    assert [line.level for line in profiles(rows, measure="svcca")] == [1]
    floor = seed_floor(rows, measure="svcca")
    assert floor is not None
    assert floor.mean[0] == 0.3


def test_layers_stand_by_their_index_not_by_their_name_or_order(make_data):
    template = one(make_data)
    rows = [
        row(template, layer="a", layer_index=10),
        row(template, layer="c", layer_index=2),
        row(template, layer="b", layer_index=7),
    ]
    assert layers_of(rows) == ("c", "b", "a")


def test_the_null_is_the_levels_own_mean_over_replicates(make_data):
    template = one(make_data)
    rows = [
        row(template, level=0, null=0.01),  # as older files have it: in closed form
        row(template, level=1, null=0.1),
        row(template, level=1, seed=1, null=0.3),
        row(template, level=2, null=0.6),
        row(template, level=0, seed=1, null=0.9, against=SEED_FLOOR),
    ]
    np.testing.assert_allclose(null_of_level(rows, measure="svcca", level=1), [0.2])
    np.testing.assert_allclose(null_of_level(rows, measure="svcca", level=2), [0.6])
    assert null_of_level(rows, measure="svcca", level=0) is None


def test_the_null_stands_by_layer_and_is_absent_where_unknown(make_data):
    template = one(make_data)
    rows = [
        row(template, layer="b", layer_index=1, null=0.3),
        row(template, layer="a", layer_index=0, null=None),
    ]
    np.testing.assert_equal(null_of_level(rows, measure="svcca", level=1), [np.nan, 0.3])
    assert null_of_level(rows[1:], measure="svcca", level=1) is None
    assert null_of_level(rows, measure="cka", level=1) is None


def test_every_pair_of_seeds_counts_for_the_floor_and_each_floor_stands_alone(make_data):
    row = make_data(n_levels=1, measures=("svcca",)).similarities[0]
    at = [(1, 0, 0.5), (2, 0, 0.6), (2, 1, 0.1)]
    rows = [
        dataclasses.replace(
            row, level=0, seed=a, against_seed=b, similarity=value, against=SEED_FLOOR
        )
        for a, b, value in at
    ]
    rows.append(dataclasses.replace(row, level=0, similarity=0.9, against=SAME_INIT))
    seeds = seed_floor([row, *rows], measure="svcca")
    again = training_floor([row, *rows], measure="svcca")
    assert (seeds.n_replicates, again.n_replicates) == (3, 1)
    assert (seeds.mean[0], seeds.low[0], seeds.high[0]) == (pytest.approx(0.4), 0.1, 0.6)
    assert again.mean[0] == 0.9
    assert training_floor([row, *rows[:3]], measure="svcca") is None


def test_both_floors_are_drawn_and_named_wherever_similarity_is(make_data):
    data = make_data(n_seeds=2, n_levels=1, measures=("svcca",))
    template = next(r for r in data.similarities if r.against == SEED_FLOOR)
    again = dataclasses.replace(template, against=SAME_INIT, similarity=0.77)
    data = dataclasses.replace(data, similarities=(*data.similarities, again))
    chart = depth_chart(data, "svcca", key="k")
    assert {row["series"] for row in chart.rows} == {
        "level", "dense, other seed", "dense, trained again",
    }  # fmt: skip
    assert "Dashed: dense networks of different seeds (1 pair of seeds)" in chart.caption
    assert "the training floor" in chart.caption
    svg = draw(chart, "svg").decode()
    assert ">dense, other seed<" in svg
    assert ">dense, trained again<" in svg
    one = make_data(n_seeds=1, measures=("svcca",))
    assert "intervals over images of the probe set, not over seeds" in (
        depth_chart(one, "svcca", key="k").caption
    )


def lost(similarities, layer, seeds):
    """The similarities, a layer of some seeds dead at the last level."""
    last = max(row.level for row in similarities)
    return [
        dataclasses.replace(row, similarity=math.nan, rank_a=8, rank_b=0)
        if (row.layer, row.level, row.against) == (layer, last, DENSE) and row.seed in seeds
        else row
        for row in similarities
    ]


def test_a_mean_over_fewer_seeds_is_named_wherever_means_are_shown(make_data):
    data = make_data(n_layers=3, n_levels=2, n_seeds=3, measures=("cka",))
    layer = data.similarities[0].layer
    rows = lost(data.similarities, layer, {1})
    said = (
        "Means of fewer seeds, because the layer has no number in the others: "
        f"{layer} at level 2 (2 of 3)."
    )
    lines = profiles(rows, measure="cka")
    assert lines[-1].n_known.tolist() == [2, 3, 3]
    assert not lines[-1].dead.any()
    assert fewer_seeds(lines) == said
    gone = profiles(lost(data.similarities, layer, {0, 1, 2}), measure="cka")
    assert gone[-1].dead.tolist() == [True, False, False]
    assert fewer_seeds(gone) == ""
    data = dataclasses.replace(data, similarities=tuple(rows))
    assert said in rows_legend(data.levels, data.similarities)
    for chart in (depth_chart, heat_chart):
        assert said in chart(data, "cka", key="k").caption
    console = Console(width=200, record=True, file=io.StringIO())
    print_result(RunResult("x", None, data.levels, data.similarities), console)
    assert said in console.export_text()


def test_a_dead_layer_is_the_lowest_of_a_table_that_has_no_room_for_all(make_data):
    data = make_data(n_layers=40, n_levels=1, measures=("cka",))
    layer = sorted({row.layer for row in data.similarities})[5]
    rows = tuple(lost(data.similarities, layer, {0}))
    console = Console(width=90, record=True, file=io.StringIO())
    console.print(level_table(RunResult("x", None, data.levels, rows), width=90))
    assert re.search(rf"\bdead +{layer}\b", console.export_text())
