"""What training stands on at one step: everything that rewinding has to restore."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tf_keras


@dataclass(frozen=True)
class TrainingState:
    """Values of all variables after `step` optimizer steps.

    `variables` are the network's in its order: kernels, biases, batch-norm scales and moving
    statistics. `slots` are the optimizer's: its step counter, learning rate and moments.
    """

    step: int
    variables: tuple[np.ndarray, ...]
    slots: tuple[np.ndarray, ...]


def read_state(network: tf_keras.Model, optimizer: tf_keras.optimizers.Optimizer) -> TrainingState:
    """Return a copy of the state of a network and its optimizer."""
    return TrainingState(
        step=int(optimizer.iterations.numpy()),
        variables=tuple(variable.numpy() for variable in network.variables),
        slots=tuple(variable.numpy() for variable in optimizer.variables),
    )


def restore_state(
    state: TrainingState,
    network: tf_keras.Model,
    optimizer: tf_keras.optimizers.Optimizer,
) -> None:
    """Assign a state to the network and optimizer it was read from, or to their equals."""
    for variable, value in zip(network.variables, state.variables, strict=True):
        variable.assign(value)
    for variable, value in zip(optimizer.variables, state.slots, strict=True):
        variable.assign(value)
