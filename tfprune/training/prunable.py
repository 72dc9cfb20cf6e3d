"""A Keras network with a mask on every prunable kernel. The one module that knows tfmot.

tfmot's wrappers hold the masks; everything that decides about masks is ours. The wrappers
get a schedule that never fires, so tfmot only multiplies each kernel by its mask in every
forward pass. One trained object serves all levels: masks and weights are assigned, nothing
is rebuilt or traced again.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.copying import plain_copy
from tfprune.models.flow import NetworkGraph
from tfprune.models.graph import leaf_layers
from tfprune.models.layer_names import called
from tfprune.models.weights import is_frozen, is_kernel
from tfprune.pruning.kernels import PrunableTensor
from tfprune.training.precision import castable_copy, check_precision

if TYPE_CHECKING:
    import tf_keras

CONVOLUTIONS = ("Conv1D", "Conv2D", "Conv2DTranspose", "SeparableConv1D", "SeparableConv2D")
_NEVER = 2**62


def is_prunable(layer: tf_keras.layers.Layer) -> bool:
    """Whether tfprune prunes this layer: a fully-connected or convolutional layer of Keras itself.

    tfmot knows layers by their exact class, so a subclass can't be wrapped; neither can a
    depthwise convolution, for which it lists no prunable weight.
    """
    kind = type(layer)
    ours = kind.__name__ in (*CONVOLUTIONS, "Dense")
    return ours and kind.__module__.startswith("tf_keras.")


def prunable_layers(
    model: tf_keras.Model, *, also_frozen: bool = False
) -> list[tf_keras.layers.Layer]:
    """Return the layers that tfprune prunes, by their place in the graph, input side first.

    Frozen ones (`trainable=False`) are none of them: no training could make up for what they lose.
    also_frozen: return them too.
    """
    layers = [layer for layer in leaf_layers(model) if is_prunable(layer)]
    return [layer for layer in layers if also_frozen or not is_frozen(layer)]


def left_out(model: tf_keras.Model) -> tuple[str, ...]:
    """Return 'name (Kind)' of the layers that are trained and hold kernels, but can't be pruned."""
    return tuple(
        f"{called(layer)} ({type(layer).__name__})"
        for layer in leaf_layers(model)
        if not is_prunable(layer)
        and not is_frozen(layer)
        and any(is_kernel(weight) for weight in layer.weights)
    )


def kernel(layer: tf_keras.layers.Layer) -> tf_keras.backend.Variable:
    """Return the variable of a prunable layer that pruning acts on."""
    return layer.pointwise_kernel if hasattr(layer, "pointwise_kernel") else layer.kernel


def _kind(layer: tf_keras.layers.Layer) -> str:
    """Return the kind of a layer's prunable tensor, which tells its filters from its inputs."""
    name = type(layer).__name__
    if name == "Dense":
        return "dense"
    return "transposed" if name.endswith("Transpose") else "conv"


@cache
def _wrapper_class() -> type:
    """Return tfmot's wrapper, reduced to what it does when no update of the masks is due."""
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_wrapper

    class PruneLowMagnitude(pruning_wrapper.PruneLowMagnitude):
        """Multiplies the kernel by its mask, then calls the layer.

        Left out: counting steps, checking that they were counted, and a sort of all weights behind
        a condition that a schedule never fulfils. Each layer would trace all three.
        """

        def call(self, inputs: Any, training: Any = None, **kwargs: Any) -> Any:
            weight, mask, _ = self.pruning_vars[0]
            # under mixed precision a variable reads itself in 16 bits; assign what has all 32
            weight = weight._variable if hasattr(weight, "true_dtype") else weight
            self.add_update(weight.assign(weight * mask, read_value=False))
            if self.layer.activity_regularizer is None:
                # none of the prunable layers asks for `training`
                return self.layer.call(inputs, **kwargs)
            return self.layer(inputs, **kwargs)  # which adds its penalty to the losses

    return PruneLowMagnitude


