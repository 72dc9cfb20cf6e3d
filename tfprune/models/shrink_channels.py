"""Which channels of a network can go without changing what it computes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.shrink_constants import (
    carried_constants,
    depthwise_constants,
    reader_constants,
)
from tfprune.models.shrink_rules import (
    Values,
    kind_of,
    mixes_outputs,
    padding_of,
    values_of,
    window_kernel,
)

if TYPE_CHECKING:
    import tf_keras


def nodes_of(model: tf_keras.Model) -> list[Any]:
    """Return the nodes of a functional model's graph, each behind those it reads from."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in model._nodes_by_depth[depth]]


class Channels:
    """The channels of all tensors of a functional model: constants, ties, and who needs them.

    Channels that layers carry one by one are *tied*: they stay or go together. A tied group is
    needed where a layer reads it with a weight other than 0 for a needed output and it is
    neither 0 nor a constant that can be folded into that layer's bias.
    """

    def __init__(self, model: tf_keras.Model, masks: Mapping[str, np.ndarray]) -> None:
        self.nodes = nodes_of(model)
        self.masks = masks
        uses: dict[str, int] = {}
        for node in self.nodes:
            uses[node.layer.name] = uses.get(node.layer.name, 0) + 1
        self.kinds: list[str] = []
        for node in self.nodes:
            shared = uses[node.layer.name] > 1 and bool(node.layer.weights)
            self.kinds.append("opaque" if shared else kind_of(node))
        self.values: dict[str, Values] = {
            node.layer.name: values_of(node.layer, masks)
            for node, kind in zip(self.nodes, self.kinds, strict=True)
            if kind not in ("opaque", "input")
        }
        self._slots = self._number_channels()
        self._constants = self._find_constants()
        self._group = self._tie()
        self._needed = self._find_needed(model)

    def kept(self, key: str) -> np.ndarray:
        """Return which channels of a tensor stay, (channels,) bool."""
        flags: np.ndarray = self._needed[self._group[self._slots[key]]]
        return flags

    def constants(self, key: str) -> np.ndarray:
        """Return the constants of a tensor's channels, (channels,), NaN where they vary."""
        return self._constants[key]

    def groups(self, key: str) -> np.ndarray:
        """Return the number of the tied group of each channel of a tensor."""
        return self._group[self._slots[key]]

    def of_kind(self, *kinds: str) -> Iterator[Any]:
        """Yield the nodes of some kinds, input side first."""
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            if kind in kinds:
                yield node

    def _number_channels(self) -> dict[str, slice]:
        slots: dict[str, slice] = {}
        start = 0
        for node in self.nodes:
            for key, width in zip(node.flat_output_ids, _widths(node), strict=True):
                slots[key] = slice(start, start + width)
                start += width
        self._n_slots = start
        return slots

    def _find_constants(self) -> dict[str, np.ndarray]:
        found: dict[str, np.ndarray] = {}
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            if kind in ("input", "opaque"):
                for key, width in zip(node.flat_output_ids, _widths(node), strict=True):
                    found[key] = np.full(width, np.nan)
                continue
            inputs = {key: found[key] for key in node.flat_input_ids}
            (key,) = node.flat_output_ids
            first = found[node.flat_input_ids[0]]
            if kind in ("reader", "depthwise"):
                rule = reader_constants if kind == "reader" else depthwise_constants
                values = self.values[node.layer.name]
                found[key] = rule(node.layer, values, padding_of(node), first)
            elif kind == "flatten":
                found[key] = np.resize(first, _widths(node)[0])
            elif kind == "concat":
                found[key] = np.concatenate([found[one] for one in node.flat_input_ids])
            else:
                found[key] = carried_constants(node, inputs)
        return found

    def _tie(self) -> np.ndarray:
        """Return the number of the tied group of every slot."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        number = np.arange(self._n_slots)
        for node, kind in zip(self.nodes, self.kinds, strict=True):
            if kind in ("input", "opaque", "reader"):
                continue
            output = number[self._slots[node.flat_output_ids[0]]]
            inputs = [number[self._slots[key]] for key in node.flat_input_ids]
            if kind == "concat":
                pairs.append((np.concatenate(inputs), output))
            elif kind == "flatten":
                pairs.append((np.resize(inputs[0], output.size), output))
            elif kind == "depthwise":
                pairs.append((np.repeat(inputs[0], output.size // inputs[0].size), output))
            else:
                pairs += [(one, output) for one in inputs]
        rows = np.concatenate([number[:0], *[pair[0] for pair in pairs]])
        columns = np.concatenate([number[:0], *[pair[1] for pair in pairs]])
        shape = (self._n_slots, self._n_slots)
        graph = coo_array((np.ones(rows.size, np.int8), (rows, columns)), shape=shape)
        return np.asarray(connected_components(graph, directed=False)[1])

    def _find_needed(self, model: tf_keras.Model) -> np.ndarray:
        """Return which groups are needed: the least set closed under what its members read."""
        needed = np.zeros(self._n_slots, np.bool_)
        outputs = [str(id(tensor)) for tensor in model.outputs]
        for node in self.of_kind("input", "opaque"):
            outputs += [*node.flat_input_ids, *node.flat_output_ids]
        for node in self.of_kind("reader"):
            outputs += node.flat_output_ids if mixes_outputs(node.layer) else []
        for key in outputs:
            needed[self.groups(key)] = True
        readers = [_Reader(node, self) for node in self.of_kind("reader")]
        while True:
            before = int(needed.sum())
            for reader in readers:
                wanted = reader.wants(needed[self.groups(reader.output)])
                needed[self.groups(reader.input)[wanted]] = True
            if int(needed.sum()) == before:
                empty = [key for key in self._slots if not needed[self.groups(key)].any()]
                if not empty:
                    return needed
                needed[self.groups(empty[0])[0]] = True  # a layer can't be left without channels


class _Reader:
    """What one reader asks of its input channels."""

    def __init__(self, node: Any, channels: Channels) -> None:
        (self.input,), (self.output,) = node.flat_input_ids, node.flat_output_ids
        kernel = window_kernel(node.layer, channels.values[node.layer.name])
        self._reads = (kernel != 0).any(axis=0)  # (in, out)
        constants = channels.constants(self.input)
        padding = padding_of(node)
        self._varies = np.isnan(constants)
        fixed = ~self._varies & (np.where(self._varies, 0.0, constants) != 0) & padding.zeros
        self._stuck = fixed  # constants that no bias can stand for
        self._stands = representative(constants) if padding.merges and fixed.any() else None

    def wants(self, outputs: np.ndarray) -> np.ndarray:
        """Return the input channels that must stay for these outputs, (in,) bool."""
        read = self._reads[:, outputs].any(axis=1)
        wanted = read & self._varies
        stuck = read & self._stuck
        if self._stands is None:
            return wanted | stuck
        wanted[self._stands] |= stuck.any()
        return wanted


def representative(constants: np.ndarray) -> int:
    """Return the constant channel that stands for all others where zeros are padded."""
    return int(np.argmax(np.nan_to_num(np.abs(constants), nan=-1.0)))


def _widths(node: Any) -> list[int]:
    import tensorflow as tf

    shapes = [tensor.shape for tensor in tf.nest.flatten(node.outputs)]
    return [int(shape[-1]) if len(shape) and shape[-1] is not None else 1 for shape in shapes]
