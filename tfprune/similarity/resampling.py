"""Standard error and bias of a measure from blocks of images, and whether they can be trusted.

The number f(S) of the moments S = sum_j S_j has a bias of b1 / n + b2 / n^2 + ... beside its
standard error. Both are read off the blocks: by derivatives in the blocks' weights where a measure
brings them (infinitesimal jackknife), else the error by leaving out groups of blocks in turn
(Tukey 1958; Busing et al. 1999 for groups of unequal size) and the bias from halves. What is of
second order in 1 / n shows when the correction is made again on two halves of the images, where it
is four times as large. Of sums over minibatches there is no expansion: those are drawn again, with
replacement (bootstrap).
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.blocks import Blocks, Moments
from tfprune.similarity.derivatives import Expanded
from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair
from tfprune.similarity.parallel import Helpers
from tfprune.similarity.streaming import KeyPair


class ErrorEstimate(NamedTuple):
    """What blocks of images say of a measure's number.

    `corrected` is the number less its bias, to second order, `error` its standard error. `change`
    is how far the number corrected to first order moves when half as many images are used;
    `freedom` are the error's degrees of freedom.
    """

    corrected: float
    error: float
    change: float
    freedom: int


#: as many groups of blocks are left out in turn where a measure brings no derivatives; they also
#: take the place of single blocks in layers so wide that blocks are dear
GROUPS = 25

#: up to this width derivatives are taken in every block
NARROW = 128


def estimate_error(
    moments: Moments, keys: KeyPair, measure: Measure, used: Array, helpers: Helpers
) -> ErrorEstimate:
    """Return a measure's spread over the blocks `used`, from parts of them too.

    Raises InputError where the number can't be had from part of the images.
    """
    way = _by_parts if measure.expand is None else _by_expansion
    return way(moments, keys, measure, used, helpers)


def _by_expansion(
    moments: Moments, keys: KeyPair, measure: Measure, used: Array, helpers: Helpers
) -> ErrorEstimate:
    whole = moments.whole_pair(keys)
    expanded = _expand(measure, whole, whole)
    narrow = max(whole.x.width, whole.y.width) <= NARROW
    groups = _split(used, min(used.size, used.size if narrow else GROUPS))
    value = expanded.value
    bias, error = _by_derivatives(moments, keys, expanded, groups, helpers)
    del expanded  # the halves take its room
    by_half = []
    for half in (groups[0::2], groups[1::2]):
        part = _expand(measure, moments.part(keys, np.concatenate(half)), whole)
        by_half.append(part.value - _by_derivatives(moments, keys, part, half, helpers)[0])
        del part
    change = float(np.mean(by_half)) - (value - bias)
    return ErrorEstimate(value - bias - change / 3, error, change, len(groups) - 1)


def _by_parts(
    moments: Moments, keys: KeyPair, measure: Measure, used: Array, helpers: Helpers
) -> ErrorEstimate:
    """Return the spread from leaving out groups of blocks, and from halves and quarters.

    2 f(all) - f(halves) is free of bias to first order. Of single blocks left out, the bias would
    be lost in what a measure jumps where its directions change places.
    """
    value = measure(moments.whole_pair(keys))
    parts = [*_split(used, 2), *_split(used, 4)]
    found = helpers.run(parts, lambda blocks: measure(moments.part(keys, blocks)))
    half, quarter = float(np.mean(found[:2])), float(np.mean(found[2:]))
    change = (2 * half - quarter) - (2 * value - half)
    groups = _split(used, min(used.size, GROUPS))
    error = _by_leaving_out(moments, keys, measure, groups, value, helpers)
    return ErrorEstimate(2 * value - half - change / 3, error, change, len(groups) - 1)


def _split(used: Array, parts: int) -> list[Array]:
    """Return the blocks dealt out in turn."""
    return [used[first::parts] for first in range(parts)]


def _expand(measure: Measure, pair: Pair, whole: Pair) -> Expanded:
    assert measure.expand is not None
    return measure.expand(pair, whole, **measure.options)


def _by_derivatives(
    moments: Moments, keys: KeyPair, expanded: Expanded, groups: list[Array], helpers: Helpers
) -> tuple[float, float]:
    """Return (bias, standard error): sum f_jj / 2 and the root of sum (f_jj / 2 - f_j)^2."""
    blocks = Blocks(moments.store, keys, groups)
    parts = helpers.run(blocks.chunks, lambda chunk: expanded.derivatives(blocks.of(chunk)))
    first, second = (np.concatenate([part[k] for part in parts]) for k in (0, 1))
    unseen = float(np.mean([part.unseen for part in parts]))
    # what leaving a block out does, to second order
    left_out = second / 2 - first
    n = len(groups)
    variance = n / (n - 1) * float(((left_out - left_out.mean()) ** 2).sum()) + unseen
    return float(second.sum() / 2), float(np.sqrt(variance))


def _by_leaving_out(
    moments: Moments, keys: KeyPair, measure: Measure, groups: list[Array], value: float,
    helpers: Helpers,
) -> float:  # fmt: skip
    """Return the standard error by the delete-one-group jackknife, groups of any size."""
    without = np.array(helpers.run(groups, lambda group: measure(moments.without(keys, group))))
    rows = moments.rows_in(keys[0])
    share = np.array([rows[group].sum() for group in groups]) / rows.sum()
    # pseudo-values h value - (h - 1) without, h = 1 / share
    pseudo = value + (1 / share - 1) * (value - without)
    squares = (pseudo - (share * pseudo).sum()) ** 2 / (1 / share - 1)
    return float(np.sqrt(squares.mean()))


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
