"""What training stands on at one step: everything that rewinding has to restore.

Variables and optimizer; the generators of random layers (Dropout and its like), which are functions
of (seed, epoch, step); a network lent out for a moment, and newly drawn initial weights.
"""

from __future__ import annotations

import contextlib
import random
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.alike import holds_own_layers
from tfprune.models.copying import clone
from tfprune.models.graph import leaf_layers
from tfprune.models.layer_names import called
from tfprune.models.weights import kept_variables

if TYPE_CHECKING:
    import tf_keras

    from tfprune.training.examined import HasKernels


@dataclass(frozen=True)
class TrainingState:
    """Values of all variables after `step` optimizer steps.

    `variables` are the network's in its order: kernels, biases, batch-norm scales and moving
    statistics. `slots` are the optimizer's: its step counter, learning rate and moments; after
    them the loss scale's where there is one.
    """

    step: int
    variables: tuple[np.ndarray, ...]
    slots: tuple[np.ndarray, ...]


def read_state(network: tf_keras.Model, step: Any, slots: Sequence[Any]) -> TrainingState:
    """Return a copy of the state of a network and of the variables of what trains it."""
    return TrainingState(
        step=int(step.numpy()),
        variables=tuple(variable.numpy() for variable in network.variables),
        slots=tuple(variable.numpy() for variable in slots),
    )


def restore_state(state: TrainingState, network: tf_keras.Model, slots: Sequence[Any]) -> None:
    """Assign a state to the network and variables it was read from, or to their equals."""
    for variable, value in zip(network.variables, state.variables, strict=True):
        variable.assign(value)
    for variable, value in zip(slots, state.slots, strict=True):
        variable.assign(value)


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


@contextlib.contextmanager
def lent_network(
    prunable: HasKernels,
    *,
    variables: Sequence[np.ndarray] | None = None,
    masks: Mapping[str, np.ndarray] | None = None,
) -> Iterator[tf_keras.Model]:
    """Yield a prunable network's plain one, holding other values until the block ends.

    variables: values of `network.variables` in their order (`TrainingState.variables`); the
        present ones where not given. masks: layer -> mask (True = kept) that the kernels are
        multiplied by; as they stand where not given.

    At the end, also after an error, every variable and every random generator has its former
    bits. Masks and optimizer are never touched. Raises InputError when `variables` are not
    those of this network.
    """
    network = prunable.network
    kept = [variable.numpy() for variable in network.variables]
    states = generator_states(network)
    if variables is not None:
        check_variables(network, variables)
    try:
        for variable, value in zip(network.variables, variables or (), strict=False):
            variable.assign(value)
        if masks is not None:
            for name, kernel in prunable.kernels().items():
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
        f"these weights are not of network {called(network)!r}: expected {what}. Give the "
        "variables of a network of the same architecture, in its order."
    )


def fresh_variables(network: tf_keras.Model, *, seed: int) -> tuple[np.ndarray, ...]:
    """Return newly drawn values of `network.variables`, in their order; the network is untouched.

    Every layer draws by its own initializers, seeded from (seed, place of the layer among those
    with weights, weight), whatever it is called: Keras may name it otherwise at the next call.
    What layers of the user's own draw by themselves (`add_weight`, layers inside) comes from the
    generators of Keras, TensorFlow, NumPy and Python, seeded by `seed` meanwhile.
    Frozen layers (`trainable=False`) and the statistics of an adapted Normalization layer keep
    their values: training would never make anything of other ones.
    """
    with_weights = [layer.name for layer in network.layers if layer.weights]
    places = {name: place for place, name in enumerate(with_weights)}

    def redraw(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        seeded = {
            key: _seeded(value, seed, f"{places.get(layer.name)}/{key}")
            for key, value in config.items()
            if key.endswith("_initializer")
        }
        return config | seeded

    with _drawing_by(seed) if holds_own_layers(network) else contextlib.nullcontext():
        fresh = clone(network, redraw)
    kept = {id(variable) for variable in kept_variables(network)}
    return tuple(
        (old if id(old) in kept else new).numpy()
        for old, new in zip(network.variables, fresh.variables, strict=True)
    )


@contextlib.contextmanager
def _drawing_by(seed: int) -> Iterator[None]:
    """Seed what draws without a seed of its own; Python, NumPy and Keras go on as before then."""
    import tf_keras
    from tf_keras.src import backend

    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 users' code draws so
    keras = getattr(backend._SEED_GENERATOR, "generator", None)
    try:
        tf_keras.utils.set_random_seed(seed % 2**32)
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
        backend._SEED_GENERATOR.generator = keras


def _seeded(initializer: Any, seed: int, weight: str) -> Any:
    """Return an initializer's configuration with a seed of its own, where it takes one."""
    if not isinstance(initializer, dict) or "seed" not in initializer.get("config", {}):
        return initializer
    sequence = np.random.SeedSequence((seed, zlib.crc32(weight.encode())))
    drawn = int(sequence.generate_state(1)[0] >> 1)
    return {**initializer, "config": {**initializer["config"], "seed": drawn}}
