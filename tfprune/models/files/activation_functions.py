"""Activation functions of Keras 3 that TensorFlow has under no name, out of operations it has.

Each is called as (tensorflow, x, its parameters): on the tensors of a graph, where every
operation becomes a step that converts back, and on values, as the activation of a tf_keras
layer. The formulas are those of `keras.activations` (Keras 3), whose defaults they bear.
"""

from __future__ import annotations

import math
from typing import Any


def hard_sigmoid(tf: Any, x: Any) -> Any:
    """Return relu6(x + 3) / 6, which Keras 2 calls by this name with another slope."""
    return tf.math.multiply(tf.nn.relu6(tf.math.add(x, 3.0)), 1.0 / 6.0)


def hard_silu(tf: Any, x: Any) -> Any:
    """Return x hard_sigmoid(x)."""
    return tf.math.multiply(x, hard_sigmoid(tf, x))


def silu(tf: Any, x: Any) -> Any:
    """Return x sigmoid(x)."""
    return tf.math.multiply(x, tf.math.sigmoid(x))


def _bent(tf: Any, x: Any, alpha: float, scale: float) -> Any:
    """Return x above 0 and alpha (exp(x / scale) - 1) below."""
    below = tf.math.minimum(x, 0.0)
    below = below if scale == 1 else tf.math.divide(below, scale)
    below = tf.math.expm1(below)
    below = below if alpha == 1 else tf.math.multiply(below, alpha)
    return tf.math.add(tf.math.maximum(x, 0.0), below)


def elu(tf: Any, x: Any, alpha: float = 1.0) -> Any:
    """Return x above 0 and alpha (exp(x) - 1) below."""
    return tf.nn.elu(x) if alpha == 1 else _bent(tf, x, alpha, 1.0)


def celu(tf: Any, x: Any, alpha: float = 1.0) -> Any:
    """Return x above 0 and alpha (exp(x / alpha) - 1) below."""
    return _bent(tf, x, alpha, alpha)


def hard_tanh(tf: Any, x: Any) -> Any:
    """Return x within [-1, 1], and the nearer end outside."""
    return tf.clip_by_value(x, -1.0, 1.0)


def sparse_sigmoid(tf: Any, x: Any) -> Any:
    """Return (x + 1) / 2 within [0, 1], and the nearer end outside."""
    return tf.math.multiply(tf.clip_by_value(tf.math.add(x, 1.0), 0.0, 2.0), 0.5)


def sparse_plus(tf: Any, x: Any) -> Any:
    """Return 0 below -1, (x + 1)^2 / 4 up to 1, and x above."""
    bow = tf.math.square(tf.clip_by_value(tf.math.add(x, 1.0), 0.0, 2.0))
    return tf.math.add(tf.math.multiply(bow, 0.25), tf.nn.relu(tf.math.subtract(x, 1.0)))


def squareplus(tf: Any, x: Any, b: float = 4.0) -> Any:
    """Return (x + sqrt(x^2 + b)) / 2."""
    root = tf.math.sqrt(tf.math.add(tf.math.square(x), float(b)))
    return tf.math.multiply(tf.math.add(x, root), 0.5)


def threshold(tf: Any, x: Any, threshold: float, default_value: float) -> Any:
    """Return x above the threshold, else the default value."""
    return tf.where(tf.math.greater(x, float(threshold)), x, float(default_value))


def hard_shrink(tf: Any, x: Any, threshold: float = 0.5) -> Any:
    """Return x where its size is above the threshold, else 0."""
    return tf.where(tf.math.greater(tf.math.abs(x), float(threshold)), x, 0.0)


def soft_shrink(tf: Any, x: Any, threshold: float = 0.5) -> Any:
    """Return x, drawn by the threshold towards 0, and 0 where it is nearer than that."""
    return tf.math.subtract(x, tf.clip_by_value(x, -float(threshold), float(threshold)))


def tanh_shrink(tf: Any, x: Any) -> Any:
    """Return x - tanh(x)."""
    return tf.math.subtract(x, tf.math.tanh(x))


def glu(tf: Any, x: Any, axis: int = -1) -> Any:
    """Return the first half of an axis times the sigmoid of the second."""
    axis %= len(x.shape)
    half = x.shape[axis] // 2
    before = [slice(None)] * axis
    first, second = x[(*before, slice(None, half))], x[(*before, slice(half, None))]
    return tf.math.multiply(first, tf.math.sigmoid(second))


def log_of_base(tf: Any, x: Any, base: float) -> Any:
    """Return the logarithm of x to a base."""
    return tf.math.multiply(tf.math.log(x), 1.0 / math.log(base))


def logaddexp(tf: Any, x: Any, y: Any) -> Any:
    """Return log(exp(x) + exp(y))."""
    apart = tf.math.negative(tf.math.abs(tf.math.subtract(x, y)))
    return tf.math.add(tf.math.maximum(x, y), tf.math.softplus(apart))
