"""Which surviving weights lie on a path from input to output: effective sparsity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.pruning.kernels import Mask, Masks, PrunableTensor

OPS = ("input", "kernel", "same", "flatten", "repeat", "add", "concat", "pad", "full")


@dataclass(frozen=True)
class Node:
    """One step of a network, seen as something that channels pass through.

    - `input`: `channels` of them arrive
    - `kernel`: the prunable tensor of this name (or `tensor`, for a layer used twice)
    - `same`: each channel by itself: activation, pooling, batch normalisation, dropout
    - `flatten`: each channel becomes `positions` features, channels fastest (channels_last)
    - `repeat`: each channel becomes `positions` neighbouring ones: unpruned depthwise convolution
    - `add`, `concat`: several inputs summed, or side by side
    - `pad`: zero channels, `pad` = (before, after): the parameter-free residual shortcut
    - `full`: an unpruned layer that connects every input to each of its `channels`
    """

    name: str
    op: str
    inputs: tuple[str, ...] = ()
    tensor: str | None = None
    channels: int = 0
    positions: int = 1
    pad: tuple[int, int] = (0, 0)


def effective_masks(
    masks: Masks, tensors: Sequence[PrunableTensor], graph: Sequence[Node]
) -> dict[str, Mask]:
    """Masks of the weights on at least one path of surviving weights from input to output.

    `1 - density` of these is the effective sparsity of Vysogorets & Kempe (2023): weights that
    nothing reaches, or that reach nothing, count as gone though their masks say kept. Paths run
    from channel to channel: window positions are not told apart, biases start no path. `graph`
    lists nodes in topological order; those that nobody reads are the outputs. A grouped
    convolution shows by its kernel's in-channels.

    Raises InputError when the graph does not fit the tensors.
    """
    by_name = {t.name: t for t in tensors}
    reached: dict[str, Mask] = {}
    for node in graph:
        inputs = [_arriving(node, source, reached) for source in node.inputs]
        reached[node.name] = _forward(node, inputs, masks, by_name)
    read = {source for node in graph for source in node.inputs}
    needed = {node.name: np.full(reached[node.name].size, node.name not in read) for node in graph}
    result: dict[str, Mask] = {t.name: np.zeros(t.shape, dtype=np.bool_) for t in tensors}
    for node in reversed(graph):
        if node.op == "kernel":
            tensor = by_name[node.tensor or node.name]
            passed = _grid(reached[node.inputs[0]], tensor, side="in")
            wanted = _grid(needed[node.name], tensor, side="out")
            result[tensor.name] |= masks[tensor.name] & passed & wanted
        start = 0
        for source in node.inputs:
            width = reached[source].size
            needed[source] |= _backward(node, needed[node.name], masks, by_name, start, width)
            start += width
    return result


def _forward(
    node: Node, inputs: Sequence[Mask], masks: Masks, tensors: Mapping[str, PrunableTensor]
) -> Mask:
    if node.op == "input":
        return np.ones(node.channels, dtype=np.bool_)
    if node.op == "full":
        return np.full(node.channels, any(flags.any() for flags in inputs))
    if node.op == "same":
        return inputs[0]
    if node.op == "flatten":
        return np.tile(inputs[0], node.positions)
    if node.op == "repeat":
        return np.repeat(inputs[0], node.positions)
    if node.op == "pad":
        return np.pad(inputs[0], node.pad)
    if node.op == "concat":
        return np.concatenate(inputs)
    if node.op == "add":
        widths = sorted({flags.size for flags in inputs} - {1}) or [1]  # 1 is broadcast
        if len(widths) > 1:
            raise InputError(f"graph node {node.name!r} adds inputs of different widths: {widths}.")
        wide = [np.broadcast_to(flags, widths) for flags in inputs]
        return np.asarray(np.logical_or.reduce(wide))
    if node.op != "kernel":
        raise InputError(
            f"graph node {node.name!r}: op is one of {', '.join(OPS)}; got {node.op!r}."
        )
    name = node.tensor or node.name
    if name not in tensors:
        raise InputError(f"graph node {node.name!r} names no prunable tensor: {name!r}.")
    tensor = tensors[name]
    if inputs[0].size != tensor.n_inputs * _groups(tensor, inputs[0].size):
        raise InputError(
            f"graph node {node.name!r}: its kernel {tensor.shape} takes {tensor.n_inputs} "
            f"channels, but {inputs[0].size} arrive. Is a flatten missing?"
        )
    alive = masks[name] & _grid(inputs[0], tensor, side="in")
    return _collapse(alive, tensor, side="out", width=tensor.n_filters)


def _backward(
    node: Node,
    needed: Mask,
    masks: Masks,
    tensors: Mapping[str, PrunableTensor],
    start: int,
    width: int,
) -> Mask:
    """Which of one input's `width` channels (from `start`, in a concat) the node needs."""
    if node.op == "full":
        return np.full(width, needed.any())
    if node.op == "flatten":
        return np.asarray(needed.reshape(node.positions, width).any(axis=0))
    if node.op == "repeat":
        return np.asarray(needed.reshape(width, node.positions).any(axis=1))
    if node.op == "pad":
        return needed[node.pad[0] : node.pad[0] + width]
    if node.op == "concat":
        return needed[start : start + width]
    if node.op == "kernel":
        tensor = tensors[node.tensor or node.name]
        alive = masks[tensor.name] & _grid(needed, tensor, side="out")
        return _collapse(alive, tensor, side="in", width=width)
    return needed if width == needed.size else np.full(width, needed.any())


def _arriving(node: Node, source: str, reached: Mapping[str, Mask]) -> Mask:
    if source not in reached:
        raise InputError(
            f"graph node {node.name!r} reads {source!r}, which is not among the nodes before it."
        )
    return reached[source]


def _groups(tensor: PrunableTensor, n_channels: int) -> int:
    if tensor.kind != "conv" or tensor.n_filters % max(1, n_channels // tensor.n_inputs):
        return 1
    return max(1, n_channels // tensor.n_inputs)


def _grid(flags: Mask, tensor: PrunableTensor, *, side: str) -> Mask:
    """Channel flags as something that broadcasts to the kernel's last two axes."""
    if tensor.kind == "depthwise":
        return flags.reshape(tensor.shape[-2:]) if side == "out" else flags[:, None]
    if side == "out":
        return tensor.filters_last(flags[None, :])
    groups = flags.reshape(_groups(tensor, flags.size), tensor.n_inputs)
    return tensor.filters_last(groups.T.repeat(tensor.n_filters // len(groups), axis=1))


def _collapse(alive: Mask, tensor: PrunableTensor, *, side: str, width: int) -> Mask:
    """Channels of one side that any weight of `alive` touches."""
    pairs = tensor.filters_last(np.asarray(alive.any(axis=tuple(range(alive.ndim - 2)))))
    if tensor.kind == "depthwise":
        return pairs.reshape(-1) if side == "out" else np.asarray(pairs.any(axis=1))
    if side == "out":
        return np.asarray(pairs.any(axis=0))
    groups = _groups(tensor, width)
    by_group = pairs.reshape(tensor.n_inputs, groups, -1).any(axis=2)
    return np.asarray(by_group.T.reshape(-1))
