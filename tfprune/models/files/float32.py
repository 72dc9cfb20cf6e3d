"""A network of any precision as one that computes in float32, in which tfprune trains and compares.

Models come with `mixed_float16` (the usual way on GPUs), `float16`, `bfloat16` or `float64`. The
copy has their architecture and weights; the user's own object keeps its precision, and the pruned
weights go back into it.
"""

from __future__ import annotations

from typing import Any

from tfprune.models.files import graph2
from tfprune.models.files.convert import Conversion, replay
from tfprune.models.files.libraries import is_keras3_model
from tfprune.models.files.weights import values

_OTHER = ("float16", "bfloat16", "float64", "half", "double")


def precision_of(model: Any) -> str:
    """Return the precisions other than float32 in a model of either library, as `mixed_float16`."""
    layers = model._flatten_layers() if is_keras3_model(model) else graph2.leaves(model)
    policies = {layer.dtype_policy.name for layer in layers if _computes(layer)}
    return ", ".join(sorted(policies - {"float32"}))


def in_float32(model: Any) -> Conversion:
    """Return a tf_keras model as a copy whose inputs, weights and arithmetic are float32."""
    return replay(model, change=_changed, leaf=_as_float32)


def in_float32_keras3(model: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    """Return a Keras 3 model as a float32 copy, and its layers beside those of the original."""
    copy = type(model).from_config(_without("", model.get_config()))
    pairs = list(zip(model._flatten_layers(), copy._flatten_layers(), strict=True))
    for theirs, ours in zip(model.weights, copy.weights, strict=True):
        ours.assign(values(theirs).astype("float32"))
    return copy, pairs


def _computes(layer: Any) -> bool:
    """Whether a layer's precision touches floating numbers (an input's of integers does not)."""
    return layer.dtype_policy.name is not None and "float" in layer.dtype_policy.name


def _changed(layer: Any, config: dict[str, Any]) -> dict[str, Any]:
    return {key: _without(key, value) for key, value in config.items()}


def _without(key: str, value: Any) -> Any:
    """Return a part of a configuration with float32 in place of every other precision."""
    if key == "dtype":
        return "float32" if _names_other(value) else value
    if isinstance(value, dict):
        return {inner: _without(inner, part) for inner, part in value.items()}
    if isinstance(value, tuple):
        return tuple(_without("", part) for part in value)
    if isinstance(value, list):  # Keras's own kind of list too
        return [_without("", part) for part in value]
    return value


def _names_other(value: Any) -> bool:
    if isinstance(value, dict):
        value = (value.get("config") or {}).get("name", "")
    name = str(getattr(value, "name", value)).removeprefix("mixed_")
    return name in _OTHER


def _as_float32(value: Any) -> Any:
    """Return an argument of a call: types and constants of other precisions become float32."""
    import tensorflow as tf

    if isinstance(value, tf.DType):
        return tf.float32 if value.name in _OTHER else value
    if isinstance(value, str):
        return "float32" if value in _OTHER else value
    dtype = getattr(value, "dtype", None)
    if dtype is not None and getattr(dtype, "name", "") in _OTHER:
        return tf.cast(value, tf.float32)
    return value
