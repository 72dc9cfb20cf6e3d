"""L1 norm of whole filters (Li et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext
from tfprune.pruning.units import FILTER, filter_sums


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    return {
        t.name: filter_sums(np.abs(np.where(context.masks[t.name], context.weights[t.name], 0)), t)
        for t in tensors
    }


def filter_l1() -> Strategy:
    """Score the L1 norm of each filter (Li et al. 2017).

    Norms are not divided by the filter's size: small filters look small. The paper ranks within
    each layer (scope 'layer').
    """
    return Strategy(name="filter-l1", score=_score, paper="Li et al. 2017", unit=FILTER)
