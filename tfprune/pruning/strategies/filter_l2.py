"""L2 norm of whole filters (He et al. 2018)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext
from tfprune.pruning.units import FILTER, filter_sums


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    return {
        t.name: np.sqrt(
            filter_sums(np.square(np.where(context.masks[t.name], context.weights[t.name], 0)), t)
        )
        for t in tensors
    }


def filter_l2() -> Strategy:
    """Score the L2 norm of each filter (He et al. 2018, soft filter pruning).

    Norms are not divided by the filter's size: small filters look small. The paper ranks within
    each layer (scope 'layer').
    """
    return Strategy(name="filter-l2", score=_score, paper="He et al. 2018", unit=FILTER)
