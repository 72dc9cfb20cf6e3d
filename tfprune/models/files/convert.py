"""Conversion of a whole network from one library to the other, weights included.

The functional graph is replayed with the layers of the other library in place of the originals.
Nested models are unfolded on the way, so that every layer of a pretrained base can be pruned and
compared; their layers keep their names, with a number appended where two would clash.

Models of another precision (`mixed_float16`, `float16`, `bfloat16`, `float64`) become copies that
compute in float32, in which tfprune trains and compares; the user's own object keeps its
precision, and the pruned weights go back into it.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tfprune.errors import InputError
from tfprune.models.copying import Conversion, one_or_all, replay
from tfprune.models.files import operations
from tfprune.models.files.layer_config import (
    Direction,
    no_counterpart,
    rebuild,
    to_keras2_direction,
    to_keras3_direction,
)
from tfprune.models.graph import functional, leaf_layers, maker, operations_behind, walk
from tfprune.models.layer_names import clean, spell, unique
from tfprune.models.libraries import is_keras3_model, keras2, keras3
from tfprune.models.weights import values

OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda")


class _Layers:
    """The new layers of one conversion: made once for each source layer, names kept unique."""

    def __init__(self, direction: Direction, taken: set[str], spelt: Callable[[str], str]) -> None:
        self.direction = direction
        self.taken, self.spelt = taken, spelt
        self.made: dict[int, Any] = {}
        self.pairs: list[tuple[Any, Any]] = []

    def of(self, layer: Any) -> Any:
        """Return the new layer that stands for `layer`."""
        if id(layer) not in self.made:
            kind = type(layer)
            home = self.direction.source.__name__
            if not kind.__module__.startswith(f"{home}."):
                raise no_counterpart(kind.__name__, layer.name, self.direction)
            new = self._rebuilt(layer, kind.__name__)
            self.made[id(layer)] = new
            self.pairs.append((layer, new))
        return self.made[id(layer)]

    def _rebuilt(self, layer: Any, kind: str) -> Any:
        name = unique(layer.name, self.taken, self.spelt)
        if kind == "Lambda":  # whoever loaded it trusts its code; verification runs it
            function, arguments = layer.function, layer.arguments
            return self.direction.target.layers.Lambda(function, arguments=arguments, name=name)
        config = self.direction.source.saving.serialize_keras_object(layer)["config"]
        return rebuild(kind, {**config, "name": name}, self.direction)


def apply_to_keras2(new_layer: Any, operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Return what a Keras 3 operation gives on tf_keras tensors, symbolic or not."""
    if new_layer is not None:
        return new_layer(*args, **kwargs)
    import tensorflow as tf

    kind = type(operation).__name__
    build = operations.TO_KERAS2.get(kind)
    if build is None:
        raise _no_operation(f"keras.ops operation {kind}", operation.name, "tf_keras")
    return build(tf, operation, *args, **kwargs)


def apply_to_keras3(new_layer: Any, layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """Return what a tf_keras layer or operation gives on Keras 3 tensors, symbolic or not."""
    if new_layer is not None:
        if isinstance(args[0], list | tuple) and _is_recurrent(layer):
            (first, *states), *others = args
            return new_layer(first, *others, **kwargs, initial_state=states)
        return new_layer(*args, **kwargs)
    kind = type(layer).__name__
    symbol = operations.plain(layer.symbol or "")
    if kind == "SlicingOpLambda":
        bound = inspect.signature(layer.function).bind(*args, **kwargs).arguments
        tensor, key = list(bound.values())[:2]
        return tensor[_slices(key)]
    build = operations.TO_KERAS3.get(symbol)
    if build is None:
        raise _no_operation(f"TensorFlow operation {symbol!r}", layer.name, "Keras 3")
    return build(keras3().ops, *_positional(layer.function, args, kwargs))


def _is_recurrent(layer: Any) -> bool:
    """Whether a layer of tf_keras takes its first states beside its input, in one list."""
    kinds = keras2().layers
    return isinstance(layer, kinds.RNN | kinds.Bidirectional)


def _no_operation(what: str, name: str, library: str) -> InputError:
    return InputError(
        f"{what} (in the graph as {name!r}) has no counterpart in {library}, so the model can't "
        "be converted. Use a layer that does the same, for instance keras.layers.Add for x + y."
    )


def _positional(function: Any, args: list[Any], kwargs: dict[str, Any]) -> list[Any]:
    """Return the arguments of a call in the order of the function's signature, `name` left out."""
    signature = inspect.signature(function)
    bound = signature.bind(*args, **{k: v for k, v in kwargs.items() if k != "name"})
    bound.apply_defaults()
    given = [(n, v) for n, v in bound.arguments.items() if n != "name"]
    while given and given[-1][1] is signature.parameters[given[-1][0]].default:
        given.pop()
    return [value for _, value in given]


def _slices(key: Any) -> Any:
    if isinstance(key, dict) and "start" in key:
        return slice(key["start"], key["stop"], key["step"])
    if isinstance(key, list | tuple):
        return tuple(_slices(item) for item in key)
    return Ellipsis if isinstance(key, str) and key == "..." else key


def convert_to_keras2(model: Any) -> Conversion:
    """Return a Keras 3 model as a functional tf_keras model with the same weights.

    Raises InputError for subclassed models, custom layers and options without counterpart.
    """
    graph = functional(model)
    library = keras2()
    taken: set[str] = set()
    inputs = [
        library.Input(
            batch_shape=tuple(t.shape),
            dtype=str(t.dtype),
            name=unique(maker(t).name, taken),
        )
        for t in graph.inputs
    ]
    layers = _Layers(to_keras2_direction(), taken, spell)

    def apply(operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        is_layer = isinstance(operation, keras3().layers.Layer)
        new = layers.of(operation) if is_layer else None
        return apply_to_keras2(new, operation, args, kwargs)

    outputs = walk(model, inputs, apply)
    new = library.Model(one_or_all(inputs), one_or_all(outputs), name=spell(model.name))
    return Conversion.of(model, new, layers.pairs)


def convert_to_keras3(model: Any) -> Conversion:
    """Return a tf_keras model as a functional Keras 3 model with the same weights.

    A `training=` fixed in the graph is dropped: Keras 3 has no such thing. Raises InputError
    for subclassed models, custom layers and options without counterpart.
    """
    graph = functional(model)
    library = keras3()
    taken: set[str] = set()
    inputs = [
        library.Input(
            batch_shape=tuple(t.shape), dtype=t.dtype.name, name=unique(maker(t).name, taken, clean)
        )
        for t in graph.inputs
    ]
    layers = _Layers(to_keras3_direction(), taken, clean)

    def apply(layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        new = None if type(layer).__name__ in OPERATION_LAYERS else layers.of(layer)
        kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        return apply_to_keras3(new, layer, args, kwargs)

    outputs = walk(model, inputs, apply)
    _name_apart(outputs, taken)
    new = library.Model(one_or_all(inputs), one_or_all(outputs), name=clean(model.name))
    return Conversion.of(model, new, layers.pairs)


def _name_apart(outputs: list[Any], taken: set[str]) -> None:
    """Give Keras 3 operations, which name themselves, names that no layer of the model has."""
    for operation in operations_behind(outputs):
        if not isinstance(operation, keras3().layers.Layer):
            operation.name = unique(operation.name, taken, clean)


_OTHER = ("float16", "bfloat16", "float64", "half", "double")


def precision_of(model: Any) -> str:
    """Return the precisions other than float32 in a model of either library, as `mixed_float16`."""
    layers = model._flatten_layers() if is_keras3_model(model) else leaf_layers(model)
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
