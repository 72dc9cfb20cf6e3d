"""Bare operations in a graph (`x + y`, `keras.ops.mean(x)`), both ways."""

from __future__ import annotations

from typing import Any

import pytest

from tfprune.errors import InputError
from tfprune.models.files.convert import convert_to_keras2, convert_to_keras3
from tfprune.models.files.operations import KERAS3_NAMES, TENSORFLOW_NAMES
from tfprune.models.files.verify import verify

# operation -> the same on x (batch, 4, 6), positive, and y of the same shape
IN_KERAS3: dict[str, Any] = {
    "Add": lambda ops, x, y: x + y,
    "Subtract": lambda ops, x, y: x - 2.0,
    "Multiply": lambda ops, x, y: 3.0 * x,
    "Divide": lambda ops, x, y: ops.divide(x, y + 1.0),
    "TrueDivide": lambda ops, x, y: x / (y + 1.0),
    "Maximum": lambda ops, x, y: ops.maximum(x, y),
    "Minimum": lambda ops, x, y: ops.minimum(x, y),
    "Power": lambda ops, x, y: x**2,
    "Matmul": lambda ops, x, y: ops.matmul(x, ops.transpose(y, (0, 2, 1))),
    "Equal": lambda ops, x, y: ops.cast(ops.equal(x, x), "float32") * y,
    "NotEqual": lambda ops, x, y: ops.cast(ops.not_equal(x, y), "float32") * y,
    "LogicalAnd": lambda ops, x, y: ops.cast(
        ops.logical_and(ops.equal(x, x), ops.not_equal(x, y)), "float32"
    ),
    "LogicalOr": lambda ops, x, y: ops.cast(
        ops.logical_or(ops.equal(x, x), ops.not_equal(x, y)), "float32"
    ),
    "LogicalNot": lambda ops, x, y: ops.cast(ops.logical_not(ops.equal(x, y)), "float32"),
    "Any": lambda ops, x, y: ops.cast(ops.any(ops.equal(x, y), axis=-1), "float32"),
    "Relu": lambda ops, x, y: ops.relu(x - 0.5),
    "Relu6": lambda ops, x, y: ops.relu6(9 * x),
    "Selu": lambda ops, x, y: ops.selu(x - 0.5),
    "Sigmoid": lambda ops, x, y: ops.sigmoid(x),
    "Tanh": lambda ops, x, y: ops.tanh(x),
    "Softplus": lambda ops, x, y: ops.softplus(x),
    "Softsign": lambda ops, x, y: ops.softsign(x),
    "Exp": lambda ops, x, y: ops.exp(x),
    "Log": lambda ops, x, y: ops.log(x + 0.1),
    "Sqrt": lambda ops, x, y: ops.sqrt(x + 0.1),
    "Rsqrt": lambda ops, x, y: ops.rsqrt(x + 0.1),
    "Square": lambda ops, x, y: ops.square(x),
    "Absolute": lambda ops, x, y: ops.absolute(x - 0.5),
    "Abs": lambda ops, x, y: abs(x - 0.5),
    "Negative": lambda ops, x, y: -x,
    "StopGradient": lambda ops, x, y: ops.stop_gradient(x) * y,
    "Silu": lambda ops, x, y: ops.silu(x),
    "HardSigmoid": lambda ops, x, y: ops.hard_sigmoid(9 * x),
    "HardSilu": lambda ops, x, y: ops.hard_silu(9 * x),
    "Softmax": lambda ops, x, y: ops.softmax(x, axis=1),
    "LogSoftmax": lambda ops, x, y: ops.log_softmax(x),
    "Gelu": lambda ops, x, y: ops.gelu(x, approximate=True),
    "LeakyRelu": lambda ops, x, y: ops.leaky_relu(x - 0.5, negative_slope=0.3),
    "Mean": lambda ops, x, y: ops.mean(x, axis=(1, 2), keepdims=True),
    "Sum": lambda ops, x, y: ops.sum(x, axis=-1),
    "Max": lambda ops, x, y: ops.max(x, axis=1),
    "Min": lambda ops, x, y: ops.min(x, axis=1, keepdims=True),
    "Reshape": lambda ops, x, y: ops.reshape(x, (-1, 3, 8)),
    "Transpose": lambda ops, x, y: ops.transpose(x, (0, 2, 1)),
    "Concatenate": lambda ops, x, y: ops.concatenate([x, y], axis=1),
    "Stack": lambda ops, x, y: ops.stack([x, y], axis=2),
    "ExpandDims": lambda ops, x, y: ops.expand_dims(x, axis=2),
    "Squeeze": lambda ops, x, y: ops.squeeze(ops.expand_dims(x, axis=2), axis=2),
    "GetItem": lambda ops, x, y: x[:, 1:3, ::2],
    "Cast": lambda ops, x, y: ops.cast(ops.cast(x, "int32"), "float32") + x,
    "Clip": lambda ops, x, y: ops.clip(x, 0.2, 0.7),
    "Pad": lambda ops, x, y: ops.pad(x, ((0, 0), (1, 2), (0, 1)), mode="reflect"),
    "Elu": lambda ops, x, y: ops.elu(x - 0.5, alpha=0.3) + ops.elu(y - 0.5),
    "Celu": lambda ops, x, y: ops.celu(x - 0.5, alpha=0.3) + ops.celu(y - 0.5),
    "HardTanh": lambda ops, x, y: ops.hard_tanh(4 * x - 2),
    "HardShrink": lambda ops, x, y: ops.hard_shrink(2 * x - 1, threshold=0.3),
    "SoftShrink": lambda ops, x, y: ops.soft_shrink(2 * x - 1, threshold=0.3),
    "TanhShrink": lambda ops, x, y: ops.tanh_shrink(x),
    "LogSigmoid": lambda ops, x, y: ops.log_sigmoid(x),
    "SparsePlus": lambda ops, x, y: ops.sparse_plus(4 * x - 2),
    "SparseSigmoid": lambda ops, x, y: ops.sparse_sigmoid(4 * x - 2),
    "Squareplus": lambda ops, x, y: ops.squareplus(4 * x - 2, b=3),
    "Threshold": lambda ops, x, y: ops.threshold(x, 0.4, -2),
    "Glu": lambda ops, x, y: ops.glu(x, axis=1) + ops.glu(y)[:, :2, :1],
    "Exp2": lambda ops, x, y: ops.exp2(x),
    "Log2": lambda ops, x, y: ops.log2(x + 0.1),
    "Log10": lambda ops, x, y: ops.log10(x + 0.1),
    "Log1p": lambda ops, x, y: ops.log1p(x),
    "Expm1": lambda ops, x, y: ops.expm1(x),
    "Logaddexp": lambda ops, x, y: ops.logaddexp(x, 3 * y),
    "Logsumexp": lambda ops, x, y: ops.logsumexp(x, axis=-1, keepdims=True),
    "Erf": lambda ops, x, y: ops.erf(x),
    "Erfc": lambda ops, x, y: ops.erfc(x),
    "Sin": lambda ops, x, y: ops.sin(x),
    "Cos": lambda ops, x, y: ops.cos(x),
    "Tan": lambda ops, x, y: ops.tan(x),
    "Sinh": lambda ops, x, y: ops.sinh(x),
    "Cosh": lambda ops, x, y: ops.cosh(x),
    "Arcsin": lambda ops, x, y: ops.arcsin(0.9 * x),
    "Arccos": lambda ops, x, y: ops.arccos(0.9 * x),
    "Arctan": lambda ops, x, y: ops.arctan(x),
    "Arctan2": lambda ops, x, y: ops.arctan2(x + 0.1, y + 0.1),
    "Arcsinh": lambda ops, x, y: ops.arcsinh(x),
    "Arccosh": lambda ops, x, y: ops.arccosh(x + 1.1),
    "Arctanh": lambda ops, x, y: ops.arctanh(0.9 * x),
    "Sign": lambda ops, x, y: ops.sign(x - 0.5) * y,
    "Floor": lambda ops, x, y: ops.floor(5 * x) * y,
    "Ceil": lambda ops, x, y: ops.ceil(5 * x) * y,
    "Round": lambda ops, x, y: ops.round(5 * x) * y + ops.round(x, decimals=1),
    "Reciprocal": lambda ops, x, y: ops.reciprocal(x + 0.5),
    "Greater": lambda ops, x, y: ops.where(x > 0.5, x, y),
    "GreaterEqual": lambda ops, x, y: ops.where(x >= y, x, 0.0),
    "Less": lambda ops, x, y: ops.where(x < 0.5, 2 * x, y),
    "LessEqual": lambda ops, x, y: ops.where(x <= y, x, ops.square(y)),
    "Where": lambda ops, x, y: ops.where(ops.greater(x, 0.5), x, 0.1 * x),
    "ZerosLike": lambda ops, x, y: ops.maximum(x - 0.5, ops.zeros_like(x)),
    "OnesLike": lambda ops, x, y: x + ops.ones_like(x),
    "Amax": lambda ops, x, y: ops.amax(x, axis=1),
    "Amin": lambda ops, x, y: ops.amin(x, axis=1, keepdims=True),
    "All": lambda ops, x, y: ops.cast(ops.all(x < 0.7, axis=-1), "float32"),
    "Prod": lambda ops, x, y: ops.prod(x + 0.5, axis=-1),
    "Std": lambda ops, x, y: ops.std(x, axis=-1),
    "Var": lambda ops, x, y: ops.var(x, axis=(1, 2), keepdims=True),
    "Flip": lambda ops, x, y: ops.flip(x, axis=1) * y + ops.flip(x, axis=(1, 2)),
    "Moveaxis": lambda ops, x, y: ops.moveaxis(ops.stack([x, y], axis=1), (1, -1), (-1, 1)),
    "Swapaxes": lambda ops, x, y: ops.swapaxes(x, -1, 1),
}
# TensorFlow's names for what the list above does not make
IN_KERAS2: dict[str, Any] = {
    "math.truediv": lambda tf, x, y: x / (y + 1.0),
    "nn.elu": lambda tf, x, y: tf.nn.elu(x - 0.5),
    "nn.silu": lambda tf, x, y: tf.nn.silu(x),
    "nn.gelu": lambda tf, x, y: tf.nn.gelu(x),
    "nn.softmax": lambda tf, x, y: tf.nn.softmax(x, axis=1),
    "math.reduce_mean": lambda tf, x, y: tf.reduce_mean(x, [1, 2], keepdims=True),
    "math.reduce_sum": lambda tf, x, y: tf.reduce_sum(input_tensor=x, axis=1),
    "concat": lambda tf, x, y: tf.concat([x, y], 1),
    "pad": lambda tf, x, y: tf.pad(x, [[0, 0], [1, 1], [0, 2]]),
    "clip_by_value": lambda tf, x, y: tf.clip_by_value(x, 0.2, clip_value_max=0.6),
    "identity": lambda tf, x, y: tf.identity(x),
    "stop_gradient": lambda tf, x, y: tf.stop_gradient(x) * y,
    "reshape": lambda tf, x, y: tf.reshape(x, [-1, 24]),
    "__operators__.getitem": lambda tf, x, y: x[:, 0, ..., 1:],
    "cast": lambda tf, x, y: tf.cast(x, tf.float32),
}


