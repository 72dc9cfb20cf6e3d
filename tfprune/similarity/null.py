"""The noise floor: what a measure says of the same two layers when the inputs don't match."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from tfprune.similarity.accumulator import permuted_images
from tfprune.similarity.arrays import Array
from tfprune.similarity.measure import Measure
from tfprune.similarity.moments import CentredAnew, CentredSums, centre
from tfprune.similarity.pair import Pair
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import KeyPair, Piece, StreamedMoments

#: beyond this many multiplications a permutation is dear, and three must do
_DEAR = 4e9


class Null(NamedTuple):
    """What unrelated layers show; None where it is not to be had.

    `mean` and `high` (the one nearest to related layers) are of the random pairings, `p_value` is
    how often they would come as near as the layers did, `method` says in words how all were found.
    """

    mean: float | None = None
    high: float | None = None
    method: str | None = None
    p_value: float | None = None


def null_of(statistics: Statistics, keys: KeyPair, measure: Measure, value: float) -> Null:
    """Return the null of a measure that is `value` for a pair; empty where there is no way to it.

    By pairing images at random, so that data points of one image stay together and the layers
    keep their own statistics; without permutations in closed form where there is one.
    """
    accumulator = statistics.accumulator
    if not accumulator.settings.null:
        return Null()
    n = accumulator.settings.permutations
    if measure.is_costly:
        n = min(n, 3)
    if n and measure.source == "moments":
        values = statistics.helpers.run(permuted_pairs(statistics, keys, measure, n), measure)
    elif n and measure.source == "rows":
        values = _sampled(statistics, keys, measure, n)
    elif n and measure.source == "minibatches":
        values = _within_minibatches(statistics, keys, measure)
    else:
        values = []
    if values:
        larger = measure.larger_is_more_similar
        high = float(np.max(values) if larger else np.min(values))
        method = f"{len(values)} random pairings of images"
        return Null(float(np.mean(values)), high, method, p_of_pairings(value, values, larger))
    if measure.null is None:
        return Null()
    pixels = accumulator.per_image[keys[0]] > 1
    caveat = "; takes the pixels of an image as independent, so too low" if pixels else ""
    pair = statistics.pair(keys, measure)
    return Null(measure.expected_null(pair), None, f"closed form{caveat}")


def p_of_pairings(value: float, pairings: Sequence[float], larger_is_closer: bool) -> float:
    """Return how probable it is that unrelated layers come as near as `value`, in (0, 1].

    One-sided. K pairings alone know no p-value below 1 / (K + 1) (Phipson and Smyth 2010), too
    coarse for many layers. So it is that of Student's t for one more draw from what the pairings
    are drawn from; of similarities above 0, which are skewed where few directions or few images
    rule, of their logarithms. Degrees of freedom are (K - 1) / 2, about those that a variance of
    K draws has where their excess kurtosis is 2: what is left of heavy tails; at least 2, so that
    three pairings can tell anything. Of distances and of similarities that may be below 0 no
    logarithm is taken, and degrees of freedom are 2: their tails may be as heavy.
    `python -m benchmarks.claims --unrelated` shows how often it errs.

    >>> round(p_of_pairings(0.5, [0.1, 0.12, 0.09, 0.11], True), 3)
    0.004
    >>> p_of_pairings(0.1, [0.1, 0.1], True)
    1.0
    """
    drawn, found = np.asarray(pairings, dtype=float), float(value)
    if len(drawn) < 2 or not np.isfinite([found, *drawn]).all():
        return 1.0
    freedom = 2.0
    if larger_is_closer and found > 0 and (drawn > 0).all():
        drawn, found = np.log(drawn), math.log(found)
        freedom = max(freedom, (len(drawn) - 1) / 2)
    above = (found - drawn.mean()) * (1 if larger_is_closer else -1)
    spread = drawn.std(ddof=1) * math.sqrt(1 + 1 / len(drawn))
    if spread == 0:
        return 1.0 if above <= 0 else 1 / (len(drawn) + 1)
    return float(special.stdtr(min(freedom, len(drawn) - 1), -above / spread))


def permuted_pairs(statistics: Statistics, keys: KeyPair, measure: Measure, n: int) -> list[Pair]:
    """Return the pair with its images paired at random, up to n times.

    The same pairs for every measure that asks, until they are let go: each is whitened once.
    """
    moments = statistics.moments(measure)
    sides = [moments.side(k) for k in keys]
    stores = _null_stores(statistics, keys, measure, n)
    compact = measure.is_basis_free and bool(statistics.wide)
    found = statistics.permuted.setdefault((keys, compact), [])
    for store in stores[len(found) :]:
        offsets = [s.mean - store.shifts[k] for s, k in zip(sides, keys, strict=True)]

        def centred(
            total: Array = store.between[keys], offsets: list[Array] = offsets
        ) -> CentredSums:
            return centre(total.sum(axis=0), *offsets)

        found.append(
            Pair(sides[0], sides[1], CentredAnew(centred), caller=measure.name,
                 allow_few_samples=True)
        )  # fmt: skip
    for pair in found:
        pair.caller = measure.name
    return found[: len(stores)]


def _null_stores(
    statistics: Statistics, keys: KeyPair, measure: Measure, n: int
) -> list[StreamedMoments]:
    accumulator = statistics.accumulator
    if statistics.rows is None:
        return [store for store in accumulator.nulls if keys in store.between]
    compact = measure.is_basis_free
    source = statistics.compact_rows if compact and statistics.wide else statistics.rows
    rows = {k: source[k] for k in keys}
    cost = float(rows[keys[0]].size) * rows[keys[1]].shape[1]
    if cost > _DEAR:
        n = min(n, 3)
    cached = statistics.nulls.setdefault((keys, compact and bool(statistics.wide)), [])
    per_image = accumulator.per_image
    while len(cached) < n:
        store = StreamedMoments([keys], cross_only=True)
        seed = (accumulator.settings.seed, len(cached))
        images = accumulator.n_images
        mixed = permuted_images(rows, per_image, images, seed)
        store.add(mixed, per_image, [Piece(0, images, 0)])
        cached.append(store)
    return cached[:n]


def _sampled(statistics: Statistics, keys: KeyPair, measure: Measure, n: int) -> list[float]:
    pair, sample = statistics.pair(keys, measure), statistics.accumulator.samples[keys]
    values = []
    for index in range(n):
        mixed = sample.paired_at_random(
            np.random.default_rng((statistics.accumulator.settings.seed, index))
        )
        if mixed is not None and len(mixed[0]) >= 4:
            values.append(measure(with_rows(pair, *mixed)))
    return values


def _within_minibatches(statistics: Statistics, keys: KeyPair, measure: Measure) -> list[float]:
    pair = statistics.pair(keys, measure)
    return [
        measure(Pair(pair.x, pair.y, pair.moments, names=pair.names, minibatches=mixed))
        for mixed in statistics.accumulator.minibatches[keys].nulls()
        if len(mixed) and np.isfinite(mixed).all()
    ]


def with_rows(pair: Pair, x: Array, y: Array) -> Pair:
    """Return a pair that differs from `pair` in its sampled rows only."""
    return Pair(pair.x, pair.y, pair.moments, names=pair.names, rows=lambda: (x, y))
