"""Random layers (Dropout and its like) as a function of (seed, epoch, step)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.nested import leaf_layers

if TYPE_CHECKING:
    import tf_keras

_PURPOSE = 3  # keeps this stream apart from order and augmentation


def _generators(model: tf_keras.Model) -> list[Any]:
    """Return Keras's generator object of every random layer, in the model's order."""
    found = (getattr(layer, "_random_generator", None) for layer in leaf_layers(model))
    return [generator for generator in found if generator is not None]


def make_generators_settable(model: tf_keras.Model) -> None:
    """Give every random layer a generator whose state can be set; call it before any tracing.

    Keras 2 draws from hidden operator state by default, which nothing can read or restore.
    """
    for generator in _generators(model):
        if generator._rng_type != generator.RNG_STATEFUL:
            generator._rng_type = generator.RNG_STATEFUL
            generator._built = False
        generator._maybe_init()


def reset_generators(model: tf_keras.Model, *, seed: int, epoch: int, step: int) -> None:
    """Set the generator of every random layer to a state that depends on its arguments only.

    Called where training (re)starts within an epoch, so that what a network draws does not
    depend on what was trained before.
    """
    for index, generator in enumerate(_generators(model)):
        sequence = np.random.SeedSequence(seed, spawn_key=(_PURPOSE, epoch, step, index))
        value = int(sequence.generate_state(1, np.uint64)[0] >> 1)
        generator._generator.reset_from_seed(value)


def generator_states(model: tf_keras.Model) -> list[np.ndarray]:
    """Return the state of every random layer's generator that has one, in the model's order."""
    return [generator.state.numpy() for generator in _stateful(model)]


def restore_generator_states(model: tf_keras.Model, states: list[np.ndarray]) -> None:
    """Set the generators to the states that `generator_states` returned."""
    for generator, state in zip(_stateful(model), states, strict=True):
        generator.state.assign(state)


def _stateful(model: tf_keras.Model) -> list[Any]:
    found = (getattr(generator, "_generator", None) for generator in _generators(model))
    return [generator for generator in found if generator is not None]
