"""Strategies that ask the loss, or the flow through the network, about single weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.strategy import PruningContext, Scores, Strategy


def _sensitivity(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.gradients is not None
    gradients = context.gradients(context.masks)
    return {t.name: np.abs(gradients[t.name] * context.weights[t.name]) for t in tensors}


def _squared_change(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.gradients is not None
    gradients = context.gradients(context.masks)
    return {
        t.name: np.square(np.multiply(gradients[t.name], context.weights[t.name], dtype=np.float64))
        for t in tensors
    }


def _gradient_flow(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.hessian_gradient is not None
    products = context.hessian_gradient(context.masks)
    return {t.name: context.weights[t.name] * products[t.name] for t in tensors}


def _synaptic_flow(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.synflow is not None
    flow = context.synflow(context.masks)
    return {t.name: flow[t.name] for t in tensors}


def snip(*, rounds: int = 1) -> Strategy:
    """Score |w * dL/dw|, the connection sensitivity |dL/dc| at c = 1 (Lee et al. 2019).

    The paper divides by the sum of the scores, which changes no ranking, and prunes once at
    initialisation: give the initial values as the context's weights. With `rounds` above 1 the
    sensitivities are taken anew after each (de Jorge et al. 2021, iterative SNIP).
    """
    return Strategy(
        name="snip",
        score=_sensitivity,
        paper="Lee et al. 2019",
        scored="rewound",
        needs=frozenset({"gradients"}),
        rounds=rounds,
    )


def grasp() -> Strategy:
    """Score w * Hg: weights whose removal would reduce the gradient flow g'g stay.

    Removing w changes the gradient norm by S = -w * (Hg) to first order (Wang et al. 2020);
    their algorithm removes the *largest* S, so the score kept is -S. Code in circulation differs
    in this sign. The sign counts, no absolute value is taken; the paper prunes once at
    initialisation and divides the logits by a temperature of 200, which belongs to the hook.
    """
    return Strategy(
        name="grasp",
        score=_gradient_flow,
        paper="Wang et al. 2020",
        scored="rewound",
        needs=frozenset({"hessian_gradient"}),
    )


def synflow(*, rounds: int = 100) -> Strategy:
    """Score w * dR/dw with R = 1' |W_L| ... |W_1| 1, the synaptic flow: no data is looked at.

    Tanaka et al. 2020, algorithm 1: 100 rounds by default, the density after round
    k being density^(k / rounds), scores taken anew under the masks of each. One round collapses
    layers. Deep networks overflow float32: the hook should compute in float64.
    """
    return Strategy(
        name="synflow",
        score=_synaptic_flow,
        paper="Tanaka et al. 2020",
        scored="rewound",
        needs=frozenset({"synflow"}),
        rounds=rounds,
    )


def taylor() -> Strategy:
    """Score (w * dL/dw)^2, the squared loss change of removing w (Molchanov et al. 2019).

    On single weights it ranks as SNIP does; the difference is when: here on the trained weights.
    Squares are taken in float64, where small ones do not vanish. The paper accumulates them over
    minibatches, which belongs to the gradient hook.
    """
    return Strategy(
        name="taylor",
        score=_squared_change,
        paper="Molchanov et al. 2019",
        needs=frozenset({"gradients"}),
    )
