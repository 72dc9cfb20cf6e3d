"""Movement pruning (Sanh et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.accumulated_movement is not None
    return {t.name: context.accumulated_movement[t.name] for t in tensors}


def movement() -> Strategy:
    """Score S = -sum_t w_t * dL/dw_t: weights that training moved away from zero stay.

    The sign counts: a weight that shrinks goes before one that stands still (Sanh et al.
    2020; their soft and L0 variants learn S with a straight-through mask instead of
    accumulating it beside ordinary training). Zhou et al. (2019) call |w_f - w_i| movement; that
    is another criterion.
    """
    return Strategy(
        name="movement",
        score=_score,
        paper="Sanh et al. 2020",
        needs=frozenset({"accumulated_movement"}),
    )
