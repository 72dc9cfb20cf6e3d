"""How each kind of Keras layer carries channels: which it mixes, which it passes on one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.models.graph import Call
from tfprune.models.layer_names import called

if TYPE_CHECKING:
    import tf_keras

READERS = {
    "Dense", "Conv1D", "Conv2D", "Conv3D", "Conv1DTranspose", "Conv2DTranspose",
    "Conv3DTranspose", "SeparableConv1D", "SeparableConv2D",
}  # fmt: skip
DEPTHWISE = {"DepthwiseConv1D", "DepthwiseConv2D"}
MERGES = {"Add", "Average", "Subtract", "Maximum", "Minimum", "Multiply"}
CHANNELWISE = {
    "Activation", "ReLU", "LeakyReLU", "PReLU", "ELU", "ThresholdedReLU", "BatchNormalization",
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D", "AlphaDropout",
    "GaussianDropout", "GaussianNoise", "ActivityRegularization", "ZeroPadding1D",
    "ZeroPadding2D", "ZeroPadding3D", "Cropping1D", "Cropping2D", "Cropping3D", "UpSampling1D",
    "UpSampling2D", "UpSampling3D",
} | {
    f"{scope}{kind}Pooling{n}D" for scope in ("", "Global") for kind in ("Max", "Average")
    for n in (1, 2, 3)
}  # fmt: skip
_FUNCTIONS = {
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "swish", "silu", "mish",
    "sigmoid", "hard_sigmoid", "tanh", "softplus", "softsign", "exponential",
}  # fmt: skip
_OPS = {"relu", "relu6", "elu", "selu", "gelu", "swish", "silu", "sigmoid", "tanh", "add"}
_ROLES = (
    "kernel", "depthwise_kernel", "pointwise_kernel", "bias", "gamma", "beta", "moving_mean",
    "moving_variance", "alpha",
)  # fmt: skip
MASKED = ("pointwise_kernel", "kernel", "depthwise_kernel")  # the first of these that there is

Values = Mapping[str, np.ndarray]


def kind_of(call: Call) -> str:
    """Return how the layer of a graph call carries channels.

    reader: every output channel is a weighted sum of input channels. depthwise: output channel
    i * m + d comes from input channel i. channelwise, merge: channel by channel. flatten and
    concat put channels in another place. opaque: anything else; it keeps all its channels.
    """
    layer, name = call.layer, call.kind
    if name == "InputLayer":
        return "input"
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return "opaque"
    if name == "TFOpLambda":
        return _kind_of_op(call)
    if not type(layer).__module__.startswith("tf_keras."):
        return "opaque"
    if mixes_outputs(layer) and name not in READERS:
        return "opaque"
    if name in READERS | DEPTHWISE | CHANNELWISE and len(call.inputs) == 1:
        rank = len(call.inputs[0].shape)
        if name == "BatchNormalization" and list(layer.axis) != [rank - 1]:
            return "opaque"
        if name in READERS:
            return "reader" if getattr(layer, "groups", 1) == 1 else "opaque"
        return "depthwise" if name in DEPTHWISE else "channelwise"
    if name in MERGES:
        return "merge" if _one_width(call) else "opaque"
    if name == "Flatten":
        return "flatten" if call.output.shape[-1] is not None else "opaque"
    if name == "Concatenate":
        last = layer.axis in (-1, len(call.output.shape) - 1)
        return "concat" if last else "opaque"
    return "opaque"


def mixes_outputs(layer: tf_keras.layers.Layer) -> bool:
    """Whether the layer's own activation function may look at several channels, as softmax does."""
    return getattr(getattr(layer, "activation", None), "__name__", "linear") not in _FUNCTIONS


def _one_width(call: Call) -> bool:
    return len({tensor.shape[-1] for tensor in (*call.inputs, call.output)}) == 1


def _kind_of_op(call: Call) -> str:
    """TensorFlow operations that Keras wrapped: activation functions, and sums of two tensors."""
    name = str(getattr(call.layer, "symbol", "")).rpartition(".")[2]
    n_inputs = len(call.inputs)
    if name not in _OPS or n_inputs != (2 if name == "add" else 1) or not _one_width(call):
        return "opaque"
    return "merge" if name == "add" else "channelwise"


def values_of(layer: tf_keras.layers.Layer, masks: Mapping[str, np.ndarray]) -> Values:
    """Return the layer's weights by role, the pruned one under its mask.

    A mask has the kernel's shape, or one value per filter.
    """
    found = {role: getattr(layer, role, None) for role in _ROLES}
    values = {r: v.numpy() for r, v in found.items() if hasattr(v, "numpy") and v is not None}
    if called(layer) in masks:
        role = next(role for role in MASKED if role in values)
        mask = np.asarray(masks[called(layer)]).astype(values[role].dtype)
        if mask.ndim == 1 and transposed(layer):
            mask = mask[:, np.newaxis]
        values[role] = values[role] * mask
    return values


def transposed(layer: tf_keras.layers.Layer) -> bool:
    """Whether the layer's kernel is (*window, out, in)."""
    return type(layer).__name__.endswith("Transpose")


def window_kernel(layer: tf_keras.layers.Layer, values: Values) -> np.ndarray:
    """Return a reader's kernel as (window positions, in, out)."""
    name = type(layer).__name__
    if name.startswith("Separable"):
        depthwise = values["depthwise_kernel"].astype(np.float64)
        depthwise = depthwise.reshape(-1, *depthwise.shape[-2:])
        _, n_inputs, multiplier = depthwise.shape
        pointwise = values["pointwise_kernel"].astype(np.float64)
        pointwise = pointwise.reshape(n_inputs, multiplier, -1)
        return np.einsum("kim,imo->kio", depthwise, pointwise)
    kernel = values["kernel"]
    if transposed(layer):
        kernel = np.swapaxes(kernel, -1, -2)
    return kernel.reshape(-1, *kernel.shape[-2:])


@dataclass(frozen=True)
class Padding:
    """Whether zeros are padded around a layer's input, and whether constants can be merged then.

    `merges`: several constant channels act on every output as one of them with summed weights.
    """

    zeros: bool
    merges: bool


def padding_of(call: Call) -> Padding:
    """Return the padding of a reader or a depthwise layer; unknown sizes count as padded."""
    layer, name = call.layer, call.kind
    if name == "Dense":
        return Padding(zeros=False, merges=False)
    if transposed(layer):
        return Padding(zeros=True, merges=True)  # the sum differs between positions
    merges = name.startswith("Conv")
    if layer.padding == "valid":
        return Padding(zeros=False, merges=merges)
    sizes = call.inputs[0].shape[1:-1]
    steps = zip(sizes, layer.kernel_size, layer.strides, layer.dilation_rate, strict=True)
    return Padding(zeros=any(_padded(*step) for step in steps), merges=merges)


def _padded(size: int | None, window: int, stride: int, dilation: int) -> bool:
    if window == 1:
        return False
    if size is None:
        return True
    span = (-(-size // stride) - 1) * stride + (window - 1) * dilation + 1
    return span > size


def activate(layer: tf_keras.layers.Layer, values: np.ndarray) -> np.ndarray:
    """Return the layer's own activation function of some values."""
    function: Callable[[Any], Any] | None = getattr(layer, "activation", None)
    if function is None:
        return values
    import tensorflow as tf

    return np.asarray(function(tf.constant(values.astype(np.float32))), np.float64)
