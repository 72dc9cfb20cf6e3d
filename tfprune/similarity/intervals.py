"""Which interval belongs to a measure: from block moments, minibatches or the sampled rows."""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from scipy import special

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.lost import standing_out, without_lost
from tfprune.similarity.measure import Measure
from tfprune.similarity.null import permuted_pairs, with_rows
from tfprune.similarity.pair import Pair
from tfprune.similarity.resampling import (
    MIN_BLOCKS,
    ErrorEstimate,
    bootstrap_interval,
    estimate_error,
    resampling_weights,
)
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import KeyPair

Interval = tuple[float, float]

#: groups of the jackknife over sampled rows
_GROUPS = 20

#: share of the change between half the images and all of them that counts as standard error
UNSURE = 0.4

#: where the change is this many standard errors or more, no interval is given
UNSTABLE = 3.0

#: the same where a measure brings no derivatives and compares fewer directions than these: leaving
#: groups out sees too little of how weights bend, which averages out over many directions
UNSURE_BY_PARTS, FEW_DIRECTIONS = 0.7, 40

#: fewer images that carry a layer's variance than so many per direction, and no interval is given;
#: for measures that need no more images than directions: fewer than a share of all, within bounds
PER_DIRECTION, OF_ALL, IN_ALL = 1.75, 0.2, (28, 200)

#: independent images would give intervals narrower by the root of this: then none is given
WORTH = 1.15


#: how the reason for a missing interval begins, among the warnings
NO_INTERVAL = "no interval: "


class IntervalAndBias(NamedTuple):
    """A measure's interval and bias, each None where it can't be had, and what to tell."""

    interval: Interval | None
    bias: float | None
    notes: list[str]


def interval_of(
    statistics: Statistics, keys: KeyPair, measure: Measure, value: float, directions: int
) -> IntervalAndBias:
    """Return the interval of a measure's value and what the reader must be told about it.

    `directions` are those of both layers together that enter the measure.
    """
    settings = statistics.accumulator.settings
    if settings.blocks == 0:
        return IntervalAndBias(None, None, [])
    never = why_never(measure)
    if never is not None:
        return _no_interval(never)
    copies = statistics.copies
    if copies is not None and copies.n_images > WORTH * copies.worth:
        return _no_interval(
            f"{copies.copied} of {copies.n_images} images are near-copies of another one, and all "
            f"together are worth {copies.worth:.0f} independent images; leave copies out of the "
            "probe set"
        )
    if measure.source == "rows":
        found = _jackknife(statistics, keys, measure, value)
    elif measure.source == "minibatches":
        found = _over_minibatches(statistics, keys, measure, value)
    else:
        found = _from_moments(statistics, keys, measure, value, directions)
    if found.interval is None:
        return found
    return _too_few(statistics, keys, measure, directions) or found


def why_never(measure: Measure) -> str | None:
    """Return why a measure has no interval whatever the images, None where it may have one."""
    if measure.is_costly:
        return f"{measure.name} is too costly to repeat"
    if not measure.is_smooth:
        return f"{measure.name} counts, and a count changes in steps"
    if measure.is_biased_on_rows:
        return f"{measure.name} is too high on few data points, by an unknown amount"
    return None


def _from_moments(
    statistics: Statistics, keys: KeyPair, measure: Measure, value: float, directions: int
) -> IntervalAndBias:
    settings = statistics.accumulator.settings
    moments = statistics.moments(measure)
    used = moments.blocks_used(keys[0])
    if used.size < MIN_BLOCKS:
        return _no_interval(
            f"{used.size} blocks of images, of at least {MIN_BLOCKS}; use more images, more "
            "blocks, or a larger memory bound"
        )
    try:
        estimate = estimate_error(moments, keys, measure, used, statistics.helpers)
    except InputError as error:
        return _no_interval(f"it can't be computed on half of the images ({error})")
    if not np.isfinite(estimate).all():
        return _no_interval("a layer is silent on half of the images; use more images")
    bends = measure.expand is None and directions < FEW_DIRECTIONS
    unsure = UNSURE_BY_PARTS if bends else UNSURE
    return _around(value, estimate, settings.confidence, measure, unsure)


def _too_few(
    statistics: Statistics, keys: KeyPair, measure: Measure, directions: int
) -> IntervalAndBias | None:
    """Return the refusal of an interval where few images carry a layer's variance, else None."""
    accumulator, moments = statistics.accumulator, statistics.moments(measure)
    if moments.blocks_used(keys[0]).size < MIN_BLOCKS:
        return None  # nothing to tell it by
    carried, key = min(
        (moments.images_in_effect(k, accumulator.per_image[k], alike=measure.whitens), k)
        for k in keys
    )
    needed = PER_DIRECTION * directions
    if measure.samples == "any":
        needed = float(np.clip(OF_ALL * accumulator.n_images, *IN_ALL))
    if carried >= needed:
        return None
    return _no_interval(
        f"the variance of layer {key.layer!r} of network {key.side} is that of {carried:.0f} "
        f"images at most, of {accumulator.n_images}: a few images outweigh the others, or few "
        f"reach its channels; {measure.name} takes {needed:.0f} here; use more probe images"
    )


def _no_interval(why: str) -> IntervalAndBias:
    return IntervalAndBias(None, None, [f"{NO_INTERVAL}{why}"])