class PrunableNetwork:
    """A network, its masked twin that is trained, and the masks; both share all variables.

    `network` is the plain model as it was given (with a precision of 16 bits: a copy of it, in
    float32 like the given one): evaluate it, take its activations.
    `trainable` is the same graph with the prunable layers wrapped: train only this one.
    After training steps the kernels hold unmasked values until `apply_masks` is called.
    """

    def __init__(self, network: tf_keras.Model, *, precision: str = "float32") -> None:
        self.precision = check_precision(precision)
        if precision != "float32":
            network = castable_copy(network)
        layers = prunable_layers(network)
        if not layers:
            kinds = sorted({type(layer).__name__ for layer in leaf_layers(network)})
            frozen = prunable_layers(network, also_frozen=True)
            why = ", those that there are with trainable=False" if frozen else ""
            raise InputError(
                f"model {called(network)!r} has nothing to prune: expected Dense or Conv layers of "
                f"Keras, found {', '.join(kinds)}{why}."
            )
        names = [called(layer) for layer in layers]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise InputError(
                f"model {called(network)!r} has several prunable layers named {twice[0]!r} in "
                "nested models; give every layer a name of its own."
            )
        self.network = network
        self._layers = {called(layer): layer for layer in layers}
        self._wrappers: dict[str, tf_keras.layers.Layer] = {}
        self.trainable = self._wrap(network)
        outputs = output_layers(network)
        self.tensors = tuple(
            PrunableTensor(
                name=called(layer),
                kind=_kind(layer),
                shape=tuple(int(size) for size in kernel(layer).shape),
                is_output=called(layer) in outputs,
            )
            for layer in layers
        )

    def _wrap(self, model: tf_keras.Model) -> tf_keras.Model:
        import tf_keras
        from tensorflow_model_optimization.sparsity.keras import ConstantSparsity

        def lay_on(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
            if isinstance(layer, tf_keras.Model):
                return self._wrap(layer)
            if called(layer) not in self._layers:
                return layer  # the same object: both graphs share its variables
            never = ConstantSparsity(0.0, begin_step=_NEVER)
            wrapper = _wrapper_class()(layer, pruning_schedule=never)
            self._wrappers[called(layer)] = wrapper
            return wrapper

        return tf_keras.models.clone_model(model, clone_function=lay_on)

    def layers(self) -> dict[str, tf_keras.layers.Layer]:
        """Return the plain layer that holds every prunable kernel, by its name."""
        return dict(self._layers)

    def kernels(self) -> dict[str, tf_keras.backend.Variable]:
        """Return the variable of every prunable kernel by layer name."""
        return {name: kernel(layer) for name, layer in self._layers.items()}

    def weights(self) -> dict[str, np.ndarray]:
        """Return a copy of every prunable kernel by layer name, as it stands."""
        return {name: variable.numpy() for name, variable in self.kernels().items()}

    def masks(self) -> dict[str, np.ndarray]:
        """Return the masks by layer name, boolean, True = kept."""
        return {
            name: wrapper.pruning_vars[0][1].numpy() != 0
            for name, wrapper in self._wrappers.items()
        }

    def set_masks(self, masks: Mapping[str, np.ndarray]) -> None:
        """Assign masks (True = kept) to all prunable layers and apply them."""
        for name, wrapper in self._wrappers.items():
            variable = wrapper.pruning_vars[0][1]
            variable.assign(masks[name].astype(variable.dtype.as_numpy_dtype))
        self.apply_masks()

    def apply_masks(self) -> None:
        """Set every pruned weight to 0 (also those that an optimizer step has moved)."""
        for wrapper in self._wrappers.values():
            weight, mask, _ = wrapper.pruning_vars[0]
            weight.assign(weight * mask)

    def stripped(self) -> tf_keras.Model:
        """Return a plain model of its own with the masked weights: no wrappers, nothing shared."""
        self.apply_masks()
        return plain_copy(self.network)


def output_layers(network: tf_keras.Model) -> frozenset[str]:
    """Return the names of the prunable layers that reach the output without another kernel.

    Where the one that does is frozen there are none.
    """
    graph = NetworkGraph(network)
    found = {
        called(call.layer)
        for call in graph.calls
        if is_prunable(call.layer) and not graph.kernel_behind(call)
    }
    nested = any(hasattr(layer, "layers") for layer in network.layers)
    if nested or not found:  # found: what comes last may be of a kind that is not pruned
        found = {called(layer) for layer in prunable_layers(network, also_frozen=True)[-1:]}
    return frozenset(found & {called(layer) for layer in prunable_layers(network)})
