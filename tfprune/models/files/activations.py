"""Activation functions that one library lacks or defines differently.

Keras 3's hard_sigmoid is relu6(x + 3) / 6, Keras 2's is clip(0.2 x + 0.5, 0, 1); a dozen others
exist in Keras 3 alone. They are given to the other library as registered functions named
`<name>_keras3` or `<name>_keras2`, so that a saved tf_keras model loads again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files.allowed import ACTIVATIONS_BOTH
from tfprune.models.files.libraries import keras2, keras3

PACKAGE = "tfprune"


@cache
def for_keras2() -> dict[str, Callable[[Any], Any]]:
    """Return Keras 3's own activations, by their Keras 3 name, for use in tf_keras layers."""
    import tensorflow as tf

    def hard_sigmoid(x: Any) -> Any:
        return tf.nn.relu6(x + 3.0) / 6.0

    functions: dict[str, Callable[[Any], Any]] = {
        "hard_sigmoid": hard_sigmoid,
        "hard_silu": lambda x: x * hard_sigmoid(x),
        "leaky_relu": lambda x: tf.nn.leaky_relu(x, alpha=0.2),
        "relu6": lambda x: tf.nn.relu6(x),
        "log_softmax": lambda x: tf.nn.log_softmax(x, axis=-1),
        "log_sigmoid": lambda x: tf.math.log_sigmoid(x),
        "celu": lambda x: tf.maximum(x, 0.0) + tf.math.expm1(tf.minimum(x, 0.0)),
        "hard_tanh": lambda x: tf.clip_by_value(x, -1.0, 1.0),
        "hard_shrink": lambda x: tf.where(tf.abs(x) > 0.5, x, tf.zeros_like(x)),
        "soft_shrink": lambda x: tf.sign(x) * tf.maximum(tf.abs(x) - 0.5, 0.0),
        "tanh_shrink": lambda x: x - tf.tanh(x),
        "sparse_plus": lambda x: tf.where(
            x <= -1.0, tf.zeros_like(x), tf.where(x < 1.0, 0.25 * tf.square(x + 1.0), x)
        ),
        "squareplus": lambda x: (x + tf.sqrt(tf.square(x) + 4.0)) / 2.0,
    }
    functions = {k: _registered(keras2(), f"{k}_keras3", f) for k, f in functions.items()}
    functions["hard_swish"] = functions["hard_silu"]
    return functions


@cache
def hard_sigmoid_keras2() -> Callable[[Any], Any]:
    """Return Keras 2's hard_sigmoid, clip(0.2 x + 0.5, 0, 1), for use in Keras 3 layers."""
    ops = keras3().ops
    return _registered(keras3(), "hard_sigmoid_keras2", lambda x: ops.clip(0.2 * x + 0.5, 0.0, 1.0))


def _registered(library: Any, name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    function.__name__ = function.__qualname__ = name
    registered: Callable[[Any], Any] = library.saving.register_keras_serializable(PACKAGE)(function)
    return registered


def register() -> None:
    """Make the functions above known to both libraries, so that their loaders find them."""
    for_keras2()
    hard_sigmoid_keras2()


def to_keras2(name: str) -> Any:
    """Return what tf_keras takes for the Keras 3 activation `name`; InputError if nothing does."""
    name = name.rpartition(">")[2]
    if name in ACTIVATIONS_BOTH:
        return name
    if name in ("silu", "swish"):
        return "swish"
    if name == "hard_sigmoid_keras2":
        return "hard_sigmoid"
    if name in for_keras2():
        return for_keras2()[name]
    raise _unknown(name, "tf_keras")


def to_keras3(name: str) -> Any:
    """Return what Keras 3 takes for the tf_keras activation `name`; InputError if nothing does."""
    name = name.rpartition(">")[2]
    if name in ACTIVATIONS_BOTH:
        return name
    if name in ("silu", "swish"):
        return "silu"
    if name == "hard_sigmoid":
        return hard_sigmoid_keras2()
    if name in ("relu6", "leaky_relu"):  # saved by name from tf.nn; same meaning
        return name
    if name.removesuffix("_keras3") in for_keras2():
        return name.removesuffix("_keras3")
    raise _unknown(name, "Keras 3")


def _unknown(name: str, library: str) -> InputError:
    return InputError(
        f"activation {name!r} has no counterpart in {library}, so the model can't be converted. "
        "Use an activation that both have, for instance relu, or build the model in tf_keras."
    )
