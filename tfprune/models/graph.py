"""A functional network's graph: which node feeds which, and what lies behind a layer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from tfprune.models.pointwise import Kind, kind_of_step

if TYPE_CHECKING:
    import tf_keras

_ACTIVATIONS = {"Activation", "ELU", "LeakyReLU", "PReLU", "ReLU", "Softmax", "ThresholdedReLU"}
_KERNELS = ("kernel", "pointwise_kernel", "depthwise_kernel")
#: what leaves values as they are in inference, mixes branches, or learns a scale for each channel
PASSED = {
    "Add", "AlphaDropout", "BatchNormalization", "Dropout", "GaussianDropout", "GaussianNoise",
    "GroupNormalization", "LayerNormalization", "SpatialDropout1D", "SpatialDropout2D",
    "SpatialDropout3D", "SyncBatchNormalization",
}  # fmt: skip


def has_kernel(layer: tf_keras.layers.Layer) -> bool:
    """Whether a layer, or the one that it wraps, multiplies its input by a kernel."""
    kind = type(layer).__name__
    if "Dense" in kind or "Conv" in kind or any(hasattr(layer, name) for name in _KERNELS):
        return True
    inner = getattr(layer, "layer", None)
    return inner is not None and has_kernel(inner)


class NetworkGraph:
    """The graph of one functional network, read once.

    `nodes` are the calls of its layers, input side first, without the inputs; a layer that is
    used twice has two.
    """

    def __init__(self, network: tf_keras.Model) -> None:
        self.nodes = tuple(_nodes(network))
        self.outputs = {id(tensor) for tensor in network.outputs}
        self._consumers: dict[int, list[Any]] = {}
        for node in self.nodes:
            for tensor in node.keras_inputs:
                self._consumers.setdefault(id(tensor), []).append(node)
        self._kinds: dict[int, Kind | None] = {}
        self._kernel_behind = self._followed_by_kernels()

    def consumers(self, tensor: Any) -> list[Any]:
        """Return the nodes that take this tensor, once for each time that they take it."""
        return self._consumers.get(id(tensor), [])

    def kernel_behind(self, node: Any) -> bool:
        """Whether another kernel lies on a way from this node to the output."""
        return self._kernel_behind[id(node)]

    def _followed_by_kernels(self) -> dict[int, bool]:
        found: dict[int, bool] = {}
        for node in reversed(self.nodes):
            followers = [c for tensor in outputs_of(node) for c in self.consumers(tensor)]
            found[id(node)] = any(has_kernel(c.layer) or found[id(c)] for c in followers)
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
        for node in self.nodes:
            sources = [id(source) for source in node.keras_inputs]
            if not sources or any(source not in region for source in sources):
                continue
            kind = self._kind(node)
            if kind is None:
                continue
            made = node.outputs
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
            not _is_one(node.outputs) or id(node.outputs) not in region
            for node in self._consumers.get(tensor, [])
        )

    def _kind(self, node: Any) -> Kind | None:
        if id(node) not in self._kinds:
            self._kinds[id(node)] = _kind(node)
        return self._kinds[id(node)]


def outputs_of(node: Any) -> list[Any]:
    """Return the tensors that a node makes."""
    return list(node.outputs) if isinstance(node.outputs, (list, tuple)) else [node.outputs]


def _nodes(network: tf_keras.Model) -> Iterator[Any]:
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            if not node.is_input:
                yield node


def _is_one(outputs: Any) -> bool:
    return hasattr(outputs, "shape")


def _kind(node: Any) -> Kind | None:
    """Return what a node does to values of one shape; None where it is no matter of each alone."""
    name = type(node.layer).__name__
    if not _is_one(node.outputs) or name in PASSED - {"Add"} or has_kernel(node.layer):
        return None
    shape = tuple(node.outputs.shape)
    if any(tuple(source.shape) != shape for source in node.keras_inputs):
        return None
    kind = kind_of_step(node)
    return "curved" if kind is None and name in _ACTIVATIONS else kind


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
