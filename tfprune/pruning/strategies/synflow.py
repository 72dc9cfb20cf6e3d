"""SynFlow (Tanaka et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.pruning.strategy import Scores, Strategy
from tfprune.pruning.tensors import PrunableTensor, PruningContext


def _score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.synflow is not None
    flow = context.synflow(context.masks)
    return {t.name: flow[t.name] for t in tensors}


def synflow(*, rounds: int = 100) -> Strategy:
    """Score w * dR/dw with R = 1' |W_L| ... |W_1| 1, the synaptic flow: no data is looked at.

    Tanaka et al. 2020, algorithm 1: 100 rounds by default, the density after round
    k being density^(k / rounds), scores taken anew under the masks of each. One round collapses
    layers. Deep networks overflow float32: the hook should compute in float64.
    """
    return Strategy(
        name="synflow",
        score=_score,
        paper="Tanaka et al. 2020",
        scored="rewound",
        needs=frozenset({"synflow"}),
        rounds=rounds,
    )
