"""The test of two runs over seeds: counts by hand, and how often it finds what is not there."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_ind, ttest_rel

from tfprune.similarity import two_runs
from tfprune.similarity.two_runs import (
    MOST_EXACT,
    difference_p,
    effect_size,
    seeds_to_differ,
)


def test_pairs_are_swapped_in_every_way():
    """Of the 8 ways to sign 1, 2, 4 the sums 5 and -5 (the observed) and 7 and -7 are as far."""
    a, b = np.array([1.0, 2.0, 4.0]), np.array([0.0, 4.0, 0.0])  # differences 1, -2, 4: sum 3
    # signed sums of 1, 2, 4: 7, 5, 3, 1 and their negatives; six of eight are at least 3 away
    assert difference_p(a, b, paired=True) == max(6 / 8, ttest_rel(a, b).pvalue)


@pytest.mark.parametrize("paired", [True, False])
def test_the_larger_of_permutation_and_students_test_counts(paired):
    rng = np.random.default_rng(0)
    for shift in (0.0, 0.5, 1.5):
        a, b = rng.normal(size=7), rng.normal(size=7) * 3 + shift
        exact = permutation_test(
            (a, b),
            lambda x, y: x.mean() - y.mean(),
            permutation_type="samples" if paired else "independent",
            n_resamples=np.inf,
        ).pvalue
        student = (ttest_rel(a, b) if paired else ttest_ind(a, b, equal_var=False)).pvalue
        assert difference_p(a, b, paired=paired) == pytest.approx(max(exact, student), rel=1e-9)


def test_equal_values_are_no_difference_and_many_seeds_are_tested_too():
    assert difference_p([1.0, 1.0], [1.0, 1.0], paired=True) == 1
    assert difference_p([1.0, 1.0], [1.0, 1.0], paired=False) == 1
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=30), rng.normal(size=30)
    assert difference_p(a, b, paired=True) == pytest.approx(ttest_rel(a, b).pvalue, abs=0.05)


@pytest.mark.parametrize("n", [14, 15, 16, 23, MOST_EXACT])
def test_pairs_that_all_agree_have_one_way_in_2_to_the_n_on_either_side(n):
    """Differences all alike have no t test, so that nothing but the signs is left to test."""
    assert difference_p([0.0] * n, [1.0] * n, paired=True) == 2 / 2**n


@pytest.mark.parametrize("n", [8, 9, 12, MOST_EXACT // 2])
def test_runs_that_are_wholly_apart_have_one_deal_on_either_side(n):
    assert difference_p([0.0] * n, [1.0] * n, paired=False) == 2 / math.comb(2 * n, n)


@pytest.mark.parametrize("n", [15, 17, MOST_EXACT])
def test_every_sign_is_counted_at_any_number_of_pairs(n):
    """Whole differences have a distribution of sums by convolution, an oracle without halves."""
    differences = np.random.default_rng(n).integers(-4, 6, n)
    ways = {0: 1}
    for value in map(int, differences):
        ways = (
            {
                total: ways.get(total - value, 0) + ways.get(total + value, 0)
                for total in {t + sign * value for t in ways for sign in (1, -1)}
            }
            if value
            else {total: 2 * count for total, count in ways.items()}
        )
    far = sum(count for total, count in ways.items() if abs(total) >= abs(differences.sum()))
    share = two_runs._swapped(0.002 * differences, dust=1e-12)  # accuracies of 500 images
    assert share == far / 2**n


@pytest.mark.parametrize("paired", [True, False])
def test_of_more_seeds_ways_are_drawn_and_p_is_never_0(paired, monkeypatch):
    monkeypatch.setattr(two_runs, "DRAWS", 9_999)
    n = MOST_EXACT + 1
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=n), rng.normal(size=n) + 0.35
    p = difference_p(a, b, paired=paired)
    assert p == difference_p(a, b, paired=paired)  # the draw is always the same
    drawn = two_runs._swapped(a - b, 0.0) if paired else two_runs._dealt(a, b, 0.0)
    student = (ttest_rel(a, b) if paired else ttest_ind(a, b, equal_var=False)).pvalue
    assert p == pytest.approx(max(drawn, student))
    assert drawn == pytest.approx(student, rel=0.2)
    assert difference_p([0.0] * n, [1.0] * n, paired=paired) == 1e-4


def test_the_effect_size_of_unpaired_seeds_is_in_pooled_standard_deviations():
    """By hand: squares 6 and 14 about the means 1 and 3, over 2 + 2 degrees of freedom."""
    found = effect_size([0.0, 0.0, 3.0], [1.0, 2.0, 6.0], paired=False)
    assert found == pytest.approx(2 / np.sqrt(20 / 4), rel=1e-12)
    longer = effect_size([0.0, 0.0, 3.0], [1.0, 2.0, 6.0, 3.0], paired=False)
    assert longer == pytest.approx(2 / np.sqrt(20 / 5), rel=1e-12)
    assert effect_size([0.0, 1.0], [1.0, 2.0, 3.0], paired=False) is None


@pytest.mark.parametrize("scale", [1.0, 1e-6, 1e6])
@pytest.mark.parametrize("n", [3, 8, 20])
def test_differences_that_are_equal_but_for_rounding_have_no_effect_size(scale, n):
    a = np.random.default_rng(4).uniform(0.8, 1.0, n) * scale
    b = a - 0.1 * scale
    assert effect_size(a, b, paired=True) is None
    assert difference_p(a, b, paired=True) == 2 / 2**n
    nearly = b + 1e-9 * scale * np.arange(n)
    assert effect_size(a, nearly, paired=True) < -1e6
    level = [0.1 * 3 * scale] * n  # 0.30000000000000004
    assert effect_size(level, [0.9 * scale] * n, paired=False) is None
    assert effect_size(level, [0.3 * scale] * n, paired=True) is None
    assert difference_p(level, [0.3 * scale] * n, paired=True) == 1


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("spread", [1.0, 5.0])
def test_runs_that_do_not_differ_are_rarely_told_apart(paired, spread):
    rng = np.random.default_rng(2)
    drawn = rng.normal(size=(300, 2, 6)) * np.array([1.0, spread])[:, None]
    found = [difference_p(a, b, paired=paired) <= 0.05 for a, b in drawn]
    assert np.mean(found) <= 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("n_tests", [1, 3, 8])
def test_the_seeds_that_are_said_to_be_enough_are_and_one_less_is_not(paired, n_tests):
    needed = seeds_to_differ(n_tests, paired=paired)
    for n, enough in ((needed, True), (needed - 1, False)):
        a = np.linspace(0, 1e-3, n)
        p = difference_p(a + 1, np.roll(a, 1), paired=paired)
        assert (p * n_tests <= 0.05) == enough
