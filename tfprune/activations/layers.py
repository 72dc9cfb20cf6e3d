"""Which hidden layers are compared, and where each of them is read.

Compared are the layers that hold a kernel: convolutions, fully-connected and recurrent layers,
attention by its projections. A layer is compared *after its activation*: the graph is followed
through batch normalisation, dropout and residual sums to the first activation function, in
whatever way that is written. A layer behind which no other kernel comes makes the output and is
left out. Where two layers meet in one activation (the branches of a residual sum) it bears the
name of the one with more weights. Of a layer that answers with several arrays (a recurrent one
with its states) the first is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfprune.models.flow import PASSED, NetworkGraph, has_kernel
from tfprune.models.graph import Call, is_model
from tfprune.models.layer_names import called
from tfprune.models.pointwise import is_affine

if TYPE_CHECKING:
    import tf_keras


@dataclass(frozen=True)
class HiddenLayer:
    """A compared layer: its position among them, its name, and the shape of its activations.

    `shape` is (height, width, channels) for a feature map, (steps, features) for a sequence, whose
    steps are the points of a map, and (neurons,) for a vector. `layer` is
    the network's own layer, by name: that of `name`, but for a further use of a shared layer.
    """

    index: int
    name: str
    shape: tuple[int, ...]
    layer: str = ""

    @property
    def width(self) -> int:
        """Number of channels, features or neurons: the last axis."""
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
    if len(call.outputs) > 1:
        return tensor
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
        if not (has_kernel(layer) and graph.kernel_behind(call)):
            continue
        tensor = _after_activation(graph, call)
        if not _is_readable(tensor):
            continue
        known = points.get(id(tensor))
        if known is None or layer.count_params() > known[0].count_params():
            points[id(tensor)] = (layer, tensor)
    named: list[tuple[HiddenLayer, Any]] = []
    taken = {called(layer) for layer in network.layers}
    seen: set[str] = set()
    for layer, tensor in points.values():
        name, use = called(layer), 1
        while name in seen or (use > 1 and name in taken):  # a shared layer is met more than once
            use += 1
            name = f"{called(layer)}.{use}"
        seen.add(name)
        shape = tuple(int(size) for size in tensor.shape[1:])
        named.append((HiddenLayer(len(named), name, shape, called(layer)), tensor))
    return named


def _is_readable(tensor: Any) -> bool:
    """Whether a tensor holds the same number of values for every image, batches on axis 0."""
    shape = tuple(tensor.shape)
    return len(shape) > 1 and shape[0] is None and None not in shape[1:]


_SCALES = ("LayerScale", "Normalization", "PReLU")  # parts of the layer before them, as norms are


def uncompared(network: tf_keras.Model) -> dict[str, tuple[str, ...]]:
    """Return reason -> 'name (Kind)' of the layers that learn something and are not compared.

    Those that make the output are not among them, nor norms and activation functions, behind
    which the layer before them is read.
    """
    graph = NetworkGraph(network)
    compared = {layer.layer for layer in hidden_layers(network)}
    found: dict[str, list[str]] = {}
    for call in graph.calls:
        layer = call.layer
        passed = call.kind in PASSED or call.kind in _SCALES
        if passed or called(layer) in compared or not _learns(layer):
            continue
        if is_model(layer):
            why = "their own layers stand in no graph"
        elif not has_kernel(layer):
            why = "none of their weights is a kernel"
        elif graph.kernel_behind(call) and not _is_readable(_after_activation(graph, call)):
            why = "the size of their output is not the same for all images"
        else:
            continue  # the output, or a branch that meets a larger one before the activation
        found.setdefault(why, []).append(f"{called(layer)} ({call.kind})")
    return {why: tuple(dict.fromkeys(names)) for why, names in found.items()}


def _learns(layer: tf_keras.layers.Layer) -> bool:
    return any(weight.dtype.is_floating for weight in layer.weights)


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
