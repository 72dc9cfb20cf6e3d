"""Which hidden layers are compared, and where each of them is read.

A layer is compared *after its activation*: from a convolution or fully-connected layer the
graph is followed through batch normalisation, dropout and residual sums to the first
activation function, in whatever way that is written. A layer behind which no other kernel comes
makes the output and is left out. Where two layers meet in one activation (the branches of a
residual sum) it bears the name of the one with more weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfprune.models.flow import PASSED, NetworkGraph, has_kernel
from tfprune.models.graph import Call
from tfprune.models.pointwise import is_affine

if TYPE_CHECKING:
    import tf_keras


@dataclass(frozen=True)
class HiddenLayer:
    """A compared layer: its position among them, its name, and the shape of its activations.

    `shape` is (height, width, channels) for a feature map and (neurons,) for a vector. `layer` is
    the network's own layer, by name: that of `name`, but for a further use of a shared layer.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    layer: str = ""

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


def _after_activation(graph: NetworkGraph, call: Call) -> Any:
    """Return the tensor that holds a layer's values after its activation."""
    own = getattr(call.layer, "activation", None)
    curved = own is not None and not is_affine(own)
    tensor = call.output
    while True:
        tensor, bent = graph.activated(tensor)
        if curved or bent:
            return tensor
        follower = graph.only_consumer(tensor)
        if follower is None or follower.kind not in PASSED:
            return tensor
        tensor = follower.output


def hidden_tensors(network: tf_keras.Model) -> list[tuple[HiddenLayer, Any]]:
    """Return the compared layers of a network, input side first, each with its graph tensor."""
    graph = NetworkGraph(network)
    points: dict[int, tuple[Any, Any]] = {}
    for call in graph.calls:
        layer = call.layer
        if not (has_kernel(layer) and call.makes_one and graph.kernel_behind(call)):
            continue
        tensor = _after_activation(graph, call)
        known = points.get(id(tensor))
        if known is None or layer.count_params() > known[0].count_params():
            points[id(tensor)] = (layer, tensor)
    named: list[tuple[HiddenLayer, Any]] = []
    taken = {layer.name for layer in network.layers}
    seen: set[str] = set()
    for layer, tensor in points.values():
        name, use = layer.name, 1
        while name in seen or (use > 1 and name in taken):  # a shared layer is met more than once
            use += 1
            name = f"{layer.name}.{use}"
        seen.add(name)
        shape = tuple(int(size) for size in tensor.shape[1:])
        named.append((HiddenLayer(len(named), name, shape, layer.name), tensor))
    return named


def hidden_layers(network: tf_keras.Model) -> tuple[HiddenLayer, ...]:
    """Return the layers of a network that are compared, input side first."""
    return tuple(layer for layer, _ in hidden_tensors(network))


def same_places(
    a: Sequence[HiddenLayer], b: Sequence[HiddenLayer]
) -> tuple[tuple[HiddenLayer, HiddenLayer], ...]:
    """Return the layers of two networks that stand at the same place in both.

    Networks whose layers have the same shapes one by one are taken for the same architecture, and
    paired in order, whatever the layers are called (Keras numbers them on from one network to the
    next). Layers of others are paired by their names.
    """
    if [layer.shape for layer in a] == [layer.shape for layer in b]:
        return tuple(zip(a, b, strict=True))
    named = {layer.name: layer for layer in b}
    return tuple((layer, named[layer.name]) for layer in a if layer.name in named)
