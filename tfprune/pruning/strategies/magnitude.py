"""Magnitude of the trained weights: the criterion of IMP."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    return {t.name: np.abs(context.weights[t.name]) for t in tensors}


def magnitude() -> Strategy:
    """Score |w| of the trained weight (Han et al. 2015; Frankle & Carbin 2019)."""
    return Strategy(name="magnitude", score=_score, paper="Han et al. 2015")
