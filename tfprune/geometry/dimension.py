"""The intrinsic dimension of a cloud of points: TwoNN, and maximum likelihood.

Both take points to be drawn from a density that hardly changes over the distance to the nearest
neighbours, on a manifold that is nearly flat over it: then the number of neighbours within a
distance r grows as r^d. From few points in many dimensions neighbours are far, the density's edge
is near to every point, and both come out too low: see the page on what happens inside one layer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.geometry.neighbours import as_points, distinct, nearest_distances

#: share of the largest ratios that TwoNN leaves out, as in the paper
DISCARDED = 0.1
#: smallest and largest number of neighbours of the maximum-likelihood estimate, as in the paper
NEIGHBOURS = (10, 20)
#: fewer distinct points than these say nothing
LEAST_POINTS = 50
DRAWS = 400


@dataclass(frozen=True)
class Dimension:
    """An estimate of the intrinsic dimension, at least 0.

    low, high: its 95% interval over points, by bootstrap; None where none was asked for.
    n_points: how many distinct points it is of; copies of a point are counted once.

    >>> found = two_nn(np.random.default_rng(0).random((500, 2)), draws=0)
    >>> round(float(found)), found.low, found.n_points
    (2, None, 500)
    """

    value: float
    low: float | None
    high: float | None
    n_points: int

    def __float__(self) -> float:
        return self.value


def two_nn(
    x: NDArray[Any],
    *,
    discard: float = DISCARDED,
    draws: int = DRAWS,
    seed: int = 0,
) -> Dimension:
    """Return the intrinsic dimension of points by the ratio of their two nearest distances.

    x: (n_points, ...), flattened behind the first axis.
    discard: share of the largest ratios that is left out, in [0, 1).
    draws: bootstrap draws for the interval; 0 for none. seed: of the draws.

    Facco et al. (2017): with mu = r2 / r1, the distances to the second and the first neighbour,
    -log(1 - F(mu)) = d log(mu). d is the slope through the origin over the points
    (log mu_(i), -log(1 - i / n)), i = 1, ..., floor((1 - discard) n), in ascending order of mu.
    Copies of a point (r1 = 0) are counted once.

    Raises InputError for fewer than 50 distinct points, and for nan or infinite ones.

    >>> plane = np.random.default_rng(0).random((1000, 2))
    >>> embedded = plane @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    >>> found = two_nn(embedded)
    >>> round(found.value), found.low < 2 < found.high
    (2, True)
    """
    if not 0 <= discard < 1:
        raise InputError(f"discard must be a share in [0, 1), got {discard}.")
    points = _points(x)
    distances, places = nearest_distances(points, 2)
    logs = np.log(distances[:, 1] / distances[:, 0])
    order = np.argsort(logs)
    logs, nearest = logs[order], np.argsort(order)[places[order, 0]]
    low, high = _interval(
        nearest, draws, seed, lambda times: _slope(np.repeat(logs, times), discard)
    )
    return Dimension(_slope(logs, discard), low, high, len(points))


def _slope(logs: NDArray[np.float64], discard: float) -> float:
    """Return the slope of -log(1 - i / n) over the i-th log ratio, in order, through the origin."""
    n = len(logs)
    kept = min(int(np.floor((1 - discard) * n)), n - 1)  # at i = n the logarithm is infinite
    x = logs[:kept]
    y = -np.log1p(-np.arange(1, kept + 1) / n)
    square = float(x @ x)
    return float(x @ y) / square if square > 0 else float("inf")


def levina_bickel(
    x: NDArray[Any],
    *,
    neighbours: tuple[int, int] = NEIGHBOURS,
    draws: int = DRAWS,
    seed: int = 0,
) -> Dimension:
    """Return the maximum-likelihood estimate of the intrinsic dimension of points.

    x: (n_points, ...), flattened behind the first axis.
    neighbours: the smallest and the largest k over which the estimate is averaged; at least 3.
    draws: bootstrap draws for the interval; 0 for none. seed: of the draws.

    Levina and Bickel (2005): at a point, with T_j the distance to its j-th neighbour, the inverse
    of the estimate is 1/(k - 1) sum_{j < k} log(T_k / T_j). Over points the *inverses* are averaged
    (MacKay and Ghahramani 2005, "Comments on ..."), which is the maximum likelihood of one d for
    all points; the paper averages the estimates, which are skewed, and comes out higher. Over k the
    estimates are averaged as in the paper.

    Raises InputError for fewer than 50 distinct points or not more of them than neighbours, and for
    nan or infinite ones.

    >>> line = np.random.default_rng(0).random((500, 1)) @ np.array([[1.0, -2.0, 3.0]])
    >>> round(levina_bickel(line).value, 1)
    1.0
    """
    first, last = neighbours
    if not 3 <= first <= last:
        raise InputError(
            f"neighbours must be two numbers with 3 <= first <= last, got {neighbours}."
        )
    points = _points(x)
    distances, places = nearest_distances(points, last)
    logs = np.log(distances)
    sums = np.cumsum(logs, axis=1)
    ks = np.arange(first, last + 1)
    # (n_points, n_ks): the mean over j < k of log(T_k / T_j)
    inverses = logs[:, ks - 1] - sums[:, ks - 2] / (ks - 1)

    def estimate(times: NDArray[np.intp]) -> float:
        return float(np.mean(times.sum() / (times @ inverses)))

    low, high = _interval(places[:, 0], draws, seed, estimate)
    value = estimate(np.ones(len(points), dtype=np.intp))
    return Dimension(value, low, high, len(points))


def _points(x: NDArray[Any]) -> NDArray[np.floating[Any]]:
    points = as_points(x)
    points = points[distinct(points)]
    if len(points) < LEAST_POINTS:
        raise InputError(
            f"the intrinsic dimension needs at least {LEAST_POINTS} distinct points, got "
            f"{len(points)} of {len(x)}. Use more images; a layer whose units are dead has few "
            "distinct points."
        )
    return points


def _interval(
    nearest: NDArray[np.intp],
    draws: int,
    seed: int,
    estimate: Callable[[NDArray[np.intp]], float],
) -> tuple[float | None, float | None]:
    """Return the 2.5% and 97.5% quantiles of `estimate` over bootstrap draws; None without any.

    nearest: each point's nearest other point. Two points that are each other's nearest share a
    distance, so that points drawn one by one give intervals a quarter too narrow. Drawn are the
    groups of points that are tied by "is the nearest of", two to five points as a rule, each with
    the neighbours that it has among all points. `estimate` hears how often each point was drawn.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    if draws == 0:
        return None, None
    n = len(nearest)
    tied = coo_matrix((np.ones(n), (np.arange(n), nearest)), shape=(n, n))
    n_groups, group = connected_components(tied, directed=False)
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(draws):
        drawn = np.bincount(rng.integers(0, n_groups, n_groups), minlength=n_groups)
        found.append(estimate(drawn[group]))
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
