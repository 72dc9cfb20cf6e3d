"""GraSP (Wang et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.hessian_gradient is not None
    products = context.hessian_gradient(context.masks)
    return {t.name: context.weights[t.name] * products[t.name] for t in tensors}


def grasp() -> Strategy:
    """Score w * Hg: weights whose removal would reduce the gradient flow g'g stay.

    Removing w changes the gradient norm by S = -w * (Hg) to first order (Wang et al. 2020);
    their algorithm removes the *largest* S, so the score kept is -S. Code in circulation differs
    in this sign. The sign counts, no absolute value is taken; the paper prunes once at
    initialisation and divides the logits by a temperature of 200, which belongs to the hook.
    """
    return Strategy(
        name="grasp",
        score=_score,
        paper="Wang et al. 2020",
        scored="rewound",
        needs=frozenset({"hessian_gradient"}),
    )
