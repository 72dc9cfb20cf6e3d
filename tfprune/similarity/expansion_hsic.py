"""How linear CKA changes with the weight of a block of images."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.expansion import Change, Derivatives


def alignment_derivatives(blocks: BlockMoments) -> Derivatives:
    """Return the derivatives of ||X'Y||^2 / (||X'X|| ||Y'Y||)."""
    parts = blocks.xy, blocks.xx, blocks.yy
    wholes = blocks.whole[2], blocks.whole[0], blocks.whole[1]
    xy, xx, yy = (_squared_norm(w, p.centred) for w, p in zip(wholes, parts, strict=True))
    size = 1 / (np.sqrt(xx[0]) * np.sqrt(yy[0]))
    inverse = (xx[1].log(xx[0]) * -0.5 + yy[1].log(yy[0]) * -0.5).exp(size)
    return xy[1].times(xy[0], inverse, size).derivatives


def _squared_norm(whole: Array, parts: Array) -> tuple[float, Change]:
    """Return ||X'Y||^2 and its change, from centred moments (d1+2, d2+2) and (b, d1+2, d2+2)."""
    d1, d2 = whole.shape[0] - 2, whole.shape[1] - 2
    total, own = whole[:d1, :d2], parts[:, :d1, :d2]
    sums_x, sums_y = parts[:, :d1, d2], parts[:, d1, :d2]
    first = 2 * np.einsum("ij,bij->b", total, own)
    second = np.einsum("bij,bij->b", own, own)
    second -= 2 * ((sums_x @ total) * sums_y).sum(axis=1) / whole[d1, d2]
    return float(np.vdot(total, total)), Change(first, second)
