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

from tfprune.models.files import activation_functions as curves

Builder = Callable[..., Any]


def _same(path: str) -> Builder:
    """Return a builder that calls the TensorFlow function `path` on the arguments as they are."""
    module, _, name = path.rpartition(".")

    def build(tf: Any, op: Any, *args: Any) -> Any:
        return getattr(getattr(tf, module) if module else tf, name)(*_of_one_type(args))

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


def _curve(function: Callable[..., Any], *parameters: str) -> Builder:
    """Return a builder that calls a function of ours, given the operation's own parameters."""
    return lambda tf, op, *args: function(tf, *args, *(getattr(op, name) for name in parameters))


def _moved(tf: Any, op: Any, x: Any) -> Any:
    order = list(range(len(x.shape)))
    places = {
        to % len(order): at % len(order) for at, to in zip(op.source, op.destination, strict=True)
    }
    rest = iter(at for at in order if at not in places.values())
    return tf.transpose(x, perm=[places[to] if to in places else next(rest) for to in order])


def _swapped(tf: Any, op: Any, x: Any) -> Any:
    order = list(range(len(x.shape)))
    order[op.axis1], order[op.axis2] = order[op.axis2], order[op.axis1]
    return tf.transpose(x, perm=order)


def _round(tf: Any, op: Any, x: Any) -> Any:
    if op.decimals == 0:
        return tf.math.round(x)
    factor = 10.0**op.decimals
    return tf.math.divide(tf.math.round(tf.math.multiply(x, factor)), factor)


def _pad(tf: Any, op: Any, x: Any, constant_values: Any = None) -> Any:
    mode = op.mode.upper()
    if mode == "CONSTANT":
        return tf.pad(x, op.pad_width, constant_values=constant_values or 0)
    return tf.pad(x, op.pad_width, mode=mode)


# what both libraries have as one function of values at their places:
# Keras 3 operation -> (its name in keras.ops, the TensorFlow function)
_AT_ITS_PLACE = {
    "Arccos": ("arccos", "math.acos"),
    "Arccosh": ("arccosh", "math.acosh"),
    "Arcsin": ("arcsin", "math.asin"),
    "Arcsinh": ("arcsinh", "math.asinh"),
    "Arctan": ("arctan", "math.atan"),
    "Arctan2": ("arctan2", "math.atan2"),
    "Arctanh": ("arctanh", "math.atanh"),
    "Ceil": ("ceil", "math.ceil"),
    "Cos": ("cos", "math.cos"),
    "Cosh": ("cosh", "math.cosh"),
    "Erf": ("erf", "math.erf"),
    "Erfc": ("erfc", "math.erfc"),
    "Expm1": ("expm1", "math.expm1"),
    "Floor": ("floor", "math.floor"),
    "Greater": ("greater", "math.greater"),
    "GreaterEqual": ("greater_equal", "math.greater_equal"),
    "Less": ("less", "math.less"),
    "LessEqual": ("less_equal", "math.less_equal"),
    "Log1p": ("log1p", "math.log1p"),
    "LogSigmoid": ("log_sigmoid", "math.log_sigmoid"),
    "OnesLike": ("ones_like", "ones_like"),
    "Reciprocal": ("reciprocal", "math.reciprocal"),
    "Sign": ("sign", "math.sign"),
    "Sin": ("sin", "math.sin"),
    "Sinh": ("sinh", "math.sinh"),
    "Tan": ("tan", "math.tan"),
    "Where": ("where", "where"),
    "ZerosLike": ("zeros_like", "zeros_like"),
}

# Keras 3 operation -> the same on tf_keras tensors; called with (tensorflow, operation, *inputs)
TO_KERAS2: dict[str, Builder] = {
    **{name: _same(path) for name, (_, path) in _AT_ITS_PLACE.items()},
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
    "Silu": _curve(curves.silu),
    "HardSigmoid": _curve(curves.hard_sigmoid),
    "HardSilu": _curve(curves.hard_silu),
    "HardTanh": _curve(curves.hard_tanh),
    "Elu": _curve(curves.elu, "alpha"),
    "Celu": _curve(curves.celu, "alpha"),
    "SparseSigmoid": _curve(curves.sparse_sigmoid),
    "SparsePlus": _curve(curves.sparse_plus),
    "Squareplus": _curve(curves.squareplus, "b"),
    "Threshold": _curve(curves.threshold, "threshold", "default_value"),
    "HardShrink": _curve(curves.hard_shrink, "threshold"),
    "SoftShrink": _curve(curves.soft_shrink, "threshold"),
    "TanhShrink": _curve(curves.tanh_shrink),
    "Glu": _curve(curves.glu, "axis"),
    "Log2": lambda tf, op, x: curves.log_of_base(tf, x, 2.0),
    "Log10": lambda tf, op, x: curves.log_of_base(tf, x, 10.0),
    "Exp2": lambda tf, op, x: tf.math.pow(2.0, x),
    "Logaddexp": _curve(curves.logaddexp),
    "Round": _round,
    "Softmax": lambda tf, op, x: tf.nn.softmax(x, axis=-1 if op.axis is None else op.axis),
    "LogSoftmax": lambda tf, op, x: tf.nn.log_softmax(x, axis=-1 if op.axis is None else op.axis),
    "Gelu": lambda tf, op, x: tf.nn.gelu(x, approximate=op.approximate),
    "LeakyRelu": lambda tf, op, x: tf.nn.leaky_relu(x, alpha=op.negative_slope),
    "Mean": _reduce("reduce_mean"),
    "Sum": _reduce("reduce_sum"),
    "Max": _reduce("reduce_max"),
    "Min": _reduce("reduce_min"),
    "Amax": _reduce("reduce_max"),
    "Amin": _reduce("reduce_min"),
    "All": _reduce("reduce_all"),
    "Prod": _reduce("reduce_prod"),
    "Std": _reduce("reduce_std"),
    "Var": _reduce("reduce_variance"),
    "Logsumexp": _reduce("reduce_logsumexp"),
    "Flip": lambda tf, op, x: tf.reverse(x, [op.axis] if isinstance(op.axis, int) else op.axis),
    "Moveaxis": _moved,
    "Swapaxes": _swapped,
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
    **{path: _of_ops(name) for name, path in _AT_ITS_PLACE.values()},
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
            "math.reduce_all": "all",
            "math.reduce_prod": "prod",
            "math.reduce_std": "std",
            "math.reduce_variance": "var",
            "math.reduce_logsumexp": "logsumexp",
            "math.round": "round",
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
    "reverse": lambda ops, tensor, axis: ops.flip(tensor, axis=[int(n) for n in np.ravel(axis)]),
    "identity": lambda ops, tensor: ops.multiply(tensor, 1),
    "stop_gradient": lambda ops, tensor: ops.stop_gradient(tensor),
}

KERAS3_NAMES = frozenset(TO_KERAS2)
TENSORFLOW_NAMES = frozenset(TO_KERAS3) | {"__operators__.getitem"}


def plain(symbol: str) -> str:
    """Return a TensorFlow symbol without the prefix of its version 1 home."""
    return symbol.removeprefix("compat.v1.")
