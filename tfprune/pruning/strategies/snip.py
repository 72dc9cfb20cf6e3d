"""SNIP (Lee et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.gradients is not None
    gradients = context.gradients(context.masks)
    return {t.name: np.abs(gradients[t.name] * context.weights[t.name]) for t in tensors}


def snip(*, rounds: int = 1) -> Strategy:
    """Score |w * dL/dw|, the connection sensitivity |dL/dc| at c = 1 (Lee et al. 2019).

    The paper divides by the sum of the scores, which changes no ranking, and prunes once at
    initialisation: give the initial values as the context's weights. With `rounds` above 1 the
    sensitivities are taken anew after each (de Jorge et al. 2021, iterative SNIP).
    """
    return Strategy(
        name="snip",
        score=_score,
        paper="Lee et al. 2019",
        scored="rewound",
        needs=frozenset({"gradients"}),
        rounds=rounds,
    )
