"""Linear CKA from the unbiased HSIC_1 (Song et al. 2007; Nguyen et al. 2021)."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import clipped
from tfprune.similarity.measure import Measure
from tfprune.similarity.measures.cka import expand_alignment
from tfprune.similarity.null import null_zero
from tfprune.similarity.pair import Pair


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


MEASURE = Measure(
    name="cka-debiased",
    summary="linear CKA with the unbiased HSIC; about 0 for independent data",
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
