"""A network's graph as channels that pass from layer to layer, for effective sparsity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.pruning.paths import Node

if TYPE_CHECKING:
    import tf_keras

_SUMS = {"Add", "Average", "Maximum", "Minimum", "Multiply", "Subtract"}


def channel_graph(network: tf_keras.Model, prunable: set[str]) -> tuple[Node, ...]:
    """Return the network as nodes for `tfprune.pruning.paths.effective_masks`.

    `prunable` are the layers with a mask. A layer that keeps the number of channels passes each
    by itself (activation, pooling, normalisation, depthwise convolution), any other unpruned one
    connects all with all. A product of two branches counts as a sum: what only one of them
    carries still counts as reaching the output, so effective sparsity is then a lower bound.
    """
    found: list[Node] = []
    producer: dict[int, str] = {}
    for depth in sorted(network._nodes_by_depth, reverse=True):
        for node in network._nodes_by_depth[depth]:
            outputs = _tensors(node.outputs)
            if node.is_input:
                name = f"{node.layer.name}/{len(found)}"
                found.append(Node(name, "input", channels=int(outputs[0].shape[-1])))
            else:
                sources = tuple(producer[id(tensor)] for tensor in node.keras_inputs)
                name = node.layer.name
                if any(known.name == name for known in found):  # a layer used more than once
                    name = f"{name}/{len(found)}"
                found.append(_node(name, node, sources, prunable))
            for tensor in outputs:
                producer[id(tensor)] = found[-1].name
    return tuple(found)


def _tensors(outputs: Any) -> list[Any]:
    return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]


def _node(name: str, node: Any, sources: tuple[str, ...], prunable: set[str]) -> Node:
    layer, kind = node.layer, type(node.layer).__name__
    before = [int(tensor.shape[-1]) for tensor in node.keras_inputs]
    after = int(_tensors(node.outputs)[0].shape[-1])
    if layer.name in prunable and kind != "SeparableConv2D":
        return Node(name, "kernel", sources, tensor=layer.name)
    if kind in _SUMS:
        return Node(name, "add", sources)
    if kind == "Concatenate" and sum(before) == after:
        return Node(name, "concat", sources)
    if len(before) == 1 and kind in ("Flatten", "Reshape") and after % before[0] == 0:
        return Node(name, "flatten", sources, positions=after // before[0])
    if len(before) == 1 and before[0] == after and not hasattr(layer, "kernel"):
        return Node(name, "same", sources)
    return Node(name, "full", sources, channels=after)
