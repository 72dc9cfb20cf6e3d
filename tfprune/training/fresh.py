"""Fresh initial weights for any network, each layer's a function of (seed, layer name) alone."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.copying import clone

if TYPE_CHECKING:
    import tf_keras


def fresh_variables(network: tf_keras.Model, *, seed: int) -> tuple[np.ndarray, ...]:
    """Return newly drawn values of `network.variables`, in their order; the network is untouched.

    Every layer draws by its own initializers, seeded from (seed, layer name, weight); what has
    none (the statistics of an adapted Normalization layer) keeps its values.
    """

    def redraw(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        seeded = {
            key: _seeded(value, seed, f"{layer.name}/{key}")
            for key, value in config.items()
            if key.endswith("_initializer")
        }
        return config | seeded

    fresh = clone(network, redraw)
    for old, new in zip(network.layers, fresh.layers, strict=True):
        if type(old).__name__ == "Normalization":
            new.set_weights(old.get_weights())
    return tuple(variable.numpy() for variable in fresh.variables)


def _seeded(initializer: Any, seed: int, name: str) -> Any:
    """Return an initializer's configuration with a seed of its own, where it takes one."""
    if not isinstance(initializer, dict) or "seed" not in initializer.get("config", {}):
        return initializer
    sequence = np.random.SeedSequence((seed, zlib.crc32(name.encode())))
    drawn = int(sequence.generate_state(1)[0] >> 1)
    return {**initializer, "config": {**initializer["config"], "seed": drawn}}
