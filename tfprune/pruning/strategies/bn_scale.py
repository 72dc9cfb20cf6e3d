"""Batch-norm scales, network slimming (Liu et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext
from tfprune.pruning.units import FILTER, channel_values


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.norm_scales is not None
    return {
        t.name: np.abs(channel_values(context.norm_scales, t, what="norm_scales")) for t in tensors
    }


def bn_scale() -> Strategy:
    """Score |gamma| of the batch normalisation that follows the layer (Liu et al. 2017).

    The paper ranks globally. Layers without batch normalisation must be excluded.
    """
    return Strategy(
        name="bn-scale",
        score=_score,
        paper="Liu et al. 2017",
        unit=FILTER,
        needs=frozenset({"norm_scales"}),
    )
