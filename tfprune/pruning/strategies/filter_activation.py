"""Mean absolute activation of whole filters."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext
from tfprune.pruning.units import FILTER, channel_values


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.activations is not None
    activations = context.activations()
    return {t.name: channel_values(activations, t, what="activations") for t in tensors}


def filter_activation() -> Strategy:
    """Score each filter's mean absolute activation over the probe inputs (Molchanov et al. 2017).

    A hook that returns 1 - APoZ gives the criterion of Hu et al. (2016) instead.
    """
    return Strategy(
        name="filter-activation",
        score=_score,
        paper="Molchanov et al. 2017",
        unit=FILTER,
        needs=frozenset({"activations"}),
    )
