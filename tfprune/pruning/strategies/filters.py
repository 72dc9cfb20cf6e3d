"""Strategies that remove whole filters, that is output channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tfprune.pruning.kernels import FILTER, Array, PrunableTensor, channel_values, filter_sums
from tfprune.pruning.strategy import PruningContext, Scorer, Scores, Strategy


def _norms(power: Callable[[Array], Array], root: Callable[[Array], Array]) -> Scorer:
    """Return the scorer `root` of the sum of `power` over each filter's surviving weights."""

    def score(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
        return {t.name: root(filter_sums(power(_surviving(context, t)), t)) for t in tensors}

    return score


def _surviving(context: PruningContext, tensor: PrunableTensor) -> Array:
    return np.where(context.masks[tensor.name], context.weights[tensor.name], 0)


def _joint_change(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.gradients is not None
    gradients = context.gradients(context.masks)
    return {
        t.name: np.square(
            filter_sums(
                np.where(context.masks[t.name], gradients[t.name] * context.weights[t.name], 0), t
            )
        )
        for t in tensors
    }


def _activation(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.activations is not None
    activations = context.activations()
    return {t.name: channel_values(activations, t, what="activations") for t in tensors}


def _scale(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.norm_scales is not None
    return {
        t.name: np.abs(channel_values(context.norm_scales, t, what="norm_scales")) for t in tensors
    }


def filter_l1() -> Strategy:
    """Score the L1 norm of each filter (Li et al. 2017).

    Norms are not divided by the filter's size: small filters look small. The paper ranks within
    each layer (scope 'layer').
    """
    score = _norms(np.abs, lambda sums: sums)
    return Strategy(name="filter-l1", score=score, paper="Li et al. 2017", unit=FILTER)


def filter_l2() -> Strategy:
    """Score the L2 norm of each filter (He et al. 2018, soft filter pruning); as `filter_l1`."""
    score = _norms(np.square, np.sqrt)
    return Strategy(name="filter-l2", score=score, paper="He et al. 2018", unit=FILTER)


def filter_taylor() -> Strategy:
    """Score (sum over the filter of w * dL/dw)^2: joint importance (Molchanov et al. 2019).

    The sum comes before the square: contributions of opposite sign cancel, as they do in the loss.
    """
    return Strategy(
        name="filter-taylor",
        score=_joint_change,
        paper="Molchanov et al. 2019",
        unit=FILTER,
        needs=frozenset({"gradients"}),
    )


def filter_activation() -> Strategy:
    """Score each filter's mean absolute activation over the probe inputs (Molchanov et al. 2017).

    A hook that returns 1 - APoZ gives the criterion of Hu et al. (2016) instead.
    """
    return Strategy(
        name="filter-activation",
        score=_activation,
        paper="Molchanov et al. 2017",
        unit=FILTER,
        needs=frozenset({"activations"}),
    )


def bn_scale() -> Strategy:
    """Score |gamma| of the batch normalisation that follows the layer (Liu et al. 2017).

    Network slimming. The paper ranks globally. Layers without batch normalisation must be excluded.
    """
    return Strategy(
        name="bn-scale",
        score=_scale,
        paper="Liu et al. 2017",
        unit=FILTER,
        needs=frozenset({"norm_scales"}),
    )
