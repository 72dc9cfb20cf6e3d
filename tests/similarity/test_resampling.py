"""Intervals from replicates, against what is worked out by hand from the draws."""

import numpy as np
import pytest

from tfprune.similarity.resampling import bootstrap_interval

WIDE = (-100.0, 100.0)


def interval(draws, *, value=2.0, confidence=0.95, value_range=WIDE):
    """Return the interval of replicates that give these draws, one after the other."""
    return bootstrap_interval(
        value,
        lambda w: float(w[0]),
        np.array(draws)[:, None],
        confidence=confidence,
        value_range=value_range,
    )


@pytest.mark.parametrize(("confidence", "z"), [(0.95, 1.959964), (0.8, 1.281552)])
def test_few_draws_give_a_normal_laws_interval_around_the_value(confidence, z):
    draws = np.random.default_rng(0).normal(5, 3, 99)
    reach = z * draws.std(ddof=1)
    found = interval(draws, confidence=confidence)
    assert found == pytest.approx((2 - reach, 2 + reach), rel=1e-6)


def test_a_hundred_draws_give_their_quantiles_moved_onto_the_value():
    draws = np.arange(101.0) ** 2  # skewed; mean 3350, quantiles at the 5th and 95th
    low, high = interval(draws, confidence=0.9, value_range=(-1e9, 1e9))
    assert (low, high) == pytest.approx((25 - 3350 + 2, 9025 - 3350 + 2))


def test_draws_that_are_not_finite_are_left_out_and_under_eight_give_none():
    draws = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]
    assert interval([*draws, np.nan, np.inf]) == interval(draws) is not None
    assert interval([*draws[:7], np.nan]) is None


def test_an_interval_ends_where_the_values_do():
    draws = np.random.default_rng(1).normal(size=50)
    assert interval(draws, value=0.5, value_range=(0.0, 1.0)) == (0.0, 1.0)
