"""R2 of the linear regression of x on y (Kornblith et al. 2019, section 3)."""

from __future__ import annotations

from tfprune.errors import InputError
from tfprune.similarity.arrays import clipped
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
    null=null_regression,
)
