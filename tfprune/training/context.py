"""Everything one strategy may look at, and nothing that it doesn't ask for."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.pruning.kernels import Arrays, Masks
from tfprune.pruning.strategy import PruningContext
from tfprune.training import hooks
from tfprune.training.lend import lent_network
from tfprune.training.synflow import synflow

if TYPE_CHECKING:
    from tfprune.training.state import TrainingState
    from tfprune.training.trainer import Trainer


def make_context(
    trainer: Trainer,
    *,
    needs: Collection[str],
    masks: Masks,
    level: int,
    seed: int,
    state: TrainingState | None = None,
    initial: Arrays | None = None,
    rewind: Arrays | None = None,
    n_examples: int = hooks.N_EXAMPLES,
) -> PruningContext:
    """Return the context of the next level, with those hooks only that `needs` names.

    needs: `Strategy.needs`. masks: the masks in force. state: where weights are read and hooks
    evaluate, the trainer's present state where not given (give the initial state to prune before
    training, as SNIP, GraSP and SynFlow do). initial, rewind: kernels at theta_0 and theta_k.
    seed: of the images that data-driven hooks look at, and of the context. n_examples: their
    number. Making the context trains, traces and computes nothing but `norm_scales`.

    Raises InputError where `needs` names accumulated_movement and the trainer doesn't track it.
    """
    data: dict[str, Any] = {"seed": seed, "n_examples": n_examples, "state": state}
    makers: dict[str, Any] = {
        "gradients": lambda: hooks.gradients(trainer, **data),
        "hessian_gradient": lambda: hooks.hessian_gradient(trainer, **data),
        "activations": lambda: hooks.activations(trainer, masks, **data),
        "synflow": lambda: synflow(trainer, state=state),
        "norm_scales": lambda: hooks.norm_scales(trainer, state=state),
        "accumulated_movement": lambda: hooks.accumulated_movement(trainer),
        "initial": lambda: initial,
        "rewind": lambda: rewind,
    }
    return PruningContext(
        tensors=trainer.prunable.tensors,
        weights=_weights(trainer, masks, state),
        masks=masks,
        seed=seed,
        level=level,
        **{need: make() for need, make in makers.items() if need in needs},
    )


def _weights(trainer: Trainer, masks: Masks, state: TrainingState | None) -> dict[str, np.ndarray]:
    variables = None if state is None else state.variables
    with lent_network(trainer, variables=variables, masks=masks):
        return trainer.prunable.weights()
