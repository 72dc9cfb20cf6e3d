"""The smaller network, layer by layer from the larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.copying import clone, copied_layer, set_weights_of
from tfprune.models.graph import Call, flatten, has_graph, network_between
from tfprune.models.shrink_channels import Channels, representative
from tfprune.models.shrink_rules import padding_of, transposed, values_of, window_kernel

if TYPE_CHECKING:
    import tf_keras


def build_smaller(model: tf_keras.Model, channels: Channels) -> tf_keras.Model:
    """Return a functional model of its own with the kept channels only, layers named as before."""
    import tf_keras

    tensors: dict[int, Any] = {}
    layers: dict[str, tf_keras.layers.Layer] = {}
    for call, kind in zip(channels.calls, channels.kinds, strict=True):
        if kind == "input":
            shape, dtype = call.output.shape, call.output.dtype
            tensors[call.output_ids[0]] = tf_keras.Input(
                batch_shape=tuple(shape), dtype=dtype, name=call.layer.name
            )
            continue
        fresh = call.layer.name not in layers
        weights: dict[str, np.ndarray] = {}
        if fresh:
            layers[call.layer.name], weights = _make(call, kind, channels)
        args, kwargs = call.arguments(tensors)
        layer = layers[call.layer.name]
        outputs = layer(*args, **kwargs)
        tensors.update(zip(call.output_ids, flatten(outputs), strict=True))
        if fresh and kind == "opaque":
            set_weights_of(call.layer, layer)
            weights = dict(values_of(call.layer, channels.masks))
        for role, value in weights.items():
            getattr(layer, role).assign(value)
    inputs = [tensors[id(tensor)] for tensor in model.inputs]
    outputs = [tensors[id(tensor)] for tensor in model.outputs]
    return network_between(model, inputs, outputs)


def _make(
    call: Call, kind: str, channels: Channels
) -> tuple[tf_keras.layers.Layer, dict[str, np.ndarray]]:
    """Return the new layer, not yet built, and its weights by role."""
    import tf_keras

    layer = call.layer
    if has_graph(layer):
        return clone(layer), {}
    if isinstance(layer, tf_keras.Model):
        return copied_layer(layer), {}
    changed: dict[str, Any] = {}
    if kind == "reader":
        weights = _reader_weights(call, channels)
        width = int(channels.kept(call.output_ids[0]).sum())
        changed["units" if type(layer).__name__ == "Dense" else "filters"] = width
        changed["use_bias"] = "bias" in weights
    elif kind == "depthwise":
        weights = _depthwise_weights(call, channels)
    else:
        weights = _channelwise_weights(call, kind, channels)

    def change(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        config.pop("batch_input_shape", None)
        return config | changed

    return copied_layer(layer, change), weights


def _reader_weights(call: Call, channels: Channels) -> dict[str, np.ndarray]:
    """Cut the kernel; removed constants go into the bias, or into the channel that stands for all.

    Constants where zeros are padded can't become a bias: the border sees fewer of them. They
    become one channel: sum_i c_i K_i = c_r * sum_i (c_i / c_r) K_i.
    """
    (read,), (written,) = call.input_ids, call.output_ids
    inputs, outputs = channels.kept(read), channels.kept(written)
    constants = channels.constants(read)
    gone = ~inputs & ~np.isnan(constants)
    gone[gone] = constants[gone] != 0
    values = dict(channels.values[call.layer.name])
    padding = padding_of(call)
    kernel = window_kernel(call.layer, values)
    stands = representative(constants)
    if gone.any() and padding.zeros and padding.merges and inputs[stands]:
        shares = constants[gone] / constants[stands]
        merged = np.einsum("kio,i->ko", kernel[:, gone], shares)
        values["kernel"] = _add_to_row(call.layer, values["kernel"], stands, merged)
    elif gone.any() and not padding.zeros:
        folded = constants[gone] @ kernel[:, gone].sum(axis=0, dtype=np.float64)
        if folded[outputs].any():
            values["bias"] = values.get("bias", 0.0) + folded
    cut: dict[str, np.ndarray] = {}
    if "bias" in values:
        cut["bias"] = values["bias"][outputs]
    if "pointwise_kernel" in values:
        multiplier = values["depthwise_kernel"].shape[-1]
        cut["depthwise_kernel"] = values["depthwise_kernel"][..., inputs, :]
        rows = np.repeat(inputs, multiplier)
        cut["pointwise_kernel"] = values["pointwise_kernel"][..., rows, :][..., outputs]
    elif transposed(call.layer):
        cut["kernel"] = values["kernel"][..., outputs, :][..., inputs]
    else:
        cut["kernel"] = values["kernel"][..., inputs, :][..., outputs]
    return cut


def _add_to_row(layer: Any, kernel: np.ndarray, row: int, merged: np.ndarray) -> np.ndarray:
    """Return the kernel with `merged` (window, out) added to one input channel."""
    kernel = kernel.astype(np.float64)
    if transposed(layer):
        kernel[..., row] += merged.reshape(kernel.shape[:-1])
    else:
        kernel[..., row, :] += merged.reshape(*kernel.shape[:-2], kernel.shape[-1])
    return kernel


def _depthwise_weights(call: Call, channels: Channels) -> dict[str, np.ndarray]:
    (read,), (written,) = call.input_ids, call.output_ids
    values = channels.values[call.layer.name]
    cut = {"depthwise_kernel": values["depthwise_kernel"][..., channels.kept(read), :]}
    if "bias" in values:
        cut["bias"] = values["bias"][channels.kept(written)]
    return cut


def _channelwise_weights(call: Call, kind: str, channels: Channels) -> dict[str, np.ndarray]:
    """Cut batch-norm values and slopes, whose last axis is the channel (or 1, for all)."""
    if kind != "channelwise" or not call.layer.weights:
        return {}
    kept = channels.kept(call.input_ids[0])
    values = channels.values[call.layer.name]
    return {
        role: value[..., kept] if value.shape[-1] == kept.size else value
        for role, value in values.items()
    }
