"""Intervals by resampling minibatches of images, with replacement."""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist

import numpy as np

from tfprune.similarity.arrays import Array, clipped

#: fewer blocks than this say nothing about spread
MIN_BLOCKS = 8


def resampling_weights(n_blocks: int, replicates: int, seed: int) -> Array:
    """Return (replicates, n_blocks) counts of how often each block is drawn, with replacement."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(n_blocks, np.full(n_blocks, 1 / n_blocks), size=replicates)


def bootstrap_interval(
    value: float,
    replicate: Callable[[Array], float],
    weights: Array,
    *,
    confidence: float,
    value_range: tuple[float, float],
) -> tuple[float, float] | None:
    """Return the interval at `confidence` around `value` from replicates at the given weights.

    Drawing with replacement repeats images, which raises CCA and CKA as if there were fewer of
    them; so the replicates' own mean is moved onto `value` before quantiles are taken. Below
    100 replicates the quantiles are those of a normal law with the replicates' deviation.
    """
    draws = np.array([replicate(w.astype(np.float64)) for w in weights])
    draws = draws[np.isfinite(draws)]
    if draws.size < 8:
        return None
    tail = (1 - confidence) / 2
    if draws.size < 100:
        reach = NormalDist().inv_cdf(1 - tail) * float(draws.std(ddof=1))
        low, high = value - reach, value + reach
    else:
        low, high = np.quantile(draws, [tail, 1 - tail]) - draws.mean() + value
    return clipped(float(low), *value_range), clipped(float(high), *value_range)
