"""The data-free objective of SynFlow (Tanaka et al. 2020), differentiated with TensorFlow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.copying import copied_layer
from tfprune.models.flow import is_activation
from tfprune.models.graph import leaf_layers
from tfprune.models.layer_names import called
from tfprune.pruning.kernels import Masks
from tfprune.pruning.strategy import MaskHook
from tfprune.training.prunable import kernel
from tfprune.training.state import lent_network

if TYPE_CHECKING:
    import tf_keras

    from tfprune.training.examined import Examined
    from tfprune.training.state import TrainingState


def synflow(trainer: Examined, *, state: TrainingState | None = None) -> MaskHook:
    """Return the hook masks -> layer -> w * dR/dw of the synaptic flow R, float64, at least 0.

    R is the sum of the outputs for one image of ones (Tanaka et al. 2020, eq. 2), in a network
    without activation functions in which every variable is replaced by its absolute value:
    kernels, biases, and of batch norm the scale, the shift and the moving statistics, which are
    used as in inference. That is what the paper's code does; it also keeps the activation
    functions, which only differs where a signal is negative (for ReLU networks never, unless
    trained batch-norm means are subtracted) and where a function is not homogeneous. At
    initialisation batch norm is the identity up to its epsilon. Computed in float64: signals grow
    by about the root of the fan-in at every layer.
    """
    import tensorflow as tf

    network = trainer.prunable.network
    twin = _linear_twin(network)
    pairs = list(zip(_by_layer(network), _by_layer(twin), strict=True))
    names = list(trainer.prunable.kernels())
    layers = {called(layer): layer for layer in leaf_layers(twin)}
    kernels = [kernel(layers[name]) for name in names]
    ones = tf.ones((1, *network.input_shape[1:]), tf.float64)

    @tf.function(jit_compile=False)
    def flow() -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(kernels)
            total = tf.reduce_sum(twin(ones, training=False))
        slopes = tape.gradient(total, kernels, unconnected_gradients="zero")
        return [tf.abs(k * slope) for k, slope in zip(kernels, slopes, strict=True)]

    def hook(masks: Masks) -> dict[str, np.ndarray]:
        variables = None if state is None else state.variables
        with lent_network(trainer.prunable, variables=variables, masks=masks):
            for ours, theirs in pairs:
                theirs.assign(np.abs(ours.numpy().astype(np.float64)))
        return {name: score.numpy() for name, score in zip(names, flow(), strict=True)}

    return hook


def _by_layer(model: tf_keras.Model) -> list[Any]:
    """Return the variables of all layers that are not activation functions."""
    kept = [layer for layer in leaf_layers(model) if not is_activation(layer)]
    return [v for layer in kept for v in layer.weights if v.dtype.is_floating]


def _linear_twin(model: tf_keras.Model) -> tf_keras.Model:
    """Return the network in float64 with the identity in place of every activation function."""
    import tf_keras

    def linear(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if isinstance(layer, tf_keras.Model):
            return _linear_twin(layer)
        if is_activation(layer):
            return tf_keras.layers.Activation("linear", name=layer.name, dtype="float64")
        return copied_layer(layer, _without_activation)

    return tf_keras.models.clone_model(model, clone_function=linear)


def _without_activation(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
    """Return a layer's configuration in float64 and without its activation function."""
    linear = {"dtype": "float64", "activation": "linear"}
    return config | {key: value for key, value in linear.items() if key in config}
