"""The activations of hidden layers, batch by batch, through one sub-model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.activations.layers import HiddenLayer, hidden_tensors
from tfprune.errors import unknown_name
from tfprune.models.layer_names import called

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data.feed import Prepares


class ActivationReader:
    """Reads the hidden layers of one network in inference mode; traced once, used for all levels.

    The sub-model shares the network's variables, so it always shows their present values.
    Masks must have been applied before: a plain network multiplies nothing.
    """

    def __init__(
        self,
        network: tf_keras.Model,
        *,
        normalization: Prepares,
        layers: tuple[str, ...] | None = None,
    ) -> None:
        found = hidden_tensors(network)
        known = [layer.name for layer, _ in found]
        for name in layers or ():
            if name not in known:
                raise unknown_name(f"hidden layer of model {called(network)!r}", name, known)
        kept = [item for item in found if layers is None or item[0].name in layers]
        self.layers: tuple[HiddenLayer, ...] = tuple(layer for layer, _ in kept)
        self._inputs = network.inputs
        self._tensors = {layer.name: tensor for layer, tensor in kept}
        self._normalization = normalization
        self._reads: dict[tuple[str, ...], Callable[[Any], list[Any]]] = {}

    def _read(self, names: tuple[str, ...]) -> Callable[[Any], list[Any]]:
        """Return the compiled function from images to the activations of these layers."""
        import tensorflow as tf

        if names not in self._reads:
            read = tf.function(self.in_graph(names), jit_compile=False, reduce_retracing=True)
            # every reader has functions of its own, which TensorFlow takes for one traced anew
            read._omit_frequent_tracing_warning = True
            self._reads[names] = read
        return self._reads[names]

    def in_graph(self, names: Sequence[str]) -> Callable[[Any], list[Any]]:
        """Return the function from images to the activations of these layers, not compiled."""
        import tensorflow as tf
        import tf_keras

        model = tf_keras.Model(self._inputs, [self._tensors[name] for name in names])
        normalize = self._normalization.apply

        def read(images: Any) -> list[Any]:
            return list(tf.nest.flatten(model(normalize(images), training=False)))

        return read

    def batches(
        self,
        images: np.ndarray,
        *,
        n_images: Mapping[str, int] | None = None,
        batch_size: int = 100,
    ) -> Iterator[Mapping[str, np.ndarray]]:
        """Yield layer name -> activations (batch, *layer.shape), rows in the order of `images`.

        `n_images` says of how many of the first images a layer is read, all where it is silent;
        a layer that is done is missing from later batches.
        """
        import tensorflow as tf

        wanted = {name: len(images) for name in self._tensors}
        wanted |= {name: min(n, len(images)) for name, n in (n_images or {}).items()}
        for start in range(0, max(wanted.values()), batch_size):
            names = tuple(name for name, n in wanted.items() if n > start)
            outputs = self._read(names)(tf.constant(images[start : start + batch_size]))
            yield {
                name: output.numpy()[: wanted[name] - start]
                for name, output in zip(names, outputs, strict=True)
            }


def collect_activations(
    network: tf_keras.Model,
    images: np.ndarray,
    *,
    normalization: Prepares,
    layers: tuple[str, ...] | None = None,
    batch_size: int = 100,
) -> dict[str, np.ndarray]:
    """Return layer name -> activations (n_images, *layer.shape) in inference mode, all in memory.

    Raises InputError for a layer the network doesn't have, naming the nearest.
    """
    reader = ActivationReader(network, normalization=normalization, layers=layers)
    parts = list(reader.batches(images, batch_size=batch_size))
    return {layer.name: np.concatenate([part[layer.name] for part in parts])
            for layer in reader.layers}  # fmt: skip
