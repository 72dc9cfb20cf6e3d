"""Any measure by name on two arrays, and measures that another package brings."""

import importlib.metadata
from dataclasses import replace

import numpy as np
import pytest

from tfprune.registry import Registry
from tfprune.similarity import MEASURES, Comparison, Measure, similarity_of
from tfprune.similarity.measure import find_measure


@pytest.mark.parametrize("name", MEASURES.names())
def test_two_arrays_give_what_a_comparison_of_them_gives(name):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(130, 5))
    y = x + rng.normal(size=x.shape) * [0.05, 0.1, 0.2, 0.5, 1.0]
    comparison = Comparison([("x", "y")], measures=[name], blocks=0, permutations=0)
    comparison.update({"x": x}, {"y": y})
    expected = float(comparison.scores()["x", "y", name])
    assert similarity_of(name, x, y) == pytest.approx(expected, abs=1e-10)


def test_options_of_a_measure_reach_its_number():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(200, 6)) * [9, 5, 1, 1, 1, 1]
    y = x + rng.normal(size=x.shape)
    narrow = find_measure("svcca").with_options(variance=0.5)
    assert similarity_of(narrow, x, y) > similarity_of("svcca", x, y)


def first_channels(pair):
    """Return the squared correlation of the first channels."""
    return pair.cross[0, 0] ** 2 / (pair.x.scatter[0, 0] * pair.y.scatter[0, 0])


THEIRS = Measure(
    name="first-channels",
    summary="squared correlation of the first channels",
    compute=first_channels,
    value_range=(0.0, 1.0),
    paper="none",
    definition="squared Pearson correlation of channel 0",
    is_basis_free=False,
)


def test_a_package_can_bring_a_measure_which_gets_interval_and_null_like_ours(monkeypatch):
    point = importlib.metadata.EntryPoint(
        "first-channels", "another_package.measures:THEIRS", "tfprune.measures"
    )

    def entry_points(*, group):
        return [point] if group == "tfprune.measures" else []

    monkeypatch.setattr("tfprune.registry.entry_points", entry_points)
    registry = Registry("measure", group="tfprune.measures")
    assert registry.names() == ["first-channels"]

    rng = np.random.default_rng(2)
    x = rng.normal(size=(300, 3))
    y = x + rng.normal(size=x.shape)
    comparison = Comparison([("x", "y")], measures=[THEIRS])
    comparison.update({"x": x}, {"y": y})
    score = comparison.scores()["x", "y", "first-channels"]
    expected = np.corrcoef(x[:, 0], y[:, 0])[0, 1] ** 2
    assert float(score) == pytest.approx(expected, abs=1e-12)
    assert score.interval[0] < expected < score.interval[1]
    assert score.null < 0.05 < expected


def test_a_measure_that_says_how_many_directions_enter_is_believed():
    """By its own options, whatever they are called; the warning of too few images counts them."""
    measure = replace(
        THEIRS,
        samples="n > d1 + d2",
        directions=lambda pair, *, first: (first, first + 1),
        options={"first": 2},
        compute=lambda pair, *, first: 0.5,
    )
    x = np.random.default_rng(2).normal(size=(40, 6))
    for first, images in ((2, "8.0"), (4, "4.4")):
        comparison = Comparison(
            [("x", "y")], measures=[measure.with_options(first=first)], blocks=0
        )
        comparison.update({"x": x}, {"y": x})
        score = comparison.scores()["x", "y", "first-channels"]
        assert (score.rank_a, score.rank_b, score.rank) == (first, first + 1, first)
        assert score.warnings[0].startswith(f"{images} images per direction (40 images, {first} +")