def _around(
    value: float, estimate: ErrorEstimate, confidence: float, measure: Measure, unsure: float
) -> IntervalAndBias:
    corrected, error, change, freedom = estimate
    lowest, highest = measure.value_range
    if abs(change) > UNSTABLE * error + 1e-12:
        return _no_interval(
            f"too few images to tell: corrected for bias, {measure.name} is "
            f"{corrected + 4 / 3 * change:.2f} on half of them and {corrected + change / 3:.2f} "
            "on all; use more probe images"
        )
    reach = student_t(1 - (1 - confidence) / 2, freedom)
    reach *= float(np.hypot(error, unsure * change))
    low, high = np.clip([corrected - reach, corrected + reach], lowest, highest)
    in_range = float(np.clip(corrected, lowest, highest))
    return IntervalAndBias((float(low), float(high)), value - in_range, [])


def student_t(probability: float, freedom: float) -> float:
    """Return the quantile of Student's t distribution."""
    return float(special.stdtrit(freedom, probability))


def _over_minibatches(
    statistics: Statistics, keys: KeyPair, measure: Measure, value: float
) -> IntervalAndBias:
    settings = statistics.accumulator.settings
    pair = statistics.pair(keys, measure)
    assert pair.minibatches is not None
    batches = pair.minibatches
    if len(batches) < MIN_BLOCKS:
        return _no_interval(f"{len(batches)} minibatches, of at least {MIN_BLOCKS}")

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
    return IntervalAndBias(found, None, [])


def above_chance(found: IntervalAndBias, null: float, measure: Measure) -> IntervalAndBias:
    """Return what was found, without the interval where the value can't be told from chance.

    There a sum of absolute values bends: the true value may be its lowest, which no expansion
    reaches, and the corrected value would stay above it however many images there are.
    """
    if found.interval is None or measure.bend is None:
        return found
    low, high = (end + (found.bias or 0.0) for end in found.interval)
    if (low > null) if measure.larger_is_more_similar else (high < null):
        return found
    return _no_interval(
        f"the value cannot be distinguished from that of unrelated layers ({null:.2f}), and there "
        f"{measure.name} can't be corrected for bias"
    )


#: share by which weights of directions change that are turned among themselves, and the share of
#: all weights that is too much to be turned
TURNED, MUCH = 0.25, 0.2


def down_to_lost(
    found: IntervalAndBias, statistics: Statistics, keys: KeyPair, measure: Measure, value: float
) -> IntervalAndBias:
    """Return what was found, the interval reaching to where directions that may be lost are lost.

    Of directions that are lost, bias falls as the root of 1 / n, and the correction takes about
    half of it off; so the interval is widened by all that they add to the number, and by what is
    left of the bias of the others. Weights of several directions without a correlation depend on
    how these are turned, which the images don't decide: where that would move the number by more
    than the interval reaches, or they are a fifth of all, there is none.
    """
    if found.interval is None or measure.bend is None:
        return found
    pair = statistics.pair(keys, measure)
    drawn = permuted_pairs(statistics, keys, measure, statistics.accumulator.settings.permutations)
    bend = measure.bend(pair, **measure.options)
    standing = statistics.standing.get(keys)
    if standing is None or standing[0] is not bend.matrix:  # CCA and PWCCA have one matrix
        of = measure.bend
        noises = statistics.helpers.run(drawn, lambda other: of(other, **measure.options).matrix)
        standing = bend.matrix, standing_out(bend, noises)
        statistics.standing[keys] = standing
    lost = without_lost(bend, standing[1])
    if not lost.lost:
        return found
    turned = TURNED * lost.weight * abs(value)
    reach = (found.interval[1] - found.interval[0]) / 2
    if lost.lost > 1 and (turned > reach or lost.weight > MUCH):
        return _no_interval(
            f"{lost.lost} of {lost.total} directions can't be told from lost ones, and among equal "
            f"correlations the weights of {measure.name} are not defined"
        )
    (low, high), bias = found.interval, found.bias or 0.0
    sign = 1.0 if measure.larger_is_more_similar else -1.0
    added = sign * (value - lost.value)
    end = lost.value - sign * ((high - low) / 2 + max(0.0, sign * bias - added / 2))
    end = clipped(end, *measure.value_range)
    ends = (min(low, end), high) if sign > 0 else (low, max(high, end))
    note = (
        f"{lost.lost} of {lost.total} directions can't be told from lost ones on these images; "
        f"the interval reaches to where they are lost ({lost.value:.2f})"
    )
    return IntervalAndBias(ends, found.bias, [*found.notes, note])


def _jackknife(
    statistics: Statistics, keys: KeyPair, measure: Measure, value: float
) -> IntervalAndBias:
    """Return value +- z s, s the delete-a-group jackknife's deviation over sampled images.

    Repeated rows would bias a measure of pairwise distances, so images are left out, not drawn:
    with all their rows, since pixels of one image are not independent.
    """
    pair = statistics.pair(keys, measure)
    assert pair.rows is not None
    x, y = pair.rows()
    sample = statistics.accumulator.samples[keys]
    if sample.n_images < 2 * _GROUPS:
        return _no_interval(
            f"{sample.n_images} images, of at least {2 * _GROUPS}; use more probe images"
        )
    group = sample.groups_of_images(_GROUPS)
    left_out = np.array(
        [measure(with_rows(pair, x[group != g], y[group != g])) for g in range(_GROUPS)]
    )
    deviation = float(np.sqrt((_GROUPS - 1) * np.mean((left_out - left_out.mean()) ** 2)))
    tail = (1 - statistics.accumulator.settings.confidence) / 2
    reach = NormalDist().inv_cdf(1 - tail) * deviation
    low, high = measure.value_range
    ends = clipped(value - reach, low, high), clipped(value + reach, low, high)
    return IntervalAndBias(ends, None, [])
