"""Measures of shape: orthogonal Procrustes, its angle, and the ranks of distances (RSA).

Sources: Schonemann 1966; Williams et al. 2021; Ding et al. 2021; Kriegeskorte et al. 2008 (RSA).
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.derivatives import Derivatives, Expanded, nuclear_norm_of, trace_of
from tfprune.similarity.lost import Bend
from tfprune.similarity.measure import SUMMARY, Measure
from tfprune.similarity.pair import Pair, squared_distances

#: distances are told apart in steps of this share of the largest: well above rounding noise
_STEPS = 2.0**36


def rotated_alignment(pair: Pair) -> float:
    """Return ||X'Y||_* / (||X||_F ||Y||_F) of the centred channels, in [0, 1].

    It is the cosine left between x and y after the best rotation of one onto the other; layers
    of different width are compared as if the narrower had zero channels added. The normalised
    Bures similarity of Tang et al. 2020, of the two Gram matrices, is the same number (Harvey,
    Larsen & Williams 2023).
    """
    pair.check_live()
    live = pair.cross[np.ix_(pair.x.live, pair.y.live)]
    size = np.sqrt(pair.x.trace) * np.sqrt(pair.y.trace)
    return clipped(nuclear_norm(live) / size, 0.0, 1.0)


def nuclear_norm(matrix: Array) -> float:
    """Return the sum of singular values.

    By the eigenvalues of the smaller M M', twice as fast as an SVD, unless the singular values
    fall so low that squaring them could cost more than 1e-7 of the sum.
    """
    m = matrix if matrix.shape[0] <= matrix.shape[1] else matrix.T
    squares = np.linalg.eigvalsh(m @ m.T)
    largest = float(squares[-1])
    if largest <= 0:
        return 0.0
    noise = 4.0 * np.finfo(np.float64).eps * largest
    roots = np.sqrt(np.maximum(squares, noise))
    if float((noise / (2 * roots)).sum()) > 1e-7 * float(roots.sum()):
        return float(np.linalg.svd(matrix, compute_uv=False).sum())
    return float(np.sqrt(np.maximum(squares, 0.0)).sum())


def expand_alignment(pair: Pair, whole: Pair) -> Expanded:
    """Return the similarity, expanded: through the logarithms of its three norms."""
    x, y = pair.x.trace, pair.y.trace
    norm, change_of_norm = nuclear_norm_of(pair.cross)
    value = norm / (np.sqrt(x) * np.sqrt(y))

    def at(blocks: BlockMoments) -> Derivatives:
        change = change_of_norm(blocks).log(norm)
        change += trace_of(blocks.xx, pair.x.width, blocks.n).log(x) * -0.5
        change += trace_of(blocks.yy, pair.y.width, blocks.n).log(y) * -0.5
        return change.exp(value).derivatives

    return Expanded(value, at)


def bend_of_alignment(pair: Pair) -> Bend:
    """Return the similarity as a sum of singular values."""
    size = np.sqrt(pair.x.trace) * np.sqrt(pair.y.trace)
    root_x, root_y = (
        _root(side.scatter[np.ix_(side.live, side.live)]) for side in (pair.x, pair.y)
    )
    scale = size * np.sqrt(pair.n_samples)
    live = pair.cross[np.ix_(pair.x.live, pair.y.live)]
    return Bend(np.asarray(live / size), lambda normal: root_x @ normal @ root_y / scale)


def _root(scatter: Array) -> Array:
    """Return the symmetric root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(scatter)
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def bend_of_angle(pair: Pair) -> Bend:
    """Return the angle as a function of the same sum."""
    return bend_of_alignment(pair)._replace(
        of_sum=lambda total: math.acos(clipped(total, 0.0, 1.0))
    )


PROCRUSTES = Measure(
    name="procrustes",
    summary=SUMMARY["procrustes"],
    label="Procrustes similarity",
    compute=rotated_alignment,
    value_range=(0.0, 1.0),
    paper="Schonemann 1966; Williams et al. 2021; Ding et al. 2021; as NBS: Tang et al. 2020",
    also_called="normalised Bures similarity (NBS)",
    definition="nuclear norm of the cross-products over the product of the Frobenius norms",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    takes_float32=True,
    expand=expand_alignment,
    bend=bend_of_alignment,
)


def rotated_angle(pair: Pair) -> float:
    """Return arccos of the Procrustes similarity, in [0, pi/2] radians; it is a metric."""
    return math.acos(rotated_alignment(pair))


def expand_angle(pair: Pair, whole: Pair) -> Expanded:
    """Return the angle, expanded: its derivative in the similarity s is -1 / sqrt(1 - s^2)."""
    cosine, derivatives = expand_alignment(pair, whole)
    cosine = min(1.0, cosine)
    sine = math.sqrt(max(1.0 - cosine**2, 1e-300))

    def at(blocks: BlockMoments) -> Derivatives:
        first, second, _ = derivatives(blocks)
        return Derivatives(-first / sine, -second / sine - cosine * first**2 / sine**3)

    return Expanded(math.acos(cosine), at)


PROCRUSTES_DISTANCE = replace(
    PROCRUSTES,
    name="procrustes-distance",
    summary=SUMMARY["procrustes-distance"],
    label="Procrustes distance (rad)",
    also_called="",
    paper="Schonemann 1966; Williams et al. 2021; Ding et al. 2021",
    compute=rotated_angle,
    expand=expand_angle,
    bend=bend_of_angle,
    value_range=(0.0, math.pi / 2),
    definition="arccos of the Procrustes similarity (angular Procrustes distance)",
    larger_is_more_similar=False,
    identical=0.0,
)


def rank_correlation_of_distances(pair: Pair) -> float:
    """Return Spearman's correlation of the Euclidean distances between sampled rows, in [-1, 1]."""
    pair.check_live()
    x, y = pair.sampled()
    first, second = (_ranked(rows) for rows in (x, y))
    size = float(np.sqrt(first @ first) * np.sqrt(second @ second))
    return float(np.clip(first @ second / size, -1.0, 1.0)) if size > 0 else float("nan")


def _ranked(rows: Array) -> Array:
    """Return the centred ranks of the distances; what differs by rounding only shares a rank."""
    from scipy.stats import rankdata

    upper = np.triu_indices(rows.shape[0], k=1)
    distances = squared_distances(rows)[upper]
    largest = float(distances.max(initial=0.0))
    if largest > 0:
        distances = np.round(distances * (_STEPS / largest))
    ranks = rankdata(distances)
    return np.asarray(ranks - ranks.mean())


RSA = Measure(
    name="rsa",
    summary=SUMMARY["rsa"],
    label="RSA correlation",
    compute=rank_correlation_of_distances,
    value_range=(-1.0, 1.0),
    paper="Kriegeskorte, Mur & Bandettini 2008",
    definition="Spearman correlation of the Euclidean distances between data points, on a seeded "
    "sample of them",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    source="rows",
)
