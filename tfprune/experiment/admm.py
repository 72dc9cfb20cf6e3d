"""ADMM pruning (Zhang et al. 2018): weights are drawn toward a sparse set before they are cut."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.plan import rates_of
from tfprune.pruning.masks import prune
from tfprune.pruning.strategy import PruningContext

if TYPE_CHECKING:
    from tfprune.experiment.replicate import Replicate
    from tfprune.training.optimizer import Pull

Kernels = dict[str, np.ndarray]


def draw_toward_sparsity(replicate: Replicate, pull: Pull) -> None:
    """Train the present level's network once more, with the augmented Lagrangian of ADMM.

    Minimises L(W) + rho/2 ||W - Z + U||^2 over W by training; at the end of every epoch Z becomes
    the projection of W + U onto what the coming level may keep (the strategy's choice of the
    largest scores, the rest 0), and U grows by W - Z (Zhang et al. 2018, eqs. 7 to 9, in scaled
    form). The optimizer starts afresh. The level is then pruned from the W that is left.
    """
    trainer, prunable = replicate.trainer, replicate.prunable
    trainer.restart_optimizer(replicate.initial)
    trainer.hold_rate(None)
    dual = {name: np.zeros_like(weights) for name, weights in prunable.weights().items()}

    def update() -> None:
        weights = prunable.weights()
        sparse = _project(replicate, {name: weights[name] + dual[name] for name in weights})
        for name in dual:
            dual[name] += weights[name] - sparse[name]
        pull.set({name: sparse[name] - dual[name] for name in dual})

    weights = prunable.weights()
    pull.set(_project(replicate, weights))
    trainer.train(on_epoch=lambda report: update(), on_steps=replicate.observer.steps_taken)
    pull.set(None)


def _project(replicate: Replicate, values: Mapping[str, np.ndarray]) -> Kernels:
    """Return the values with those set to 0 that the coming level's pruning would remove."""
    pruning = replicate.plan.config.pruning
    context = PruningContext(
        tensors=replicate.prunable.tensors,
        weights=values,
        masks=replicate.masks,
        seed=replicate.seed,
        level=replicate.level,
    )
    masks = prune(
        context, strategy=replicate.plan.strategy, scope=pruning.scope, rates=rates_of(pruning)
    )
    return {name: np.where(masks[name], values[name], 0) for name in values}
