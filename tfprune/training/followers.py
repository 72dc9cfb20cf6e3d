"""What follows a layer in a network's graph: its batch normalisation, its activation."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tfprune.models.graph import NetworkGraph
from tfprune.models.pointwise import is_affine

if TYPE_CHECKING:
    import tf_keras

_ACTIVATIONS = {"Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "ThresholdedReLU"}
_ACTIVATION_OPS = {"relu", "relu6", "gelu", "swish", "silu", "sigmoid", "tanh", "elu", "selu"}


def is_activation(layer: tf_keras.layers.Layer) -> bool:
    """Whether a layer only applies an activation function, value by value."""
    if type(layer).__name__ == "TFOpLambda":
        return str(getattr(layer, "symbol", "")).rpartition(".")[2] in _ACTIVATION_OPS
    return type(layer).__name__ in _ACTIVATIONS


def is_linear(layer: tf_keras.layers.Layer) -> bool:
    """Whether a layer applies no activation function of its own."""
    activation = getattr(layer, "activation", None)
    return activation is None or is_affine(activation)


class Followers:
    """The graph of one functional network, read once."""

    def __init__(self, network: tf_keras.Model) -> None:
        self._graph = NetworkGraph(network)
        self._outputs: dict[str, Any] = {
            node.layer.name: node.outputs for node in self._graph.nodes
        }

    def _only(self, tensor: Any) -> Any:
        """Return the one node that takes this tensor, None where there are several or none."""
        nodes = self._graph.consumers(tensor)
        return nodes[0] if len(nodes) == 1 else None

    def norm(self, name: str) -> tf_keras.layers.BatchNormalization | None:
        """Return the batch normalisation that alone takes the layer's output, if there is one."""
        if name not in self._outputs:
            return None  # inside a nested model
        node = self._only(self._outputs[name])
        return node.layer if node is not None and _is_norm(node.layer) else None

    def activated(self, layer: tf_keras.layers.Layer) -> Any:
        """Return the tensor of the layer's own channels after batch norm and activation.

        The graph is followed no further than a residual sum, where channels of several layers
        mix. None for a layer inside a nested model.
        """
        tensor = self._outputs.get(layer.name)
        if tensor is None or not is_linear(layer):
            return tensor
        node = self._only(tensor)
        if node is not None and _is_norm(node.layer):
            tensor = node.outputs
        behind, curved = self._graph.activated(tensor)
        return behind if curved else tensor


def _is_norm(layer: tf_keras.layers.Layer) -> bool:
    return type(layer).__name__ in ("BatchNormalization", "SyncBatchNormalization")


def norms_after(
    network: tf_keras.Model, names: Iterable[str]
) -> dict[str, tf_keras.layers.BatchNormalization]:
    """Return layer name -> the batch normalisation that follows it, where one does."""
    followers = Followers(network)
    found = {name: followers.norm(name) for name in names}
    return {name: layer for name, layer in found.items() if layer is not None}
