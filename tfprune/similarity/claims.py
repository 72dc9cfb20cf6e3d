"""Whether networks of several seeds are closer to their dense networks than a floor, or farther.

A pruned network's similarity to its own dense network is set beside a floor: the similarity of
dense networks of two seeds, or of a dense network and itself trained again. Pairs that share a
seed are not independent, so they can't be counted as if they were.

The statistic is the number of wins U = #{(i, j), i != j: own[i] > floor[i, j]}, at most R(R - 1)
for R seeds. Where nothing but the networks tells the pairs apart (each similarity rises and
falls with two networks, X_i and Y_i for `own`, X_i and X_j for the floor), own[i] > floor[i, j]
says that Y_i exceeds X_j, and under the null hypothesis, that the pruned networks are as far
from their dense ones as other dense networks are, all orders of the 2R networks are equally
likely. Their exact distribution is used: the Mann-Whitney statistic without its R pairs of one
seed. Noise of each pair's own only makes U vary less, and the test more careful.

Pruned networks may also lie as far on the whole and only vary more, or less, than dense ones do.
Then not all orders are equally likely, and U alone would claim too often (the Behrens-Fisher
problem). So a second test must agree: Student's t of the mean of `own` less the mean of the
floor, its standard error by the jackknife over seeds (a seed is left out with all its pairs), with
R - 1 degrees of freedom. The larger of the two p-values counts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy import special

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array

ALPHA = 0.05  # share of experiments without any effect in which anything at all is claimed
_EXACT = 20  # seeds up to which the distribution is counted out; above, its normal limit

Direction = Literal["closer", "farther"]


@dataclass(frozen=True)
class Claim:
    """What a test over seeds says of one layer.

    `p_value` is two-sided, `adjusted` the same by Holm's correction over all that was asked
    together; `direction` is None where the two can't be told apart. All are None where a value is
    missing, or the seeds are too few for any outcome to count.
    """

    p_value: float | None = None
    adjusted: float | None = None
    direction: Direction | None = None


@cache
def win_counts(n_seeds: int) -> tuple[int, ...]:
    """Return how many orders of 2R networks have 0, 1, ..., R(R - 1) wins; they are (2R)!/R!.

    Networks are laid out from the lowest to the highest. In every layout of R rows and R columns
    the rook numbers of its Ferrers board say in how many matchings of seeds exactly k of the R
    pairs of one seed are wins, which do not count.

    >>> win_counts(2)
    (3, 6, 3)
    """
    r = n_seeds
    # column b of the grid: [a] x's and b y's laid out -> [rooks, Mann-Whitney wins] -> layouts
    column = [_zeros(r) for _ in range(r + 1)]
    for a in range(r + 1):
        column[a][0, 0] = 1
    for _ in range(r):
        after = [_zeros(r) for _ in range(r + 1)]
        for a in range(r + 1):
            here = _shifted(column[a], a)
            for rooks in range(1, r + 1):
                if a > rooks - 1:
                    here[rooks] += (a - rooks + 1) * _shifted(column[a], a)[rooks - 1]
            after[a] = here if a == 0 else after[a - 1] + here
        column = after
    return _hits(column[r], r)


def _zeros(r: int) -> np.ndarray:
    return np.zeros((r + 1, r * r + 1), dtype=object)


def _shifted(layouts: np.ndarray, wins: int) -> np.ndarray:
    moved = np.zeros_like(layouts)
    moved[:, wins:] = layouts[:, : layouts.shape[1] - wins]
    return moved


def _hits(rooks: np.ndarray, r: int) -> tuple[int, ...]:
    counts = [0] * (r * (r - 1) + 1)
    for k in range(r + 1):
        exactly = sum(
            (-1) ** (j - k) * math.comb(j, k) * math.factorial(r - j) * rooks[j]
            for j in range(k, r + 1)
        )
        for wins, count in enumerate(exactly):
            if count:
                counts[wins - k] += int(count)
    return tuple(counts)


def win_p_value(wins: float, n_seeds: int) -> float:
    """Return the two-sided p-value of so many wins, in (0, 1]; half a win for a tie.

    Exact up to 20 seeds, from there on by the normal distribution of the same variance.
    """
    most = n_seeds * (n_seeds - 1)
    extreme = math.floor(max(wins, most - wins))  # a tie counts against the claim
    if n_seeds <= _EXACT:
        counts = win_counts(n_seeds)
        tail = sum(counts[extreme:]) / sum(counts)
    else:
        spread = math.sqrt(most * (1 / 4 + (n_seeds - 2) / 6))
        tail = 0.5 * math.erfc((extreme - 0.5 - most / 2) / spread / math.sqrt(2))
    return min(1.0, 2 * tail)


def mean_p_value(own: Array, floor: Array) -> float:
    """Return the two-sided p-value of mean(own) - mean(floor), in [0, 1], whatever the spreads.

    own (R,), floor (R, R) as in `count_wins`. Where a similarity is the sum of its two networks'
    parts this is the paired t-test of the pruned networks' parts against the dense ones'.

    >>> own, floor = np.array([0.9, 0.8, 0.85]), np.full((3, 3), 0.6)
    >>> round(mean_p_value(own, floor), 3)
    0.013
    """
    own, floor = _checked(own, floor)
    r = len(own)
    if r < 3:  # a seed left out leaves no pair
        return 1.0
    kept = ~np.eye(r, dtype=bool)
    without = np.array([
        np.delete(own, k).mean() - floor[kept & _apart_from(k, r)].mean() for k in range(r)
    ])  # fmt: skip
    error = math.sqrt((r - 1) / r * float(((without - without.mean()) ** 2).sum()))
    difference = float(own.mean() - floor[kept].mean())
    if error == 0:
        return 1.0 if difference == 0 else 0.0
    return float(2 * special.stdtr(r - 1, -abs(difference) / error))


def _apart_from(seed: int, r: int) -> np.ndarray:
    apart = np.ones((r, r), dtype=bool)
    apart[seed], apart[:, seed] = False, False
    return apart


def _checked(own: Array, floor: Array) -> tuple[np.ndarray, np.ndarray]:
    own, floor = np.asarray(own, float), np.asarray(floor, float)
    if own.ndim != 1 or floor.shape != (len(own), len(own)):
        raise InputError(
            f"expected own (R,) and floor (R, R) for R seeds; got {own.shape} and {floor.shape}."
        )
    return own, floor


def count_wins(own: Array, floor: Array) -> float:
    """Return U: in how many of R(R - 1) places own (R,) exceeds floor (R, R), ties by half.

    Entry [i, j] of the floor is what own[i] is set against by seed j; the diagonal is not looked
    at. Similarities are expected; negate distances.
    """
    own, floor = _checked(own, floor)
    apart = ~np.eye(len(own), dtype=bool)
    above = (own[:, None] > floor) + 0.5 * (own[:, None] == floor)
    return float(above[apart].sum())


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values adjusted for being asked together, in their order (Holm 1979).

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    n = len(p_values)
    adjusted = [0.0] * n
    highest = 0.0
    for rank, index in enumerate(sorted(range(n), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (n - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def seeds_needed(n_claims: int, *, alpha: float = ALPHA) -> int:
    """Return the fewest seeds with which one of so many layers and measures can stand out.

    It is where the smallest p-value that there is, 2 (1 + 1/R) / C(2R, R), reaches alpha / n.

    >>> [seeds_needed(n) for n in (1, 3, 7, 14)]
    [4, 5, 6, 6]
    """
    seeds = 2
    while 2 * (1 + 1 / seeds) / math.comb(2 * seeds, seeds) > alpha / max(n_claims, 1):
        seeds += 1
    return seeds


def claims(own: Sequence[Array], floors: Sequence[Array], *, alpha: float = ALPHA) -> list[Claim]:
    """Return a claim for each layer (and measure), in order.

    own: one (R,) array each, the similarity of every seed's pruned network to its dense network;
    floors: one (R, R) array each, see `count_wins`. Two-sided, with Holm's correction over all
    of them, so that in at most `alpha` of experiments in which nothing differs anything is
    claimed. A layer with a missing value is not asked.

    >>> own = np.array([0.9, 0.92, 0.91, 0.93, 0.9])
    >>> floor = np.full((5, 5), 0.6)
    >>> claims([own], [floor])[0].direction
    'closer'
    """
    results = [Claim() for _ in own]
    asked = []
    for index, (values, floor) in enumerate(zip(own, floors, strict=True)):
        apart = ~np.eye(len(values), dtype=bool)
        if len(values) >= 2 and np.isfinite(values).all() and np.isfinite(floor[apart]).all():
            asked.append(index)
    wins = [count_wins(own[i], floors[i]) for i in asked]
    p_values = [
        max(win_p_value(u, len(own[i])), mean_p_value(own[i], floors[i]))
        for u, i in zip(wins, asked, strict=True)
    ]
    for index, u, p, adjusted in zip(asked, wins, p_values, holm(p_values), strict=True):
        r = len(own[index])
        direction: Direction | None = None
        if adjusted <= alpha:
            direction = "closer" if u > r * (r - 1) / 2 else "farther"
        results[index] = Claim(p, adjusted, direction)
    return results
