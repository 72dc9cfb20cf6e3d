"""Which call of a network feeds which, and what follows a layer: norms, activations, kernels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from tfprune.models.graph import Call, calls_to_outputs, is_model
from tfprune.models.layer_names import called
from tfprune.models.pointwise import Kind, is_affine, kind_of_step
from tfprune.models.weights import is_kernel

if TYPE_CHECKING:
    import tf_keras

_ACTIVATIONS = {"Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "ThresholdedReLU"}
_ACTIVATION_OPS = {"relu", "relu6", "gelu", "swish", "silu", "sigmoid", "tanh", "elu", "selu"}
_KERNELS = ("kernel", "pointwise_kernel", "depthwise_kernel")
#: what leaves values as they are in inference, mixes branches, or learns a scale for each channel
PASSED = {
    "Add", "AlphaDropout", "BatchNormalization", "Dropout", "GaussianDropout", "GaussianNoise",
    "GroupNormalization", "LayerNormalization", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "SyncBatchNormalization",
}  # fmt: skip


def has_kernel(layer: tf_keras.layers.Layer) -> bool:
    """Whether a layer, or one that it wraps or consists of, multiplies its input by a kernel.

    Recurrent layers and attention do, by the kernels of their cells and projections.
    """
    kind = type(layer).__name__
    if "Dense" in kind or "Conv" in kind or any(hasattr(layer, name) for name in _KERNELS):
        return True
    inner = getattr(layer, "layer", None)
    if inner is not None and has_kernel(inner):
        return True
    return not is_model(layer) and any(is_kernel(weight) for weight in layer.weights)


class NetworkGraph:
    """The graph of one functional network, read once.

    `calls` are those of its layers, input side first, without the inputs and without what only a
    loss reads; a layer that is used twice has two.
    """

    def __init__(self, network: tf_keras.Model) -> None:
        self.calls = tuple(call for call in calls_to_outputs(network) if not call.is_input)
        self.outputs = {id(tensor) for tensor in network.outputs}
        self._consumers: dict[int, list[Call]] = {}
        for call in self.calls:
            for tensor in call.inputs:
                self._consumers.setdefault(id(tensor), []).append(call)
        self._kinds: dict[int, Kind | None] = {}
        self._kernel_behind = self._followed_by_kernels()

    def consumers(self, tensor: Any) -> list[Call]:
        """Return the calls that take this tensor, once for each time that they take it."""
        return self._consumers.get(id(tensor), [])

    def only_consumer(self, tensor: Any) -> Call | None:
        """Return the one call that takes this tensor, None where there are several or none."""
        takers = self.consumers(tensor)
        return takers[0] if len(takers) == 1 else None

    def kernel_behind(self, call: Call) -> bool:
        """Whether another kernel lies on a way from this call to the output."""
        return self._kernel_behind[id(call)]

    def _followed_by_kernels(self) -> dict[int, bool]:
        found: dict[int, bool] = {}
        for call in reversed(self.calls):
            followers = [c for tensor in call.outputs for c in self.consumers(tensor)]
            found[id(call)] = any(has_kernel(c.layer) or found[id(c)] for c in followers)
        return found

    def activated(self, tensor: Any) -> tuple[Any, bool]:
        """Return the tensor behind all that is computed value by value from this one alone.

        And whether anything on the way is curved: an activation function, however it is written
        (a layer, one operation, several that part and meet again). The tensor itself comes back
        where nothing of the kind follows, or where others read it too.
        """
        region: dict[int, list[int]] = {id(tensor): []}  # tensor -> those it is computed from
        tensors = {id(tensor): tensor}
        curved: set[int] = set()
        for call in self.calls:
            sources = call.input_ids
            if not sources or any(source not in region for source in sources):
                continue
            kind = self._kind(call)
            if kind is None:
                continue
            made = call.output
            region[id(made)], tensors[id(made)] = sources, made
            if kind == "curved":
                curved.add(id(made))
        last = self._meeting_point(region)
        return tensors[last], any(one in curved for one in _between(region, last))

    def _meeting_point(self, region: dict[int, list[int]]) -> int:
        """Return the last tensor of a region that every way out of it passes."""
        leaving = [one for one in region if self._leaves(one, region)]
        start = next(iter(region))
        for candidate in reversed(list(region)):
            if all(not _reaches(region, way, start, around=candidate) for way in leaving):
                return candidate
        return start

    def _leaves(self, tensor: int, region: dict[int, list[int]]) -> bool:
        if tensor in self.outputs:
            return True
        return any(
            not call.makes_one or id(call.output) not in region
            for call in self._consumers.get(tensor, [])
        )

    def _kind(self, call: Call) -> Kind | None:
        if id(call) not in self._kinds:
            self._kinds[id(call)] = _kind(call)
        return self._kinds[id(call)]


def _kind(call: Call) -> Kind | None:
    """Return what a call does to values of one shape; None where it is no matter of each alone."""
    if not call.makes_one or call.kind in PASSED - {"Add"} or has_kernel(call.layer):
        return None
    shape = tuple(call.output.shape)
    if any(tuple(source.shape) != shape for source in call.inputs):
        return None
    kind = kind_of_step(call)
    return "curved" if kind is None and call.kind in _ACTIVATIONS | {"Softmax"} else kind


def _reaches(region: dict[int, list[int]], tensor: int, start: int, *, around: int) -> bool:
    """Whether a tensor is computed from `start` on a way that doesn't pass `around`."""
    if tensor == around:
        return False
    if tensor == start:
        return True
    return any(_reaches(region, source, start, around=around) for source in region[tensor])


def _between(region: dict[int, list[int]], last: int) -> set[int]:
    """Return the tensors that `last` is computed from, itself included, without the first."""
    found: set[int] = set()
    waiting = [last]
    while waiting:
        tensor = waiting.pop()
        if tensor not in found and region[tensor]:
            found.add(tensor)
            waiting += region[tensor]
    return found


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
    """What follows the layers of one functional network; layers of models inside have nothing."""

    def __init__(self, network: tf_keras.Model) -> None:
        self._graph = NetworkGraph(network)
        self._outputs = {called(call.layer): call.output for call in self._graph.calls}

    def norm(self, name: str) -> tf_keras.layers.BatchNormalization | None:
        """Return the batch normalisation that alone takes the layer's output, if there is one."""
        call = self._graph.only_consumer(self._outputs.get(name))
        return call.layer if call is not None and _is_norm(call) else None

    def activated(self, layer: tf_keras.layers.Layer) -> Any:
        """Return the tensor of the layer's own channels after batch norm and activation.

        The graph is followed no further than a residual sum, where channels of several layers
        mix. None for a layer inside a nested model.
        """
        tensor = self._outputs.get(called(layer))
        if tensor is None or not is_linear(layer):
            return tensor
        call = self._graph.only_consumer(tensor)
        if call is not None and _is_norm(call):
            tensor = call.output
        behind, curved = self._graph.activated(tensor)
        return behind if curved else tensor


def _is_norm(call: Call) -> bool:
    return call.kind in ("BatchNormalization", "SyncBatchNormalization")


def norms_after(
    network: tf_keras.Model, names: Iterable[str]
) -> dict[str, tf_keras.layers.BatchNormalization]:
    """Return layer name -> the batch normalisation that follows it, where one does."""
    followers = Followers(network)
    found = {name: followers.norm(name) for name in names}
    return {name: layer for name, layer in found.items() if layer is not None}
