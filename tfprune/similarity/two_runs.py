"""Whether two runs differ in a number that each seed gives once: an exact test over seeds.

Under the null hypothesis nothing but chance tells the runs apart. Where both have the same seeds,
each pair of values may then be swapped: of the 2^R ways to do so, the p-value is the share in which
the mean difference is at least as large as the one observed (Fisher 1935; Pitman 1937). Where the
seeds differ, all values may be dealt to the two runs anew, in C(R1 + R2, R1) ways. Runs that differ
in spread alone are not exchangeable, so Student's paired t test, or Welch's, must agree: the larger
of the two p-values counts.

All ways are counted without being listed: the sums of one half of the values are sorted, and each
sum of the other half is looked up among them (meet in the middle; Horowitz and Sahni 1974). That
is exact for up to `MOST_EXACT` pairs, or as many values of two runs together. Of more, `DRAWS` ways
are drawn at random, with a fixed seed, and the observed one counts as one of them, so that p is
(b + 1) / (DRAWS + 1), never 0, and the test keeps its level (Phipson and Smyth 2010).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import special

from tfprune.similarity.arrays import Array
from tfprune.similarity.claims import ALPHA

#: pairs of values, or values of two runs together, up to which all ways are counted
MOST_EXACT = 36
#: ways that are drawn of more
DRAWS = 199_999
_AT_ONCE = 20_000  # draws that are held in memory
_DUST = 1e-12  # numbers that differ by less than this share of what was added up are equal


def difference_p(a: Sequence[float] | Array, b: Sequence[float] | Array, *, paired: bool) -> float:
    """Return the two-sided p-value of a difference between the means of `a` and `b`, in (0, 1].

    a, b: (seeds,), one value per seed, in the same order of seeds where `paired`. Each needs two
    values at least, and a few more for any difference to be found (`seeds_to_differ`). Exact over
    up to `MOST_EXACT` pairs (of runs that are not paired: values of both), a random draw beyond.

    >>> difference_p([0.91, 0.93, 0.9, 0.92], [0.81, 0.82, 0.8, 0.82], paired=True)
    0.125
    >>> round(difference_p([0.91, 0.93, 0.9, 0.92], [0.81, 0.82, 0.8, 0.82], paired=False), 4)
    0.0286
    """
    a, b = np.asarray(a, float), np.asarray(b, float)
    dust = _DUST * float(np.abs(a).sum() + np.abs(b).sum())
    dealt = _swapped(a - b, dust) if paired else _dealt(a, b, dust)
    return max(dealt, _student(a, b, paired=paired))


def effect_size(a: Sequence[float], b: Sequence[float], *, paired: bool) -> float | None:
    """Return the difference of means, b less a, in standard deviations (Cohen 1988).

    Of pairs in those of the differences (d_z), else in the pooled one (d). None where that is 0
    but for rounding, or a side has fewer than three values: two say next to nothing of a spread.

    >>> effect_size([0.0, 0.0, 0.0], [1.0, 2.0, 3.0], paired=True)
    2.0
    >>> effect_size([0.7, 0.8, 0.9], [0.6, 0.7, 0.8], paired=True) is None
    True
    """
    one, other = np.asarray(a, float), np.asarray(b, float)
    if min(len(one), len(other)) < 3:
        return None
    if paired:
        spread = float(np.std(other - one, ddof=1))
    else:
        freedom = len(one) + len(other) - 2
        squares = sum(float(((side - side.mean()) ** 2).sum()) for side in (one, other))
        spread = float(np.sqrt(squares / freedom))
    return (
        float((other.mean() - one.mean()) / spread) if spread > _least_spread(one, other) else None
    )


def seeds_to_differ(n_tests: int, *, paired: bool, alpha: float = ALPHA) -> int:
    """Return how many seeds each run needs for one of so many tests to find a difference.

    It is where the smallest p-value that there is reaches alpha / n_tests (Holm's first step):
    2 / 2^R of pairs, else 2 / C(2R, R).

    >>> [seeds_to_differ(n, paired=True) for n in (1, 4)]
    [6, 8]
    >>> [seeds_to_differ(n, paired=False) for n in (1, 4)]
    [4, 5]
    """
    seeds = 2
    while 2 / (2**seeds if paired else math.comb(2 * seeds, seeds)) > alpha / max(n_tests, 1):
        seeds += 1
    return seeds


def _swapped(differences: Array, dust: float) -> float:
    """Return the share of ways to swap the values of pairs that move the mean as far.

    Pairs that keep their sign make up a subset; the signed sum is twice its sum less the whole.
    """
    n, total = len(differences), float(differences.sum())
    far = abs(total) - dust
    if far <= 0:
        return 1.0
    if n > MOST_EXACT:
        rng = np.random.default_rng(0)
        n_far = sum(
            int(
                np.count_nonzero(
                    np.abs((2.0 * rng.integers(0, 2, (k, n)) - 1) @ differences) >= far
                )
            )
            for k in _chunks()
        )
        return (n_far + 1) / (DRAWS + 1)
    (left, _), (right, _) = (_subsets(half) for half in np.array_split(differences, 2))
    return _n_beyond(left, right, (total - far) / 2, (total + far) / 2) / float(2**n)


def _dealt(a: Array, b: Array, dust: float) -> float:
    """Return the share of ways to deal all values to two runs that part their means as far.

    The means are as far apart as the first run's sum is from the one it would have on average.
    """
    both, n = np.concatenate([a, b]), len(a)
    n_all = len(both)
    expected = float(both.sum()) * n / n_all
    far = abs(float(a.sum()) - expected) - dust
    if far <= 0:
        return 1.0
    if n_all > MOST_EXACT:
        rng = np.random.default_rng(0)
        n_far = 0
        for k in _chunks():
            first = rng.permuted(np.tile(both, (k, 1)), axis=1)[:, :n].sum(axis=1)
            n_far += int(np.count_nonzero(np.abs(first - expected) >= far))
        return (n_far + 1) / (DRAWS + 1)
    (left, n_left), (right, n_right) = (_subsets(half) for half in np.array_split(both, 2))
    found = sum(
        _n_beyond(left[n_left == i], right[n_right == n - i], expected - far, expected + far)
        for i in range(n + 1)
    )
    return found / math.comb(n_all, n)


def _chunks() -> list[int]:
    return [min(_AT_ONCE, DRAWS - at) for at in range(0, DRAWS, _AT_ONCE)]


def _subsets(values: Array) -> tuple[Array, Array]:
    """Return the sum of every subset of some values, and how many there are in it: (2^n,) each."""
    sums, sizes = np.zeros(1), np.zeros(1, int)
    for value in values:
        sums, sizes = np.concatenate([sums, sums + value]), np.concatenate([sizes, sizes + 1])
    return sums, sizes


def _n_beyond(left: Array, right: Array, low: float, high: float) -> int:
    """Return how many sums of one of `left` and one of `right` are <= low or >= high > low."""
    right = np.sort(right)
    below = np.searchsorted(right, low - left, side="right").sum()
    above = len(left) * len(right) - np.searchsorted(right, high - left, side="left").sum()
    return int(below + above)


def _least_spread(a: Array, b: Array) -> float:
    """Return the standard deviation up to which values are equal but for rounding."""
    return _DUST * float(np.abs(np.concatenate([a, b])).max())


def _student(a: Array, b: Array, *, paired: bool) -> float:
    """Return the p-value of Student's paired t test, or of Welch's; 0 of differences all alike."""
    least = _least_spread(a, b)
    if paired:
        differences = a - b
        apart, freedom = float(differences.mean()), len(a) - 1.0
        variance = float(differences.var(ddof=1)) / len(a)
    else:
        each = [(float(side.var(ddof=1)) / len(side), len(side)) for side in (a, b)]
        apart, variance = float(a.mean() - b.mean()), sum(one for one, _ in each)
        below = sum(one**2 / (n - 1) for one, n in each)
        freedom = variance**2 / below if below else 1.0
    if variance <= least**2:
        return 1.0 if abs(apart) <= least else 0.0
    return float(2 * special.stdtr(freedom, -abs(apart) / math.sqrt(variance)))
