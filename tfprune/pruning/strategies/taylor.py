"""First-order Taylor importance of single weights (Molchanov et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.gradients is not None
    gradients = context.gradients(context.masks)
    return {
        t.name: np.square(np.multiply(gradients[t.name], context.weights[t.name], dtype=np.float64))
        for t in tensors
    }


def taylor() -> Strategy:
    """Score (w * dL/dw)^2, the squared loss change of removing w (Molchanov et al. 2019).

    On single weights it ranks as SNIP does; the difference is when: here on the trained weights.
    Squares are taken in float64, where small ones do not vanish. The paper accumulates them over
    minibatches, which belongs to the gradient hook.
    """
    return Strategy(
        name="taylor",
        score=_score,
        paper="Molchanov et al. 2019",
        needs=frozenset({"gradients"}),
    )
