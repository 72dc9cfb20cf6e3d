"""The smaller network, layer by layer from the larger one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.copying import clone, copied_layer
from tfprune.models.shrink_channels import Channels, representative
from tfprune.models.shrink_rules import padding_of, transposed, values_of, window_kernel

if TYPE_CHECKING:
    import tf_keras


def build_smaller(model: tf_keras.Model, channels: Channels) -> tf_keras.Model:
    """Return a functional model of its own with the kept channels only, layers named as before."""
    import tensorflow as tf
    import tf_keras

    tensors: dict[str, Any] = {}
    layers: dict[str, tf_keras.layers.Layer] = {}
    for node, kind in zip(channels.nodes, channels.kinds, strict=True):
        if kind == "input":
            shape, dtype = node.outputs.shape, node.outputs.dtype
            tensors[node.flat_output_ids[0]] = tf_keras.Input(
                batch_shape=tuple(shape), dtype=dtype, name=node.layer.name
            )
            continue
        fresh = node.layer.name not in layers
        weights: dict[str, np.ndarray] = {}
        if fresh:
            layers[node.layer.name], weights = _make(node, kind, channels)
        given = {key: [tensors[key]] * len(node.flat_input_ids) for key in node.flat_input_ids}
        args, kwargs = node.map_arguments(given)
        layer = layers[node.layer.name]
        outputs = layer(*args, **kwargs)
        tensors.update(zip(node.flat_output_ids, tf.nest.flatten(outputs), strict=True))
        if fresh and kind == "opaque":
            layer.set_weights(node.layer.get_weights())
            weights = dict(values_of(node.layer, channels.masks))
        for role, value in weights.items():
            getattr(layer, role).assign(value)
    outputs = [tensors[str(id(tensor))] for tensor in model.outputs]
    inputs = [tensors[str(id(tensor))] for tensor in model.inputs]
    return tf_keras.Model(
        tf.nest.pack_sequence_as(model._nested_inputs, inputs),
        tf.nest.pack_sequence_as(model._nested_outputs, outputs),
        name=model.name,
    )


def _make(
    node: Any, kind: str, channels: Channels
) -> tuple[tf_keras.layers.Layer, dict[str, np.ndarray]]:
    """Return the new layer, not yet built, and its weights by role."""
    import tf_keras

    layer = node.layer
    if getattr(layer, "_is_graph_network", False):
        return clone(layer), {}
    if isinstance(layer, tf_keras.Model):
        return copied_layer(layer), {}
    changed: dict[str, Any] = {}
    if kind == "reader":
        weights = _reader_weights(node, channels)
        width = int(channels.kept(node.flat_output_ids[0]).sum())
        changed["units" if type(layer).__name__ == "Dense" else "filters"] = width
        changed["use_bias"] = "bias" in weights
    elif kind == "depthwise":
        weights = _depthwise_weights(node, channels)
    else:
        weights = _channelwise_weights(node, kind, channels)

    def change(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        config.pop("batch_input_shape", None)
        return config | changed

    return copied_layer(layer, change), weights


def _reader_weights(node: Any, channels: Channels) -> dict[str, np.ndarray]:
    """Cut the kernel; removed constants go into the bias, or into the channel that stands for all.

    Constants where zeros are padded can't become a bias: the border sees fewer of them. They
    become one channel: sum_i c_i K_i = c_r * sum_i (c_i / c_r) K_i.
    """
    (read,), (written,) = node.flat_input_ids, node.flat_output_ids
    inputs, outputs = channels.kept(read), channels.kept(written)
    constants = channels.constants(read)
    gone = ~inputs & ~np.isnan(constants)
    gone[gone] = constants[gone] != 0
    values = dict(channels.values[node.layer.name])
    padding = padding_of(node)
    kernel = window_kernel(node.layer, values)
    stands = representative(constants)
    if gone.any() and padding.zeros and padding.merges and inputs[stands]:
        shares = constants[gone] / constants[stands]
        merged = np.einsum("kio,i->ko", kernel[:, gone], shares)
        values["kernel"] = _add_to_row(node.layer, values["kernel"], stands, merged)
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
    elif transposed(node.layer):
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


def _depthwise_weights(node: Any, channels: Channels) -> dict[str, np.ndarray]:
    (read,), (written,) = node.flat_input_ids, node.flat_output_ids
    values = channels.values[node.layer.name]
    cut = {"depthwise_kernel": values["depthwise_kernel"][..., channels.kept(read), :]}
    if "bias" in values:
        cut["bias"] = values["bias"][channels.kept(written)]
    return cut


def _channelwise_weights(node: Any, kind: str, channels: Channels) -> dict[str, np.ndarray]:
    """Cut batch-norm values and slopes, whose last axis is the channel (or 1, for all)."""
    if kind != "channelwise" or not node.layer.weights:
        return {}
    kept = channels.kept(node.flat_input_ids[0])
    values = channels.values[node.layer.name]
    return {
        role: value[..., kept] if value.shape[-1] == kept.size else value
        for role, value in values.items()
    }
