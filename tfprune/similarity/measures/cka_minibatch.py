"""Linear CKA from HSIC_1 averaged over minibatches (Nguyen et al. 2021)."""

from __future__ import annotations

from tfprune.errors import InputError
from tfprune.similarity.measure import Measure
from tfprune.similarity.measures.cka_debiased import ratio
from tfprune.similarity.null import null_zero
from tfprune.similarity.pair import Pair


def minibatch_alignment(pair: Pair) -> float:
    """Return mean HSIC_1(x, y) / sqrt(mean HSIC_1(x, x) mean HSIC_1(y, y)) over minibatches."""
    pair.check_live()
    batches = pair.minibatches
    if batches is None or len(batches) == 0:
        raise InputError(f"{pair.caller} needs at least 4 samples in a minibatch, got none.")
    xy, xx, yy = batches.mean(axis=0)
    return ratio(pair, float(xy), float(xx), float(yy))


MEASURE = Measure(
    name="cka-minibatch",
    summary="linear CKA from the unbiased HSIC averaged over minibatches",
    compute=minibatch_alignment,
    value_range=(-1.0, 1.0),
    paper="Nguyen et al. 2021, Do wide and deep networks learn the same things?",
    definition="linear CKA, unbiased HSIC_1 averaged over minibatches of 64 images",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    source="minibatches",
    null=null_zero,
)
