"""Thresholds of units: exact while they fit, and counted with the error that is stated."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.dissection import thresholds
from tfprune.dissection.thresholds import RELATIVE_ERROR, _Counted, _Largest, tally


def values(n=5000) -> np.ndarray:
    """Units: normal, ReLU, with ties, negative, of all sizes, constant, zero and minus zero."""
    rng = np.random.default_rng(0)
    normal = rng.normal(size=n)
    sizes = normal * 10.0 ** rng.integers(-30, 30, n)
    zeros = np.where(rng.random(n) < 0.5, 0.0, -0.0)
    units = (normal, np.maximum(normal, 0), np.round(normal), -np.abs(normal) - 1, sizes,
             np.full(n, 3.7), zeros)  # fmt: skip
    return np.stack(units, axis=1).astype(np.float32)


def in_batches(made, x, n):
    for start in range(0, len(x), n):
        made.add(x[start : start + n])
    return made.threshold()


@pytest.mark.parametrize("active", [0.005, 0.1, 0.9])
@pytest.mark.parametrize("n", [7, 1000, 5000])
def test_thresholds_that_fit_are_exact_whatever_the_batches_and_ties(active, n):
    x = values()
    found = in_batches(_Largest(len(x), int(active * len(x)) + 1), x, n)
    ordered = -np.sort(-x, axis=0)
    np.testing.assert_array_equal(found.values, ordered[int(active * len(x))])
    np.testing.assert_array_equal(found.above, (x > found.values).mean(axis=0))
    assert (found.above <= active).all()
    assert found.is_exact


@pytest.mark.parametrize("active", [0.005, 0.1, 0.9])
def test_counted_thresholds_lie_within_the_stated_error_and_say_what_is_above(active):
    x = values()
    exact = in_batches(_Largest(len(x), int(active * len(x)) + 1), x, 5000)
    found = in_batches(_Counted(len(x), x.shape[1], int(active * len(x)) + 1), x, 700)
    assert not found.is_exact
    np.testing.assert_array_equal(found.above, (x > found.values).mean(axis=0))
    assert (found.above <= active).all()
    assert (found.values >= exact.values).all()
    assert (found.values - exact.values <= RELATIVE_ERROR * abs(exact.values) + 1e-37).all()
    once = in_batches(_Counted(len(x), x.shape[1], int(active * len(x)) + 1), x, 5000)
    np.testing.assert_array_equal(once.values, found.values)


def test_what_does_not_fit_is_counted_and_what_is_small_anyway_never(monkeypatch):
    assert isinstance(tally(10_000, 64, 0.005, memory=0), _Largest)  # less than the counts take
    assert isinstance(tally(10**9, 64, 0.005, memory=2**28), _Counted)
    assert isinstance(tally(10**9, 64, 0.005, memory=2**34), _Largest)
    monkeypatch.setattr(thresholds, "_BINS", 0)
    assert isinstance(tally(10_000, 64, 0.005, memory=100), _Counted)
