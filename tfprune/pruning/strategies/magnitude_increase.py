"""Magnitude increase (Zhou et al. 2019)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.initial is not None
    return {
        t.name: np.abs(context.weights[t.name]) - np.abs(context.initial[t.name]) for t in tensors
    }


def magnitude_increase() -> Strategy:
    """Score |w_f| - |w_i|: weights that grew since initialisation stay."""
    return Strategy(
        name="magnitude-increase",
        score=_score,
        paper="Zhou et al. 2019",
        needs=frozenset({"initial"}),
    )
