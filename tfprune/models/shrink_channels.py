"""Which channels of a network can go without changing what it computes: constants, ties, needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.graph import Call, calls_to_outputs
from tfprune.models.shrink_rules import (
    Padding,
    Values,
    activate,
    kind_of,
    mixes_outputs,
    padding_of,
    values_of,
    window_kernel,
)

if TYPE_CHECKING:
    import tf_keras


UNKNOWN_SIZE = 32  # stands for a height or width that the model leaves open


def reader_constants(
    layer: Any, values: Values, padding: Padding, inputs: np.ndarray
) -> np.ndarray:
    """Return the constant of each output channel of a reader, (out,), NaN where it varies.

    inputs: constants of the input channels, (in,), NaN where they vary. An output is constant
    where every input that varies has only zero weights into it, and no padded zeros meet a
    constant other than 0.
    """
    kernel = window_kernel(layer, values)
    varies = np.isnan(inputs)
    constant = np.where(varies, 0.0, inputs)
    spoils = varies | ((constant != 0) & padding.zeros)
    spoilt = (kernel[:, spoils] != 0).any(axis=(0, 1))
    if mixes_outputs(layer):
        return np.full(kernel.shape[-1], np.nan)
    sums = constant @ kernel.sum(axis=0, dtype=np.float64)
    return np.where(spoilt, np.nan, activate(layer, sums + values.get("bias", 0.0)))


def depthwise_constants(
    layer: Any, values: Values, padding: Padding, inputs: np.ndarray
) -> np.ndarray:
    """Return the constant of each output channel i * m + d, (in * m,), NaN where it varies."""
    kernel = values["depthwise_kernel"]
    kernel = kernel.reshape(-1, *kernel.shape[-2:])
    varies = np.isnan(inputs)
    constant = np.where(varies, 0.0, inputs)
    spoils = varies | ((constant != 0) & padding.zeros)
    spoilt = (kernel != 0).any(axis=0) & spoils[:, np.newaxis]
    sums = constant[:, np.newaxis] * kernel.sum(axis=0, dtype=np.float64)
    return np.where(spoilt.ravel(), np.nan, activate(layer, sums.ravel() + values.get("bias", 0.0)))


def carried_constants(call: Call, inputs: Mapping[int, np.ndarray]) -> np.ndarray:
    """Return the constants behind a channelwise or merging layer, found by running it.

    inputs: id of input tensor -> constants of its channels. The layer sees maps that hold the
    constants (0 where a channel varies); what comes out the same at all positions is constant if
    all its inputs are, or if it is a product with 0 or a batch norm with scale 0.
    """
    maps = {key: _map(call, key, values) for key, values in inputs.items()}
    args, kwargs = call.arguments(maps)
    if call.layer._expects_training_arg:
        kwargs["training"] = False
    outputs = np.asarray(call.layer(*args, **kwargs), np.float64)
    outputs = outputs.reshape(-1, outputs.shape[-1])
    even = (outputs == outputs[:1]).all(axis=0)
    known = np.logical_and.reduce([~np.isnan(values) for values in inputs.values()])
    name = call.kind
    if name == "Multiply":
        known |= np.logical_or.reduce([values == 0 for values in inputs.values()])
    if name == "BatchNormalization" and call.layer.scale:
        known |= call.layer.gamma.numpy() == 0
    return np.where(known & even, outputs[0], np.nan)


def _map(call: Call, key: int, values: np.ndarray) -> Any:
    import tensorflow as tf

    tensor = next(t for t in call.inputs if id(t) == key)
    sizes = [UNKNOWN_SIZE if size is None else int(size) for size in tensor.shape[1:-1]]
    filled = np.broadcast_to(np.where(np.isnan(values), 0.0, values), (1, *sizes, len(values)))
    return tf.constant(filled, tensor.dtype)


class Channels:
    """The channels of all tensors of a functional model: constants, ties, and who needs them.

    Channels that layers carry one by one are *tied*: they stay or go together. A tied group is
    needed where a layer reads it with a weight other than 0 for a needed output and it is
    neither 0 nor a constant that can be folded into that layer's bias.
    """

    def __init__(self, model: tf_keras.Model, masks: Mapping[str, np.ndarray]) -> None:
        self.calls = calls_to_outputs(model)
        self.masks = masks
        uses: dict[str, int] = {}
        for call in self.calls:
            uses[call.layer.name] = uses.get(call.layer.name, 0) + 1
        self.kinds: list[str] = []
        for call in self.calls:
            shared = uses[call.layer.name] > 1 and bool(call.layer.weights)
            self.kinds.append("opaque" if shared else kind_of(call))
        self.values: dict[str, Values] = {
            call.layer.name: values_of(call.layer, masks)
            for call, kind in zip(self.calls, self.kinds, strict=True)
            if kind not in ("opaque", "input")
        }
        self._slots = self._number_channels()
        self._constants = self._find_constants()
        self._group = self._tie()
        self._needed = self._find_needed(model)

    def kept(self, key: int) -> np.ndarray:
        """Return which channels of a tensor stay, (channels,) bool."""
        flags: np.ndarray = self._needed[self._group[self._slots[key]]]
        return flags

    def constants(self, key: int) -> np.ndarray:
        """Return the constants of a tensor's channels, (channels,), NaN where they vary."""
        return self._constants[key]

    def groups(self, key: int) -> np.ndarray:
        """Return the number of the tied group of each channel of a tensor."""
        return self._group[self._slots[key]]

    def of_kind(self, *kinds: str) -> Iterator[Call]:
        """Yield the calls of layers of some kinds, input side first."""
        for call, kind in zip(self.calls, self.kinds, strict=True):
            if kind in kinds:
                yield call

    def _number_channels(self) -> dict[int, slice]:
        slots: dict[int, slice] = {}
        start = 0
        for call in self.calls:
            for key, width in zip(call.output_ids, _widths(call), strict=True):
                slots[key] = slice(start, start + width)
                start += width
        self._n_slots = start
        return slots

    def _find_constants(self) -> dict[int, np.ndarray]:
        found: dict[int, np.ndarray] = {}
        for call, kind in zip(self.calls, self.kinds, strict=True):
            if kind in ("input", "opaque"):
                for key, width in zip(call.output_ids, _widths(call), strict=True):
                    found[key] = np.full(width, np.nan)
                continue
            inputs = {key: found[key] for key in call.input_ids}
            (key,) = call.output_ids
            first = found[call.input_ids[0]]
            if kind in ("reader", "depthwise"):
                rule = reader_constants if kind == "reader" else depthwise_constants
                values = self.values[call.layer.name]
                found[key] = rule(call.layer, values, padding_of(call), first)
            elif kind == "flatten":
                found[key] = np.resize(first, _widths(call)[0])
            elif kind == "concat":
                found[key] = np.concatenate([found[one] for one in call.input_ids])
            else:
                found[key] = carried_constants(call, inputs)
        return found

    def _tie(self) -> np.ndarray:
        """Return the number of the tied group of every slot."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        pairs: list[tuple[np.ndarray, np.ndarray]] = []
        number = np.arange(self._n_slots)
        for call, kind in zip(self.calls, self.kinds, strict=True):
            if kind in ("input", "opaque", "reader"):
                continue
            output = number[self._slots[call.output_ids[0]]]
            inputs = [number[self._slots[key]] for key in call.input_ids]
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
        outputs = [id(tensor) for tensor in model.outputs]
        for call in self.of_kind("input", "opaque"):
            outputs += [*call.input_ids, *call.output_ids]
        for call in self.of_kind("reader"):
            outputs += call.output_ids if mixes_outputs(call.layer) else []
        for key in outputs:
            needed[self.groups(key)] = True
        readers = [_Reader(call, self) for call in self.of_kind("reader")]
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

    def __init__(self, call: Call, channels: Channels) -> None:
        (self.input,), (self.output,) = call.input_ids, call.output_ids
        kernel = window_kernel(call.layer, channels.values[call.layer.name])
        self._reads = (kernel != 0).any(axis=0)  # (in, out)
        constants = channels.constants(self.input)
        padding = padding_of(call)
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


def _widths(call: Call) -> list[int]:
    shapes = [tensor.shape for tensor in call.outputs]
    return [int(shape[-1]) if len(shape) and shape[-1] is not None else 1 for shape in shapes]
