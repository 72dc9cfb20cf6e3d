"""A trainer's network lent out for a moment: whatever the borrower does to it is undone."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.training.generators import generator_states, restore_generator_states

if TYPE_CHECKING:
    import tf_keras

    from tfprune.training.trainer import Trainer


@contextlib.contextmanager
def lent_network(
    trainer: Trainer,
    *,
    variables: Sequence[np.ndarray] | None = None,
    masks: Mapping[str, np.ndarray] | None = None,
) -> Iterator[tf_keras.Model]:
    """Yield the trainer's plain network, holding other values until the block ends.

    variables: values of `network.variables` in their order (`TrainingState.variables`); the
        present ones where not given. masks: layer -> mask (True = kept) that the kernels are
        multiplied by; as they stand where not given.

    At the end, also after an error, every variable and every random generator has its former
    bits. Masks and optimizer are never touched. Raises InputError when `variables` are not
    those of this network.
    """
    network = trainer.prunable.network
    kept = [variable.numpy() for variable in network.variables]
    states = generator_states(network)
    if variables is not None:
        check_variables(network, variables)
    try:
        for variable, value in zip(network.variables, variables or (), strict=False):
            variable.assign(value)
        if masks is not None:
            for name, kernel in trainer.prunable.kernels().items():
                kernel.assign(kernel * masks[name].astype(kernel.dtype.as_numpy_dtype))
        yield network
    finally:
        for variable, value in zip(network.variables, kept, strict=True):
            variable.assign(value)
        restore_generator_states(network, states)


def check_variables(network: tf_keras.Model, variables: Sequence[np.ndarray]) -> None:
    """Raise InputError unless the arrays have the shapes of the network's variables, in order."""
    expected = [tuple(int(n) for n in variable.shape) for variable in network.variables]
    got = [np.shape(value) for value in variables]
    if expected == got:
        return
    if len(expected) != len(got):
        what = f"{len(expected)} arrays, got {len(got)}"
    else:
        index = next(
            i for i, pair in enumerate(zip(expected, got, strict=True)) if len(set(pair)) > 1
        )
        what = f"shape {expected[index]} for {network.variables[index].name!r}, got {got[index]}"
    raise InputError(
        f"these weights are not of network {network.name!r}: expected {what}. Give the variables "
        "of a network of the same architecture, in its order."
    )
