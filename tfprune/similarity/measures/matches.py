"""Matches between the neurons of two layers (Wang et al. 2018).

A neuron is the vector of its activations over all data points, not centred. Sets X' of x's
neurons and Y' of y's form an epsilon-approximate match when every one of X' lies within epsilon
of its own length of span(Y'), and the other way round. Lengths and distances follow from inner
products, so streamed moments are enough.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.measure import SUMMARY, Measure
from tfprune.similarity.pair import Pair

#: cosines that agree to so many digits count as equal
_DIGITS = 7


@dataclass(frozen=True)
class Neurons:
    """Cosines between the neurons of two layers: (d1, d1), (d2, d2) and (d1, d2)."""

    xx: Array
    yy: Array
    xy: Array

    @classmethod
    def of(cls, pair: Pair) -> Neurons:
        """Return the cosines of the pair's live neurons; InputError where n can't tell them."""
        x, y, n = pair.x, pair.y, pair.n_samples
        widest = max(x.live.size, y.live.size)
        if n <= widest and not pair.allow_few_samples:
            raise InputError(
                f"{pair.caller} needs more samples than neurons: n_samples={int(n)}, neurons="
                f"{widest}. With fewer, any neuron lies in the span of the others. Add probe "
                "images, or use a measure without this limit, such as cka-debiased."
            )
        products = [
            (left.scatter if left is right else pair.cross) + n * np.outer(left.mean, right.mean)
            for left, right in ((x, x), (y, y), (x, y))
        ]
        xx, yy, xy = products
        xx, yy = xx[np.ix_(x.live, x.live)], yy[np.ix_(y.live, y.live)]
        long_x, long_y = np.sqrt(np.diagonal(xx)), np.sqrt(np.diagonal(yy))
        return cls(
            xx / np.outer(long_x, long_x),
            yy / np.outer(long_y, long_y),
            xy[np.ix_(x.live, y.live)] / np.outer(long_x, long_y),
        )


def distances_to_span(cosines: Array, span: Array) -> Array:
    """Return (m,) distances of unit vectors to a span, from cosines (d, m) and (d, d) of it."""
    if span.shape[0] == 0:
        return np.ones(cosines.shape[1])
    factor, pivots, rank, _ = lapack.dpstrf(np.asfortranarray(span), lower=1, tol=1e-12)
    chosen = pivots[:rank] - 1
    projected = scipy.linalg.solve_triangular(
        factor[:rank, :rank], cosines[chosen], lower=True, check_finite=False
    )
    return np.asarray(np.sqrt(np.clip(1.0 - (projected * projected).sum(axis=0), 0.0, 1.0)))


def maximum_match(
    neurons: Neurons,
    epsilon: float,
    among_x: Array | None = None,
    among_y: Array | None = None,
) -> tuple[Array, Array]:
    """Return which neurons of x and of y (boolean) are in the largest match (Algorithm 1).

    Neurons outside the other side's span are dropped, in turn, until none is left to drop; the
    match is unique. `among_x`, `among_y` restrict where it is looked for.
    """
    keep_x = np.ones(len(neurons.xx), bool) if among_x is None else among_x.copy()
    keep_y = np.ones(len(neurons.yy), bool) if among_y is None else among_y.copy()
    slack = epsilon + 1e-9
    while keep_x.any() and keep_y.any():
        block = neurons.xy[np.ix_(keep_x, keep_y)]
        far_x = distances_to_span(block.T, neurons.yy[np.ix_(keep_y, keep_y)]) > slack
        if far_x.any():
            keep_x[np.flatnonzero(keep_x)[far_x]] = False
            continue
        far_y = distances_to_span(block, neurons.xx[np.ix_(keep_x, keep_x)]) > slack
        if not far_y.any():
            return keep_x, keep_y
        keep_y[np.flatnonzero(keep_y)[far_y]] = False
    return np.zeros_like(keep_x), np.zeros_like(keep_y)


def minimum_match(neurons: Neurons, epsilon: float, neuron: int) -> tuple[Array, Array]:
    """Return a minimum match that holds the given neuron of x (Algorithm 2): a simple match.

    Neurons are left out one by one, as long as the maximum match of the rest still holds the
    given one. There may be several minimum matches, and the paper leaves open in which order
    neurons are tried; here it is the least like the given one first, so the order of the channels
    doesn't matter. Empty when no match holds the neuron.
    """
    keep_x, keep_y = maximum_match(neurons, epsilon)
    if not keep_x[neuron]:
        return np.zeros_like(keep_x), np.zeros_like(keep_y)
    for side, index in _least_like_first(neurons, neuron):
        if (side, index) == (0, neuron) or not (keep_x, keep_y)[side][index]:
            continue
        trial = [keep_x.copy(), keep_y.copy()]
        trial[side][index] = False
        smaller_x, smaller_y = maximum_match(neurons, epsilon, *trial)
        if smaller_x[neuron]:
            keep_x, keep_y = smaller_x, smaller_y
    return keep_x, keep_y


def _least_like_first(neurons: Neurons, neuron: int) -> list[tuple[int, int]]:
    """Return (side, index) of all neurons, by cosine with the given one of x, the smallest first.

    Those of equal cosine go by how they stand to all others; what is equal in that too has the
    same place in the two layers, and either may come first.
    """
    near_x, near_y = neurons.xx[neuron] ** 2, neurons.xy[neuron] ** 2
    place_x, place_y = places(neurons)
    xx, xy, yy = neurons.xx**2, neurons.xy**2, neurons.yy**2
    through_x = (xx * near_x).sum(axis=1) + (xy * near_y).sum(axis=1)
    through_y = (yy * near_y).sum(axis=1) + (xy.T * near_x).sum(axis=1)
    keys = [
        np.concatenate(pair)
        for pair in (
            (np.zeros(near_x.size), np.ones(near_y.size)),
            (place_x, place_y),
            (through_x, through_y),
            (near_x, near_y),
        )
    ]
    order = np.lexsort([np.round(key, _DIGITS) for key in keys])
    return [(int(i >= near_x.size), int(i if i < near_x.size else i - near_x.size)) for i in order]


def places(neurons: Neurons) -> tuple[Array, Array]:
    """Return (d1,), (d2,): a number of each neuron that the order of the neurons doesn't change.

    Two rounds in which each neuron takes in what its neighbours have, weighed by their cosines.
    """
    xx, xy, yy = neurons.xx**2, neurons.xy**2, neurons.yy**2
    place_x, place_y = np.ones(len(xx)), np.ones(len(yy))
    for _ in range(2):
        place_x, place_y = (
            xx**2 @ place_x + 0.5 * xy @ place_y,
            yy**2 @ place_y + 0.5 * xy.T @ place_x,
        )
        place_x, place_y = place_x / max(place_x.max(), 1.0), place_y / max(place_y.max(), 1.0)
    return place_x, place_y


def matched_share(pair: Pair, *, epsilon: float) -> float:
    """Return (|X*| + |Y*|) / (|X| + |Y|), in [0, 1], of the maximum epsilon-approximate match.

    X and Y are the live neurons of the two sides; see the top of this file.
    """
    pair.check_live()
    neurons = Neurons.of(pair)
    kept_x, kept_y = maximum_match(neurons, epsilon)
    return share(kept_x, kept_y)


def share(kept_x: Array, kept_y: Array) -> float:
    """Return how many of all neurons are kept, in [0, 1]."""
    return float((np.sum(kept_x) + np.sum(kept_y)) / (kept_x.size + kept_y.size))


MAXIMUM_MATCH = Measure(
    name="maximum-match",
    summary=SUMMARY["maximum-match"],
    label="Maximum match (share of neurons)",
    compute=matched_share,
    value_range=(0.0, 1.0),
    paper="Wang et al. 2018, Algorithm 1",
    definition="share of live neurons in the maximum match: each within epsilon of the span of "
    "the other side's matched neurons, activations not centred",
    invariances=frozenset({"scaling", "permutation"}),
    samples="n > max(d1, d2)",
    is_basis_free=False,
    is_smooth=False,
    options={"epsilon": 0.25},
)


def fineness(pair: Pair, *, epsilon: float, neurons: int) -> float:
    """Return the mean over x's live neurons of 2 / (size of a simple match with it), in [0, 1].

    1 when each neuron has a counterpart of its own; small when neurons match only as members of
    large groups; a neuron in no match counts 0. Of more than `neurons`, so many are looked at, each
    costing O(d) maximum matches: evenly spread in an order that depends on how neurons stand to
    one another, not on how channels are numbered.
    """
    pair.check_live()
    cosines = Neurons.of(pair)
    n_neurons = len(cosines.xx)
    ordered = np.argsort(np.round(places(cosines)[0], 7), kind="stable")
    spread = np.linspace(0, n_neurons - 1, min(neurons, n_neurons)).astype(int)
    chosen = ordered[np.unique(spread)]
    shares = []
    for neuron in chosen:
        kept_x, kept_y = minimum_match(cosines, epsilon, int(neuron))
        size = int(kept_x.sum() + kept_y.sum())
        shares.append(2.0 / size if size else 0.0)
    return float(np.mean(shares))


SIMPLE_MATCH = Measure(
    name="simple-match",
    summary=SUMMARY["simple-match"],
    label="Simple match (share of neurons)",
    compute=fineness,
    value_range=(0.0, 1.0),
    paper="Wang et al. 2018, Algorithm 2",
    definition="mean over side a's live neurons of 2 / size of a simple match that holds it, 0 "
    "where there is none, activations not centred",
    is_symmetric=False,
    invariances=frozenset({"scaling", "permutation"}),
    samples="n > max(d1, d2)",
    is_basis_free=False,
    is_costly=True,
    options={"epsilon": 0.25, "neurons": 16},
)
