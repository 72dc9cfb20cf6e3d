"""First-order Taylor importance of whole filters (Molchanov et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext
from tfprune.pruning.units import FILTER, filter_sums


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.gradients is not None
    gradients = context.gradients(context.masks)
    return {
        t.name: np.square(
            filter_sums(
                np.where(context.masks[t.name], gradients[t.name] * context.weights[t.name], 0), t
            )
        )
        for t in tensors
    }


def filter_taylor() -> Strategy:
    """Score (sum over the filter of w * dL/dw)^2: joint importance (Molchanov et al. 2019).

    The sum comes before the square: contributions of opposite sign cancel, as they do in the loss.
    """
    return Strategy(
        name="filter-taylor",
        score=_score,
        paper="Molchanov et al. 2019",
        unit=FILTER,
        needs=frozenset({"gradients"}),
    )
