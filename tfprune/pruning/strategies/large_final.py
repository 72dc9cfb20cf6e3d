"""Large final (Zhou et al. 2019): magnitude pruning by its name there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    return {t.name: np.abs(context.weights[t.name]) for t in tensors}


def large_final() -> Strategy:
    """Score |w_f| of the trained weight; the same masks as `magnitude`."""
    return Strategy(name="large-final", score=_score, paper="Zhou et al. 2019")
