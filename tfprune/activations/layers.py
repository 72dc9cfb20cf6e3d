"""Which hidden layers of a network are compared, and at which tensor of its graph.

A layer is compared *after its activation*: from a convolution or fully-connected layer the
graph is followed through batch normalisation, dropout and residual sums to the first
activation function. What reaches the network's output that way is not hidden and left out.
Where two layers meet in one activation (the branches of a residual sum) it bears the name of
the one with more weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import tf_keras

_PASSED = {
    "Add", "AlphaDropout", "BatchNormalization", "Dropout", "GaussianDropout", "GaussianNoise",
    "GroupNormalization", "LayerNormalization", "SpatialDropout2D", "SyncBatchNormalization",
}  # fmt: skip
_ACTIVATIONS = {"Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"}
_ACTIVATION_OPS = ("relu", "relu6", "gelu", "swish", "silu", "sigmoid", "tanh", "elu", "selu")


@dataclass(frozen=True)
class HiddenLayer:
    """A compared layer: its position among them, its name, and the shape of its activations.

    `shape` is (height, width, channels) for a feature map and (neurons,) for a vector.
    """

    index: int
    name: str
    shape: tuple[int, ...]

    @property
    def width(self) -> int:
        """Number of channels or neurons."""
        return self.shape[-1]

    @property
    def n_pixels(self) -> int:
        """Data points that one image gives where every pixel is one; 1 for a vector."""
        n_pixels = 1
        for size in self.shape[:-1]:
            n_pixels *= size
        return n_pixels


def _has_kernel(layer: tf_keras.layers.Layer) -> bool:
    kind = type(layer).__name__
    return "Dense" in kind or "Conv" in kind


def _is_linear(layer: tf_keras.layers.Layer) -> bool:
    activation = getattr(layer, "activation", None)
    return activation is None or getattr(activation, "__name__", "") == "linear"


def _consumers(network: tf_keras.Model) -> dict[int, list[Any]]:
    """Return id of tensor -> nodes of this network's graph that take it as input."""
    found: dict[int, list[Any]] = {}
    for nodes in network._nodes_by_depth.values():
        for node in nodes:
            if not node.is_input:
                for tensor in node.keras_inputs:
                    found.setdefault(id(tensor), []).append(node)
    return found


def _is_activation(layer: tf_keras.layers.Layer) -> bool:
    if type(layer).__name__ == "TFOpLambda":
        return str(getattr(layer, "symbol", "")).rpartition(".")[2] in _ACTIVATION_OPS
    return type(layer).__name__ in _ACTIVATIONS


def _after_activation(layer: Any, tensor: Any, consumers: dict[int, list[Any]]) -> Any:
    """Return the tensor that holds the layer's values after its activation."""
    if not _is_linear(layer):
        return tensor
    while True:
        nodes = consumers.get(id(tensor), [])
        if len(nodes) != 1 or not hasattr(nodes[0].outputs, "shape"):
            return tensor
        follower = nodes[0].layer
        if _is_activation(follower):
            return nodes[0].outputs
        if type(follower).__name__ not in _PASSED:
            return tensor
        tensor = nodes[0].outputs


def hidden_tensors(network: tf_keras.Model) -> list[tuple[HiddenLayer, Any]]:
    """Return the compared layers of a network, input side first, each with its graph tensor."""
    consumers = _consumers(network)
    outputs = {id(tensor) for tensor in network.outputs}
    points: dict[int, tuple[Any, Any]] = {}
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            layer = node.layer
            if node.is_input or not _has_kernel(layer) or not hasattr(node.outputs, "shape"):
                continue
            tensor = _after_activation(layer, node.outputs, consumers)
            if id(tensor) in outputs:
                continue
            known = points.get(id(tensor))
            if known is None or layer.count_params() > known[0].count_params():
                points[id(tensor)] = (layer, tensor)
    named: list[tuple[HiddenLayer, Any]] = []
    seen: dict[str, int] = {}
    for layer, tensor in points.values():
        seen[layer.name] = seen.get(layer.name, 0) + 1  # a shared layer is met more than once
        name = layer.name if seen[layer.name] == 1 else f"{layer.name}.{seen[layer.name]}"
        shape = tuple(int(size) for size in tensor.shape[1:])
        named.append((HiddenLayer(len(named), name, shape), tensor))
    return named


def hidden_layers(network: tf_keras.Model) -> tuple[HiddenLayer, ...]:
    """Return the layers of a network that are compared, input side first."""
    return tuple(layer for layer, _ in hidden_tensors(network))
