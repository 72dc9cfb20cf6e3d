"""Orthogonal Procrustes as a similarity (Schonemann 1966; Ding et al. 2021)."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.expansion import Derivatives, Expanded, nuclear_norm_of, trace_of
from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair


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


MEASURE = Measure(
    name="procrustes",
    summary="similarity after the best rotation, from 0 to 1",
    compute=rotated_alignment,
    value_range=(0.0, 1.0),
    paper="Schonemann 1966; Williams et al. 2021; Ding et al. 2021; as NBS: Tang et al. 2020",
    also_called="normalised Bures similarity (NBS)",
    definition="nuclear norm of the cross-products over the product of the Frobenius norms",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    takes_float32=True,
    expand=expand_alignment,
    bends_at_chance=True,
)