def test_every_operation_on_the_list_is_tested() -> None:
    assert set(IN_KERAS3) == KERAS3_NAMES
    assert set(IN_KERAS2) <= TENSORFLOW_NAMES


def test_every_activation_of_keras_3_that_is_an_operation_converts_but_sparsemax(
    keras3: Any,
) -> None:
    both = vars(keras3.activations).keys() & vars(keras3.ops).keys()
    names = {name for name in both if not name.startswith("_")}
    assert len(names) > 20
    more = {"threshold": (0.5, 0.0)}
    x = keras3.Input((4, 6))
    made = {name: getattr(keras3.ops, name)(x, *more.get(name, ())) for name in names}
    missing = {
        name
        for name, tensor in made.items()
        if type(tensor._keras_history.operation).__name__ not in KERAS3_NAMES
    }
    assert missing == {"sparsemax"}


@pytest.mark.parametrize("name", sorted(IN_KERAS3))
def test_an_operation_survives_the_way_to_keras_2_and_back(keras3: Any, name: str) -> None:
    x, y = keras3.Input((4, 6)), keras3.Input((4, 6))
    original = keras3.Model([x, y], IN_KERAS3[name](keras3.ops, x, y))
    there = convert_to_keras2(original)
    assert verify(there).output <= 1e-6
    assert verify(convert_to_keras3(there.model)).output <= 1e-6


@pytest.mark.parametrize("name", sorted(IN_KERAS2))
def test_a_tensorflow_function_in_a_graph_survives_the_way_to_keras_3(
    keras: Any, name: str
) -> None:
    import tensorflow as tf

    x, y = keras.Input((4, 6)), keras.Input((4, 6))
    model = keras.Model([x, y], [IN_KERAS2[name](tf, x, y), y + 1.0])
    assert any(getattr(layer, "symbol", "") for layer in model.layers)
    assert verify(convert_to_keras3(model)).output <= 1e-6


def test_an_operation_without_counterpart_is_named(keras3: Any) -> None:
    x = keras3.Input((4, 6))
    model = keras3.Model(x, keras3.ops.cumsum(x, axis=1))
    with pytest.raises(InputError) as caught:
        convert_to_keras2(model)
    assert str(caught.value).startswith("keras.ops operation Cumsum (in the graph as 'cumsum")
    assert str(caught.value).endswith(
        "has no counterpart in tf_keras, so the model can't be converted. Use a layer that does "
        "the same, for instance keras.layers.Add for x + y."
    )
