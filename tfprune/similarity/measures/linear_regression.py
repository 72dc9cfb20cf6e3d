"""R2 of the linear regression of x on y (Kornblith et al. 2019, section 3)."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import clipped
from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.expansion import Change, Derivatives, Expanded, trace_of
from tfprune.similarity.measure import Measure
from tfprune.similarity.null import null_regression
from tfprune.similarity.pair import Pair


def explained_variance(pair: Pair) -> float:
    """Return ||Q_y' X||_F^2 / ||X||_F^2, the share of x's variance linear in y, in [0, 1]."""
    pair.check_live()
    rank = pair.ranks[1]
    if pair.n_samples <= rank + 1 and not pair.allow_few_samples:
        raise InputError(
            f"{pair.caller} needs more samples than directions of {pair.names[1]}: "
            f"n_samples={int(pair.n_samples)}, directions={rank}. Add probe images, or use a "
            "measure without this limit, such as cka-debiased."
        )
    on_y = pair.x_on_y()
    return clipped(float((on_y * on_y).sum()) / pair.x.trace, 0.0, 1.0)


def expand_variance(pair: Pair, whole: Pair) -> Expanded:
    """Return the share, expanded: ||C||^2 / ||X||^2 with C = X'Y W, W whitening y.

    As C changes by G and the whitened scatter of y by F, ||C||^2 becomes
    ||C||^2 + 2 <C, G> - <C, C F> + ||G - C F||^2.
    """
    rank = pair.y.whitening.rank
    if pair is not whole and rank != whole.y.whitening.rank:
        raise InputError("directions that live on all images are silent on half of them")
    own = np.eye(pair.x.width)
    right = pair.y.whitening.directions(np.eye(rank), pair.y.width)
    c = pair.cross @ right
    explained, total = float((c * c).sum()), pair.x.trace

    def at(blocks: BlockMoments) -> Derivatives:
        g, cf = blocks.xy.seen(own, right), c @ blocks.yy.seen(right, right)
        rest_x, rest_y = blocks.xy.rests(own, right)
        first = np.einsum("ij,bij->b", c, 2 * g - cf)
        fitted = rest_y @ c.T
        second = ((g - cf) ** 2).sum(axis=(1, 2))
        second += (fitted * (fitted - 2 * rest_x)).sum(axis=1) / blocks.n
        change = Change(first, second).log(explained)
        change += trace_of(blocks.xx, pair.x.width, blocks.n).log(total) * -1.0
        return change.exp(explained / total).derivatives

    return Expanded(explained / total, at)


MEASURE = Measure(
    name="linear-regression",
    summary="share of x's variance that is linear in y (R2)",
    compute=explained_variance,
    value_range=(0.0, 1.0),
    paper="Kornblith et al. 2019, equation 5",
    definition="share of side a's variance that a linear map of side b explains (R2, not "
    "cross-validated)",
    is_symmetric=False,
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    samples="n > d2",
    whitens=True,
    expand=expand_variance,
    null=null_regression,
)
