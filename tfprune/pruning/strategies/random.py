"""Random scores: the strategy that any other has to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    rng = context.rng
    return {t.name: rng.random(t.shape, dtype=np.float32) for t in tensors}


def random() -> Strategy:
    """Score by uniform noise drawn from the context's seed and level."""
    return Strategy(name="random", score=_score, paper="control")
