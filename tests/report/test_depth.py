from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tfprune.report.charts.similarity import depth_chart
from tfprune.report.depth import layers_of, null_of_level, profiles, seed_floor, training_floor
from tfprune.report.figures import draw
from tfprune.results import SAME_INIT, SEED_FLOOR, SimilarityResult


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
    assert "Dashed: dense networks that differ by seed (1 pair of seeds)" in chart.caption
    assert "the training floor" in chart.caption
    svg = draw(chart, "svg").decode()
    assert ">dense, other seed<" in svg
    assert ">dense, trained again<" in svg
    one = make_data(n_seeds=1, measures=("svcca",))
    assert "intervals over images of the probe set, not over seeds" in (
        depth_chart(one, "svcca", key="k").caption
    )
