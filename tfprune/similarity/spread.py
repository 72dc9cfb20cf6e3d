"""Which interval belongs to a measure: from block moments, minibatches or the sampled rows."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.bootstrap import (
    MIN_BLOCKS,
    bootstrap_interval,
    default_replicates,
    resampling_weights,
)
from tfprune.similarity.evidence import Evidence
from tfprune.similarity.floor import with_rows
from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair
from tfprune.similarity.store import KeyPair

Interval = tuple[float, float]

#: groups of the jackknife over sampled rows
_GROUPS = 20


def interval_of(
    evidence: Evidence, keys: KeyPair, measure: Measure, value: float
) -> tuple[Interval | None, list[str]]:
    """Return the interval of a measure's value and what the reader must be told about it."""
    settings = evidence.collected.settings
    if settings.blocks == 0:
        return None, []
    if measure.is_costly:
        return None, [f"no interval: {measure.name} is too costly to repeat"]
    if measure.source == "rows":
        return _jackknife(evidence, keys, measure, value), []
    if measure.source == "minibatches":
        return _over_minibatches(evidence, keys, measure, value)
    moments = evidence.moments(measure)
    used = moments.blocks_used(keys[0])
    if used.size < MIN_BLOCKS:
        return None, [
            f"no interval: {used.size} blocks of images, of at least {MIN_BLOCKS}; use more "
            "images, more blocks, or a larger memory bound"
        ]
    width = max(moments.side(k).width for k in keys)
    replicates = settings.replicates or default_replicates(width)
    counts = resampling_weights(used.size, replicates, settings.seed)
    weights = np.zeros((replicates, moments.store.n_blocks))
    weights[:, used] = counts

    def replicate(w: Array) -> float:
        pair = moments.weighted_pair(keys, w)
        if pair.x.live.size == 0 or pair.y.live.size == 0:
            return float("nan")
        return measure(pair)

    found = bootstrap_interval(
        value,
        replicate,
        weights,
        confidence=settings.confidence,
        value_range=measure.value_range,
    )
    return found, []


def _over_minibatches(
    evidence: Evidence, keys: KeyPair, measure: Measure, value: float
) -> tuple[Interval | None, list[str]]:
    settings = evidence.collected.settings
    pair = evidence.pair(keys, measure)
    assert pair.minibatches is not None
    batches = pair.minibatches
    if len(batches) < MIN_BLOCKS:
        return None, [f"no interval: {len(batches)} minibatches, of at least {MIN_BLOCKS}"]

    def replicate(w: Array) -> float:
        repeated = np.repeat(batches, w.astype(int), axis=0)
        return measure(Pair(pair.x, pair.y, pair.moments, minibatches=repeated))

    weights = resampling_weights(len(batches), settings.replicates or 200, settings.seed)
    found = bootstrap_interval(
        value,
        replicate,
        weights,
        confidence=settings.confidence,
        value_range=measure.value_range,
    )
    return found, []


def _jackknife(
    evidence: Evidence, keys: KeyPair, measure: Measure, value: float
) -> Interval | None:
    """Return value +- z s, s the delete-a-group jackknife's deviation over sampled images.

    Repeated rows would bias a measure of pairwise distances, so images are left out, not drawn:
    with all their rows, since pixels of one image are not independent.
    """
    pair = evidence.pair(keys, measure)
    assert pair.rows is not None
    x, y = pair.rows()
    sample = evidence.collected.samples[keys]
    if sample.n_images < 2 * _GROUPS:
        return None
    group = sample.groups_of_images(_GROUPS)
    left_out = np.array(
        [measure(with_rows(pair, x[group != g], y[group != g])) for g in range(_GROUPS)]
    )
    deviation = float(np.sqrt((_GROUPS - 1) * np.mean((left_out - left_out.mean()) ** 2)))
    tail = (1 - evidence.collected.settings.confidence) / 2
    reach = NormalDist().inv_cdf(1 - tail) * deviation
    low, high = measure.value_range
    return clipped(value - reach, low, high), clipped(value + reach, low, high)
