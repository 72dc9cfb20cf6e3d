"""Derivatives in the weights of blocks of images, against differences of the numbers themselves."""

import numpy as np
import pytest

from tfprune.similarity import MEASURES, Comparison
from tfprune.similarity import derivatives_cca as expansion_cca
from tfprune.similarity.blocks import Blocks
from tfprune.similarity.measure import find_measure
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import Key

KEYS = Key("a", "l"), Key("b", "l")
EXPANDED = [n for n in MEASURES.names() if find_measure(n).expand is not None]


def evidence_of(a, b, measure, blocks=10):
    comparison = Comparison([("l", "l")], measures=[measure], blocks=blocks, n_images=len(a))
    comparison.update({"l": a}, {"l": b})
    return Statistics(comparison.accumulator)


def draw(d1, d2, n=260, dead=()):
    rng = np.random.default_rng(d1)
    a = rng.gamma(2.0, size=(n, d1)) * np.geomspace(1, 0.1, d1) + 5
    b = a @ rng.normal(size=(d1, d2)) + rng.normal(size=(n, d2)) - 3
    a[:, list(dead)] = 0.0
    return a, b


def derivatives(statistics, measure):
    moments = statistics.moments(measure)
    pair = moments.weighted_pair(KEYS, np.ones(moments.store.n_blocks))
    expanded = measure.expand(pair, pair, **measure.options)
    used = moments.blocks_used(KEYS[0])
    blocks = Blocks(moments.store, KEYS, np.split(used, used.size))
    parts = [expanded.derivatives(blocks.of(chunk)) for chunk in blocks.chunks]
    return expanded.value, *(np.concatenate([part[k] for part in parts]) for k in (0, 1))


@pytest.mark.parametrize("name", EXPANDED)
@pytest.mark.parametrize(("d1", "d2"), [(5, 5), (7, 4), (3, 6)])
def test_derivatives_are_those_of_the_number_in_the_weight_of_a_block(name, d1, d2, monkeypatch):
    monkeypatch.setattr(expansion_cca, "STEADY", 0.0)
    measure = find_measure(name)
    if name == "svcca":
        measure = measure.with_options(variance=0.93)
    statistics = evidence_of(*draw(d1, d2, dead=(1,)), measure)
    value, first, second = derivatives(statistics, measure)
    moments = statistics.moments(measure)
    whole = moments.weighted_pair(KEYS, np.ones(10))
    if name != "cka-debiased":  # whose corrected value is that of cka
        assert value == pytest.approx(measure(whole), abs=1e-12)

    def at(block, by):
        weights = np.ones(10)
        weights[block] += by
        return measure.expand(moments.weighted_pair(KEYS, weights), whole, **measure.options).value

    step = 1e-4
    for block in range(10):
        up, down = at(block, step), at(block, -step)
        assert first[block] == pytest.approx((up - down) / (2 * step), rel=1e-5, abs=1e-8)
        curved = (up + down - 2 * value) / step**2
        assert second[block] == pytest.approx(curved, rel=1e-3, abs=2e-6)


@pytest.mark.parametrize("name", EXPANDED)
def test_to_weigh_all_blocks_alike_changes_nothing(name):
    """The number is of degree 0 in the weights, so its derivatives add up to 0."""
    measure = find_measure(name)
    _, first, _ = derivatives(evidence_of(*draw(6, 6), measure), measure)
    assert first.sum() == pytest.approx(0, abs=1e-9)
    assert np.abs(first).max() > 1e-5


@pytest.mark.parametrize("name", ["cca", "svcca", "cka", "procrustes"])
def test_the_error_of_a_symmetric_measure_does_not_depend_on_which_side_is_which(name):
    """Also where directions near the cut of SVCCA may change places, on either side."""
    rng = np.random.default_rng(3)
    shared = rng.normal(size=(300, 6))
    a = shared @ rng.normal(size=(6, 8)) + 0.3 * rng.normal(size=(300, 8))
    b = shared @ rng.normal(size=(6, 5)) + 0.8 * rng.normal(size=(300, 5))
    measure = find_measure(name)
    measure = measure.with_options(variance=0.8) if name == "svcca" else measure

    def interval(x, y):
        comparison = Comparison([("l", "l")], measures=[measure], permutations=0, n_images=300)
        comparison.update({"l": x}, {"l": y})
        (found,) = comparison.scores().values()
        assert found.interval is not None
        return found.interval

    assert interval(a, b) == pytest.approx(interval(b, a), abs=1e-9)
