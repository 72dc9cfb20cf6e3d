"""Claims over seeds: counted out by brute force, and wrong in at most 5% of null experiments."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.claims.experiments import KINDS, any_claim, experiments
from tfprune.errors import InputError
from tfprune.similarity.claims import (
    ALPHA,
    claims,
    count_wins,
    holm,
    mean_p_value,
    seeds_needed,
    win_counts,
    win_p_value,
)

N = 1500
SLACK = 2.5 * math.sqrt(ALPHA * (1 - ALPHA) / N)


@pytest.mark.parametrize("n_seeds", [2, 3, 4])
def test_orders_are_counted_as_by_going_through_all_of_them(n_seeds):
    found = [0] * (n_seeds * (n_seeds - 1) + 1)
    for order in itertools.permutations(range(2 * n_seeds)):
        x, y = order[:n_seeds], order[n_seeds:]
        found[sum(y[i] > x[j] for i in range(n_seeds) for j in range(n_seeds) if i != j)] += 1
    each = math.factorial(n_seeds)  # the seeds themselves have no order
    assert win_counts(n_seeds) == tuple(count // each for count in found)


@pytest.mark.parametrize("n_seeds", [2, 5, 9])
def test_the_distribution_is_whole_symmetric_and_as_wide_as_its_formula_says(n_seeds):
    counts = np.array([float(c) for c in win_counts(n_seeds)])
    assert counts.sum() == math.factorial(2 * n_seeds) / math.factorial(n_seeds)
    np.testing.assert_array_equal(counts, counts[::-1])
    u = np.arange(len(counts))
    variance = (counts * (u - u.mean()) ** 2).sum() / counts.sum()
    assert variance == pytest.approx(n_seeds * (n_seeds - 1) * (1 / 4 + (n_seeds - 2) / 6))


def test_the_smallest_p_value_is_that_of_the_formula_and_four_seeds_reach_five_percent():
    for n in range(2, 10):
        smallest = 2 * (1 + 1 / n) / math.comb(2 * n, n)
        assert win_p_value(n * (n - 1), n) == pytest.approx(min(1, smallest))
        assert (smallest <= ALPHA) == (n >= 4)
    assert [seeds_needed(n) for n in (1, 2, 5, 6, 19, 20, 75, 76)] == [4, 5, 5, 6, 6, 7, 7, 8]


def test_above_twenty_seeds_the_normal_limit_goes_on_where_counting_ends():
    most = 20 * 19
    for wins in (most // 2, 230, 260):
        limit = win_p_value(wins / most * 21 * 20, 21)
        assert limit == pytest.approx(win_p_value(wins, 20), rel=0.2)


def test_ties_count_against_a_claim_and_the_diagonal_is_not_looked_at():
    own, floor = np.full(4, 0.5), np.full((4, 4), 0.5)
    assert count_wins(own, floor) == 6
    np.fill_diagonal(floor, -9)
    assert count_wins(own, floor) == 6
    assert win_p_value(11.5, 4) == win_p_value(11, 4) > win_p_value(12, 4)
    with pytest.raises(InputError) as caught:
        count_wins(own, floor[:3])
    assert str(caught.value) == (
        "expected own (R,) and floor (R, R) for R seeds; got (4,) and (3, 4)."
    )


def test_the_test_of_means_is_the_paired_t_test_where_similarities_are_sums():
    """own = x + y, floor = x_i + x_j: means differ by mean(y - x), and so do the jackknife's."""
    rng = np.random.default_rng(3)
    for r in (3, 5, 9):
        x, y = rng.normal(size=r), 0.3 + 2 * rng.normal(size=r)
        expected = scipy.stats.ttest_rel(y, x).pvalue
        assert mean_p_value(x + y, x[:, None] + x) == pytest.approx(expected, rel=1e-9)
    assert mean_p_value(np.full(4, 0.5), np.full((4, 4), 0.5)) == 1
    assert mean_p_value(np.full(4, 0.9), np.full((4, 4), 0.5)) == 0
    assert mean_p_value(np.ones(2), np.zeros((2, 2))) == 1  # a seed left out leaves no pair


def test_many_experiments_at_once_claim_as_one_by_one():
    own, floor = experiments("wide", 60, n_seeds=6, n_layers=2, seed=1)
    own[:20] += 8
    found = [any(c.direction for c in claims(list(a), list(b)))
             for a, b in zip(own, floor, strict=True)]  # fmt: skip
    assert sum(found) >= 10
    np.testing.assert_array_equal(any_claim(own, floor), found)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_never_below_the_plain_value_nor_above_bonferronis(p_values):
    adjusted = holm(p_values)
    for plain, corrected in zip(p_values, adjusted, strict=True):
        assert plain <= corrected <= min(1, len(p_values) * plain) + 1e-12
    pairs = sorted(zip(p_values, adjusted, strict=True))
    assert [b for _, b in pairs] == sorted(b for _, b in pairs)


def test_a_layer_with_a_missing_value_is_not_asked_and_costs_the_others_nothing():
    own = np.array([0.9, 0.91, 0.92, 0.93])
    dead = np.array([0.9, np.nan, 0.92, 0.93])
    floor = np.full((4, 4), 0.4)
    alive, missing = claims([own, dead], [floor, floor])
    assert alive.direction == "closer"
    assert (missing.p_value, missing.adjusted, missing.direction) == (None, None, None)
    assert claims([-own], [-floor])[0].direction == "farther"


def test_a_layer_whose_floor_lacks_one_pair_of_seeds_is_not_asked():
    floor = np.full((5, 5), 0.6)
    lacking = floor.copy()
    lacking[1, 3] = lacking[3, 1] = np.nan
    own = np.array([0.9, 0.92, 0.91, 0.93, 0.9])
    known, unknown = claims([own, own], [floor, lacking])
    assert known == claims([own], [floor])[0]
    assert known.direction == "closer"
    assert (unknown.p_value, unknown.adjusted, unknown.direction) == (None, None, None)


@pytest.mark.parametrize("n_seeds", [2, 3, 4, 5, 8])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("n_layers", [3, 7])
def test_nothing_is_claimed_in_95_of_100_experiments_without_effect(n_seeds, kind, n_layers):
    own, floor = experiments(kind, N, n_seeds=n_seeds, n_layers=n_layers, seed=n_seeds)
    rate = np.mean(any_claim(own, floor))
    assert rate <= ALPHA + SLACK
    if n_seeds < seeds_needed(n_layers):
        assert rate == 0


@pytest.mark.parametrize(("n_seeds", "power"), [(5, 0.45), (8, 0.9)])
def test_an_effect_of_two_spreads_in_one_of_three_layers_is_found(n_seeds, power):
    own, floor = experiments("networks", N, n_seeds=n_seeds, n_layers=3, seed=0)
    own[:, 0] += 2 * floor[:, 0][:, 0, 1].std()
    assert np.mean(any_claim(own[:, :1], floor[:, :1], n_claims=3)) >= power
