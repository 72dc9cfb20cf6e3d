"""A network's graph as channels that pass from layer to layer, for effective sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError
from tfprune.models.copying import unfolded
from tfprune.models.flow import has_kernel
from tfprune.models.graph import Call, calls_to_outputs, maker
from tfprune.models.layer_names import called
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
    output, so effective sparsity is then a lower bound. What only a loss reads is no way to the
    output.
    """
    flat = unfolded(network)
    tensors = {new: old for new, old in flat.names.items() if old in prunable}
    found: list[Node] = []
    producer: dict[int, str] = {}
    for call in calls_to_outputs(flat.model):
        if call.is_input:
            name = f"{call.layer.name}/{len(found)}"
            found.append(Node(name, "input", channels=_channels(call.output)))
        else:
            sources = tuple(producer[key] for key in call.input_ids)
            name = call.layer.name
            if any(known.name == name for known in found):  # a layer used more than once
                name = f"{name}/{len(found)}"
            found += _nodes(name, call, sources, tensors.get(called(call.layer)))
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
    before = [_channels(tensor) for tensor in call.inputs]
    after = _channels(call.output)
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


def _channels(tensor: Any) -> int:
    """Return the size of a tensor's last axis; 1 of a tensor that has none beside the batch's.

    Raises InputError where the network leaves it open.
    """
    if len(tensor.shape) < 2:
        return 1
    if tensor.shape[-1] is None:
        raise InputError(f"the number of channels behind {called(maker(tensor))!r} is open")
    return int(tensor.shape[-1])


def _mixes(layer: tf_keras.layers.Layer) -> bool:
    """Whether a layer that keeps the number of channels mixes them all the same.

    Of a layer of the user's own that holds weights, or code, nobody knows.
    """
    own = not type(layer).__module__.startswith("tf_keras.")
    mixing = type(layer).__name__ in ("Lambda", "Permute")
    return mixing or has_kernel(layer) or hasattr(layer, "layers") or (own and bool(layer.weights))
