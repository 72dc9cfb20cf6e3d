"""A network's graph as channels that pass from layer to layer, for effective sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.models.copying import unfolded
from tfprune.models.graph import Call, calls
from tfprune.pruning.paths import Node

if TYPE_CHECKING:
    import tf_keras

_SUMS = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}


def channel_graph(network: tf_keras.Model, prunable: set[str]) -> tuple[Node, ...]:
    """Return the network as nodes for `tfprune.pruning.paths.effective_masks`.

    `prunable` are the layers with a mask; they may lie in nested models. A layer that keeps the
    number of channels passes each by itself (activation, pooling, normalisation), a depthwise
    convolution makes several of each, any other unpruned one connects all with all. A product of
    two branches counts as a sum: what only one of them carries still counts as reaching the
    output, so effective sparsity is then a lower bound.
    """
    flat = unfolded(network)
    tensors = {new: old for new, old in flat.names.items() if old in prunable}
    found: list[Node] = []
    producer: dict[int, str] = {}
    for call in calls(flat.model):
        if call.is_input:
            name = f"{call.layer.name}/{len(found)}"
            found.append(Node(name, "input", channels=int(call.output.shape[-1])))
        else:
            sources = tuple(producer[key] for key in call.input_ids)
            name = call.layer.name
            if any(known.name == name for known in found):  # a layer used more than once
                name = f"{name}/{len(found)}"
            found += _nodes(name, call, sources, tensors.get(call.layer.name))
        producer |= dict.fromkeys(call.output_ids, found[-1].name)
    return tuple(found)


def _nodes(name: str, call: Call, sources: tuple[str, ...], tensor: str | None) -> tuple[Node, ...]:
    """Return the nodes of one layer call; `tensor` is the layer's kernel where it is pruned."""
    if tensor is None:
        return (_unpruned(name, call, sources),)
    if not call.kind.startswith("Separable"):
        return (Node(name, "kernel", sources, tensor=tensor),)
    spread = Node(
        f"{name}/depthwise", "repeat", sources, positions=int(call.layer.depth_multiplier)
    )
    return (spread, Node(name, "kernel", (spread.name,), tensor=tensor))


def _unpruned(name: str, call: Call, sources: tuple[str, ...]) -> Node:
    layer, kind = call.layer, call.kind
    before = [int(tensor.shape[-1]) for tensor in call.inputs]
    after = int(call.output.shape[-1])
    if kind in _SUMS:
        return Node(name, "add", sources)
    if kind == "Concatenate" and sum(before) == after:
        return Node(name, "concat", sources)
    if len(before) == 1 and kind in ("Flatten", "Reshape") and after % before[0] == 0:
        return Node(name, "flatten", sources, positions=after // before[0])
    if kind.startswith("Depthwise"):
        return Node(name, "repeat", sources, positions=after // before[0])
    if len(before) == 1 and before[0] == after and not _mixes(layer):
        return Node(name, "same", sources)
    return Node(name, "full", sources, channels=after)


def _mixes(layer: tf_keras.layers.Layer) -> bool:
    """Whether a layer that keeps the number of channels mixes them all the same."""
    return any(hasattr(layer, name) for name in ("kernel", "pointwise_kernel", "layers"))
