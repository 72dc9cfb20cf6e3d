"""Which channels of a network hold one number whatever the input, and which number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from tfprune.models.shrink_rules import (
    Padding,
    Values,
    activate,
    mixes_outputs,
    window_kernel,
)

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


def carried_constants(node: Any, inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return the constants behind a channelwise or merging layer, found by running it.

    inputs: id of input tensor -> constants of its channels. The layer sees maps that hold the
    constants (0 where a channel varies); what comes out the same at all positions is constant if
    all its inputs are, or if it is a product with 0 or a batch norm with scale 0.
    """
    maps = {key: [_map(node, key, values)] * 9 for key, values in inputs.items()}
    args, kwargs = node.map_arguments(maps)
    if node.layer._expects_training_arg:
        kwargs["training"] = False
    outputs = np.asarray(node.layer(*args, **kwargs), np.float64)
    outputs = outputs.reshape(-1, outputs.shape[-1])
    even = (outputs == outputs[:1]).all(axis=0)
    known = np.logical_and.reduce([~np.isnan(values) for values in inputs.values()])
    name = type(node.layer).__name__
    if name == "Multiply":
        known |= np.logical_or.reduce([values == 0 for values in inputs.values()])
    if name == "BatchNormalization" and node.layer.scale:
        known |= node.layer.gamma.numpy() == 0
    return np.where(known & even, outputs[0], np.nan)


def _map(node: Any, key: str, values: np.ndarray) -> Any:
    import tensorflow as tf

    tensor = next(t for t in node.keras_inputs if str(id(t)) == key)
    sizes = [UNKNOWN_SIZE if size is None else int(size) for size in tensor.shape[1:-1]]
    filled = np.broadcast_to(np.where(np.isnan(values), 0.0, values), (1, *sizes, len(values)))
    return tf.constant(filled, tensor.dtype)
