"""Strategies that look at single weights: how large they are, were, and became."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.strategy import PruningContext, Scores, Strategy


def by_magnitude(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    """Return |w| of every weight."""
    return {t.name: np.abs(context.weights[t.name]) for t in tensors}


def _noise(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    rng = context.rng
    return {t.name: rng.random(t.shape, dtype=np.float32) for t in tensors}


def _initial(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.initial is not None
    return {t.name: np.abs(context.initial[t.name]) for t in tensors}


def _increase(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    before, after = _initial(context, tensors), by_magnitude(context, tensors)
    return {t.name: after[t.name] - before[t.name] for t in tensors}


def _moved(context: PruningContext, tensors: Sequence[PrunableTensor]) -> Scores:
    assert context.accumulated_movement is not None
    return {t.name: context.accumulated_movement[t.name] for t in tensors}


def magnitude() -> Strategy:
    """Score |w| of the trained weight: the criterion of IMP (Han et al. 2015; Frankle & Carbin)."""
    return Strategy(name="magnitude", score=by_magnitude, paper="Han et al. 2015")


def random() -> Strategy:
    """Score by uniform noise drawn from the context's seed and level."""
    return Strategy(name="random", score=_noise, paper="control")


def large_final() -> Strategy:
    """Score |w_f| of the trained weight; the same masks as `magnitude`."""
    return Strategy(name="large-final", score=by_magnitude, paper="Zhou et al. 2019")


def large_init() -> Strategy:
    """Score |w_i| of the weight at initialisation; training has no say."""
    return Strategy(
        name="large-init", score=_initial, paper="Zhou et al. 2019", needs=frozenset({"initial"})
    )


def magnitude_increase() -> Strategy:
    """Score |w_f| - |w_i|: weights that grew since initialisation stay."""
    return Strategy(
        name="magnitude-increase",
        score=_increase,
        paper="Zhou et al. 2019",
        needs=frozenset({"initial"}),
    )


def movement() -> Strategy:
    """Score S = -sum_t w_t * dL/dw_t: weights that training moved away from zero stay.

    The sign counts: a weight that shrinks goes before one that stands still (Sanh et al.
    2020; their soft and L0 variants learn S with a straight-through mask instead of
    accumulating it beside ordinary training). Zhou et al. (2019) call |w_f - w_i| movement; that
    is another criterion.
    """
    return Strategy(
        name="movement",
        score=_moved,
        paper="Sanh et al. 2020",
        needs=frozenset({"accumulated_movement"}),
    )
