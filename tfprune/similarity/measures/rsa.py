"""Representational similarity analysis (Kriegeskorte et al. 2008)."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from tfprune.similarity.arrays import Array
from tfprune.similarity.measure import Measure
from tfprune.similarity.measures.cka_rbf import sampled, squared_distances
from tfprune.similarity.pair import Pair

#: distances are told apart in steps of this share of the largest: well above rounding noise
_STEPS = 2.0**36


def rank_correlation_of_distances(pair: Pair) -> float:
    """Return Spearman's correlation of the Euclidean distances between sampled rows, in [-1, 1]."""
    pair.check_live()
    x, y = sampled(pair)
    first, second = (_ranked(rows) for rows in (x, y))
    size = float(np.sqrt(first @ first) * np.sqrt(second @ second))
    return float(np.clip(first @ second / size, -1.0, 1.0)) if size > 0 else float("nan")


def _ranked(rows: Array) -> Array:
    """Return the centred ranks of the distances; what differs by rounding only shares a rank."""
    upper = np.triu_indices(rows.shape[0], k=1)
    distances = squared_distances(rows)[upper]
    largest = float(distances.max(initial=0.0))
    if largest > 0:
        distances = np.round(distances * (_STEPS / largest))
    ranks = rankdata(distances)
    return np.asarray(ranks - ranks.mean())


MEASURE = Measure(
    name="rsa",
    summary="rank correlation of the two dissimilarity matrices, on a bounded sample",
    compute=rank_correlation_of_distances,
    value_range=(-1.0, 1.0),
    paper="Kriegeskorte, Mur & Bandettini 2008",
    definition="Spearman correlation of the Euclidean distances between data points, on a seeded "
    "sample of them",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    source="rows",
)
