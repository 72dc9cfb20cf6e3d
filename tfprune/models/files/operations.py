"""Bare operations in functional graphs (`x + y`, `keras.ops.relu(x)`), in both directions.

Keras 3 keeps them as Operation objects, tf_keras as TFOpLambda layers around a TensorFlow
function. Each table row is a function of the library to build with, the operation and its
arguments. An operation without a row is refused; the names of the rows are also the operations
that a file may hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Builder = Callable[..., Any]


def _same(path: str) -> Builder:
    """Return a builder that calls the TensorFlow function `path` on the arguments as they are."""
    module, _, name = path.rpartition(".")

    def build(tf: Any, op: Any, *args: Any) -> Any:
        return getattr(getattr(tf, module), name)(*_of_one_type(args))

    return build


def _of_one_type(args: tuple[Any, ...]) -> list[Any]:
    """Return the arguments with whole numbers beside float tensors made floats, as Keras 3 does."""
    types = [a.dtype for a in args if hasattr(a, "dtype") and not isinstance(a, np.ndarray)]
    floats = [t for t in types if t.is_floating]
    if not floats:
        return list(args)
    kind = floats[0].as_numpy_dtype
    return [np.asarray(a, kind) if isinstance(a, int | np.ndarray) else a for a in args]


def _reduce(name: str) -> Builder:
    return lambda tf, op, x: getattr(tf.math, name)(x, axis=op.axis, keepdims=op.keepdims)


def _hard_sigmoid(tf: Any, x: Any) -> Any:
    return tf.math.multiply(tf.nn.relu6(tf.math.add(x, 3.0)), 1.0 / 6.0)


def _pad(tf: Any, op: Any, x: Any, constant_values: Any = None) -> Any:
    mode = op.mode.upper()
    if mode == "CONSTANT":
        return tf.pad(x, op.pad_width, constant_values=constant_values or 0)
    return tf.pad(x, op.pad_width, mode=mode)


# Keras 3 operation -> the same on tf_keras tensors; called with (tensorflow, operation, *inputs)
TO_KERAS2: dict[str, Builder] = {
    "Add": _same("math.add"),
    "Subtract": _same("math.subtract"),
    "Multiply": _same("math.multiply"),
    "Divide": _same("math.divide"),
    "TrueDivide": _same("math.divide"),
    "Maximum": _same("math.maximum"),
    "Minimum": _same("math.minimum"),
    "Power": _same("math.pow"),
    "Matmul": _same("linalg.matmul"),
    "Equal": _same("math.equal"),
    "NotEqual": _same("math.not_equal"),
    "LogicalAnd": _same("math.logical_and"),
    "LogicalOr": _same("math.logical_or"),
    "LogicalNot": _same("math.logical_not"),
    "Any": _reduce("reduce_any"),
    "Relu": _same("nn.relu"),
    "Relu6": _same("nn.relu6"),
    "Selu": _same("nn.selu"),
    "Sigmoid": _same("math.sigmoid"),
    "Tanh": _same("math.tanh"),
    "Softplus": _same("math.softplus"),
    "Softsign": _same("nn.softsign"),
    "Exp": _same("math.exp"),
    "Log": _same("math.log"),
    "Sqrt": _same("math.sqrt"),
    "Rsqrt": _same("math.rsqrt"),
    "Square": _same("math.square"),
    "Absolute": _same("math.abs"),
    "Abs": _same("math.abs"),
    "Negative": _same("math.negative"),
    "StopGradient": lambda tf, op, x: tf.stop_gradient(x),
    "Silu": lambda tf, op, x: tf.math.multiply(x, tf.math.sigmoid(x)),
    "HardSigmoid": lambda tf, op, x: _hard_sigmoid(tf, x),
    "HardSilu": lambda tf, op, x: tf.math.multiply(x, _hard_sigmoid(tf, x)),
    "Softmax": lambda tf, op, x: tf.nn.softmax(x, axis=-1 if op.axis is None else op.axis),
    "LogSoftmax": lambda tf, op, x: tf.nn.log_softmax(x, axis=-1 if op.axis is None else op.axis),
    "Gelu": lambda tf, op, x: tf.nn.gelu(x, approximate=op.approximate),
    "LeakyRelu": lambda tf, op, x: tf.nn.leaky_relu(x, alpha=op.negative_slope),
    "Mean": _reduce("reduce_mean"),
    "Sum": _reduce("reduce_sum"),
    "Max": _reduce("reduce_max"),
    "Min": _reduce("reduce_min"),
    "Reshape": lambda tf, op, x: tf.reshape(x, [-1 if d is None else d for d in op.newshape]),
    "Transpose": lambda tf, op, x: tf.transpose(x, perm=op.axes),
    "Concatenate": lambda tf, op, xs: tf.concat(list(xs), axis=op.axis),
    "Stack": lambda tf, op, xs: tf.stack(list(xs), axis=op.axis),
    "ExpandDims": lambda tf, op, x: tf.expand_dims(x, axis=op.axis),
    "Squeeze": lambda tf, op, x: tf.squeeze(x, axis=op.axis),
    "GetItem": lambda tf, op, x, key: x[tuple(key) if isinstance(key, list) else key],
    "Cast": lambda tf, op, x: tf.cast(x, op.dtype),
    "Clip": lambda tf, op, x: tf.clip_by_value(x, op.x_min, op.x_max),
    "Pad": _pad,
}


def _of_ops(name: str) -> Builder:
    return lambda ops, *args: getattr(ops, name)(*args)


def _clip(ops: Any, t: Any, clip_value_min: Any, clip_value_max: Any) -> Any:
    return ops.clip(t, clip_value_min, clip_value_max)


def _cast(ops: Any, x: Any, dtype: Any) -> Any:
    return ops.cast(x, dtype if isinstance(dtype, str) else dtype.name)


def _tf_pad(ops: Any, tensor: Any, paddings: Any, mode: str = "CONSTANT", value: Any = 0) -> Any:
    pads = tuple(tuple(int(n) for n in pair) for pair in paddings)
    return ops.pad(tensor, pads, mode=mode.lower(), constant_values=value or None)


# TensorFlow function in a TFOpLambda -> the same on Keras 3 tensors; called with keras.ops and the
# arguments in the order of the TensorFlow function
TO_KERAS3: dict[str, Builder] = {
    **{
        symbol: _of_ops(name)
        for symbol, name in {
            "math.add": "add",
            "__operators__.add": "add",
            "math.subtract": "subtract",
            "math.multiply": "multiply",
            "math.divide": "divide",
            "math.truediv": "divide",
            "math.maximum": "maximum",
            "math.minimum": "minimum",
            "math.pow": "power",
            "linalg.matmul": "matmul",
            "nn.relu": "relu",
            "nn.relu6": "relu6",
            "nn.selu": "selu",
            "nn.elu": "elu",
            "math.sigmoid": "sigmoid",
            "nn.sigmoid": "sigmoid",
            "math.tanh": "tanh",
            "nn.tanh": "tanh",
            "math.softplus": "softplus",
            "nn.softplus": "softplus",
            "nn.softsign": "softsign",
            "math.exp": "exp",
            "math.log": "log",
            "math.sqrt": "sqrt",
            "math.rsqrt": "rsqrt",
            "math.equal": "equal",
            "math.not_equal": "not_equal",
            "math.logical_and": "logical_and",
            "math.logical_or": "logical_or",
            "math.logical_not": "logical_not",
            "math.reduce_any": "any",
            "math.square": "square",
            "math.abs": "absolute",
            "math.negative": "negative",
            "math.reduce_mean": "mean",
            "math.reduce_sum": "sum",
            "math.reduce_max": "max",
            "math.reduce_min": "min",
            "expand_dims": "expand_dims",
            "squeeze": "squeeze",
        }.items()
    },
    "nn.silu": lambda ops, features, beta=1.0: ops.multiply(
        features, ops.sigmoid(ops.multiply(features, beta))
    ),
    "nn.swish": lambda ops, features, beta=1.0: ops.multiply(
        features, ops.sigmoid(ops.multiply(features, beta))
    ),
    "nn.softmax": lambda ops, logits, axis=None: ops.softmax(
        logits, axis=-1 if axis is None else axis
    ),
    "nn.log_softmax": lambda ops, logits, axis=None: ops.log_softmax(
        logits, axis=-1 if axis is None else axis
    ),
    "nn.gelu": lambda ops, features, approximate=False: ops.gelu(features, approximate=approximate),
    "nn.leaky_relu": lambda ops, features, alpha=0.2: ops.leaky_relu(
        features, negative_slope=alpha
    ),
    "reshape": lambda ops, tensor, shape: ops.reshape(tensor, tuple(shape)),
    "transpose": lambda ops, a, perm=None: ops.transpose(a, axes=perm),
    "concat": lambda ops, values, axis=-1: ops.concatenate(list(values), axis=axis),
    "stack": lambda ops, values, axis=0: ops.stack(list(values), axis=axis),
    "cast": _cast,
    "clip_by_value": _clip,
    "pad": _tf_pad,
    "identity": lambda ops, tensor: ops.multiply(tensor, 1),
    "stop_gradient": lambda ops, tensor: ops.stop_gradient(tensor),
}

KERAS3_NAMES = frozenset(TO_KERAS2)
TENSORFLOW_NAMES = frozenset(TO_KERAS3) | {"__operators__.getitem"}


def plain(symbol: str) -> str:
    """Return a TensorFlow symbol without the prefix of its version 1 home."""
    return symbol.removeprefix("compat.v1.")
