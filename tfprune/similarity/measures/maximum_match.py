"""The maximum match of two layers' neurons (Wang et al. 2018)."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair
from tfprune.similarity.subspaces import Neurons, maximum_match


def matched_share(pair: Pair, *, epsilon: float) -> float:
    """Return (|X*| + |Y*|) / (|X| + |Y|), in [0, 1], of the maximum epsilon-approximate match.

    X and Y are the live neurons of the two sides; see `tfprune.similarity.subspaces`.
    """
    pair.check_live()
    neurons = Neurons.of(pair)
    kept_x, kept_y = maximum_match(neurons, epsilon)
    return share(kept_x, kept_y)


def share(kept_x: Array, kept_y: Array) -> float:
    """Return how many of all neurons are kept, in [0, 1]."""
    return float((np.sum(kept_x) + np.sum(kept_y)) / (kept_x.size + kept_y.size))


MEASURE = Measure(
    name="maximum-match",
    summary="share of neurons in the maximum match of Wang et al.",
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
