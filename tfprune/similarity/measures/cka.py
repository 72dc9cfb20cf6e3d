"""Centred kernel alignment: linear, debiased, over minibatches, with a Gaussian kernel.

Sources: Kornblith et al. 2019 (CKA); Song et al. 2007 (the unbiased HSIC_1); Nguyen et al. 2021
(debiased and over minibatches).
"""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.derivatives import Change, Derivatives, Expanded
from tfprune.similarity.measure import SUMMARY, Measure
from tfprune.similarity.pair import Pair, squared_distances


def linear_alignment(pair: Pair) -> float:
    """Return ||Y'X||_F^2 / (||X'X||_F ||Y'Y||_F) of the centred channels, in [0, 1]."""
    pair.check_live()
    xy, xx, yy = pair.squared_norms
    return clipped(xy / float(np.sqrt(xx) * np.sqrt(yy)), 0.0, 1.0)


def expand_alignment(pair: Pair, whole: Pair) -> Expanded:
    """Return linear CKA, expanded."""
    return Expanded(linear_alignment(pair), alignment_derivatives)


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


def null_cka(pair: Pair) -> float:
    """Return tr(X'X) tr(Y'Y) / ((n - 1) ||X'X|| ||Y'Y||), the mean of linear CKA over all
    pairings of the rows: exact, whatever the layers' distributions."""
    _, xx, yy = pair.squared_norms
    size = (pair.n_samples - 1) * float(np.sqrt(xx) * np.sqrt(yy))
    return clipped(pair.x.trace * pair.y.trace / size, 0.0, 1.0)


CKA = Measure(
    name="cka",
    summary=SUMMARY["cka"],
    label="Linear CKA",
    compute=linear_alignment,
    value_range=(0.0, 1.0),
    paper="Kornblith et al. 2019, Similarity of neural network representations revisited",
    definition="linear CKA, biased HSIC; grows with width / n_samples for unrelated layers",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    takes_float32=True,
    expand=expand_alignment,
    null=null_cka,
)


def debiased_alignment(pair: Pair) -> float:
    """Return HSIC_1(x, y) / sqrt(HSIC_1(x, x) HSIC_1(y, y)); at most 1, can be negative."""
    pair.check_live()
    xy, xx, yy = pair.hsic1()
    return ratio(pair, xy, xx, yy)


def ratio(pair: Pair, xy: float, xx: float, yy: float) -> float:
    """Return xy / sqrt(xx yy); raise InputError where a side's own HSIC_1 is not positive."""
    for name, own in zip(pair.names, (xx, yy), strict=True):
        if not own > 0:
            raise InputError(
                f"{pair.caller}: the unbiased HSIC of {name} with itself is {own:.3g}, so it "
                "can't normalise. There are too few samples for this layer; add probe images."
            )
    return clipped(xy / float(np.sqrt(xx) * np.sqrt(yy)), -np.inf, 1.0)


def null_zero(pair: Pair) -> float:
    """Return 0, the expectation of a debiased measure."""
    return 0.0


CKA_DEBIASED = Measure(
    name="cka-debiased",
    summary=SUMMARY["cka-debiased"],
    label="Linear CKA (debiased)",
    compute=debiased_alignment,
    value_range=(-1.0, 1.0),
    paper="Song et al. 2007 (HSIC_1); Nguyen et al. 2021",
    definition="linear CKA, unbiased HSIC_1; expected 0 for unrelated layers, can be negative",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    takes_float32=True,
    # corrected for bias, both forms of HSIC estimate the same, in images as in data points
    expand=expand_alignment,
    null=null_zero,
)


def minibatch_alignment(pair: Pair) -> float:
    """Return mean HSIC_1(x, y) / sqrt(mean HSIC_1(x, x) mean HSIC_1(y, y)) over minibatches."""
    pair.check_live()
    batches = pair.minibatches
    if batches is None or len(batches) == 0:
        raise InputError(f"{pair.caller} needs at least 4 samples in a minibatch, got none.")
    xy, xx, yy = batches.mean(axis=0)
    return ratio(pair, float(xy), float(xx), float(yy))


CKA_MINIBATCH = Measure(
    name="cka-minibatch",
    summary=SUMMARY["cka-minibatch"],
    label="Linear CKA (minibatch)",
    compute=minibatch_alignment,
    value_range=(-1.0, 1.0),
    paper="Nguyen et al. 2021, Do wide and deep networks learn the same things?",
    definition="linear CKA, unbiased HSIC_1 averaged over minibatches of 64 images",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    source="minibatches",
    null=null_zero,
)


def gaussian_alignment(pair: Pair, *, bandwidth: float) -> float:
    """Return the CKA of Gaussian kernels on the sampled rows, in [0, 1].

    k(u, v) = exp(-|u - v|^2 / (2 (bandwidth m)^2)) with m the median distance between rows.
    """
    pair.check_live()
    x, y = pair.sampled()
    gram_x, gram_y = (_centred(gaussian_gram(rows, bandwidth)) for rows in (x, y))
    size = float(np.linalg.norm(gram_x) * np.linalg.norm(gram_y))
    return float(np.clip(np.vdot(gram_x, gram_y) / size, 0.0, 1.0)) if size > 0 else float("nan")


def gaussian_gram(rows: Array, bandwidth: float) -> Array:
    """Return the (n, n) Gaussian kernel; `bandwidth` is in units of the median distance."""
    distances = squared_distances(rows)
    median = float(np.median(distances))
    if not median > 0:
        positive = distances[distances > 0]
        median = float(np.median(positive)) if positive.size else 1.0
    return np.asarray(np.exp(-distances / (2.0 * bandwidth**2 * median)))


def _centred(gram: Array) -> Array:
    rows = gram.mean(axis=0)
    return np.asarray(gram - rows[:, None] - rows[None, :] + rows.mean())


CKA_RBF = Measure(
    name="cka-rbf",
    summary=SUMMARY["cka-rbf"],
    label="CKA (Gaussian kernel)",
    compute=gaussian_alignment,
    value_range=(0.0, 1.0),
    paper="Kornblith et al. 2019, section 3",
    definition="CKA with Gaussian kernels; bandwidth in units of the median distance, on a "
    "seeded sample of data points",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    source="rows",
    is_biased_on_rows=True,
    options={"bandwidth": 0.5},
)
