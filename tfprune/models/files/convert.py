"""Conversion of a whole network from one library to the other, weights included.

The functional graph is replayed with the layers of the other library in place of the originals.
Nested models are unfolded on the way, so that every layer of a pretrained base can be pruned and
compared; their layers keep their names, with a number appended where two would clash.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tfprune.errors import InputError
from tfprune.models.copying import copied_layer
from tfprune.models.files import graph2, graph3, operations
from tfprune.models.files.layer_config import (
    Direction,
    no_counterpart,
    rebuild,
    to_keras2_direction,
    to_keras3_direction,
)
from tfprune.models.files.libraries import keras2, keras3
from tfprune.models.files.names import clean, unique
from tfprune.models.files.weights import copy_layer

OPERATION_LAYERS = ("TFOpLambda", "SlicingOpLambda")


@dataclass(frozen=True)
class Conversion:
    """A converted network: `pairs` holds each source layer beside its new layer, in graph order.

    Layers that are shared in the source appear once and are shared in `model` too.
    """

    source: Any
    model: Any
    pairs: tuple[tuple[Any, Any], ...]


class _Layers:
    """The new layers of one conversion: made once for each source layer, names kept unique."""

    def __init__(self, direction: Direction, taken: set[str]) -> None:
        self.direction = direction
        self.taken = taken
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
        name = unique(layer.name, self.taken)
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
    graph = graph3.functional(model)
    library = keras2()
    taken: set[str] = set()
    inputs = [
        library.Input(
            batch_shape=tuple(t.shape),
            dtype=str(t.dtype),
            name=unique(t._keras_history.operation.name, taken),
        )
        for t in graph._inputs
    ]
    layers = _Layers(to_keras2_direction(), taken)

    def apply(operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        is_layer = isinstance(operation, keras3().layers.Layer)
        new = layers.of(operation) if is_layer else None
        return apply_to_keras2(new, operation, args, kwargs)

    outputs = graph3.walk(model, inputs, apply)
    new = library.Model(_one(inputs), _one(outputs), name=clean(model.name))
    return _with_weights(model, new, layers)


def convert_to_keras3(model: Any) -> Conversion:
    """Return a tf_keras model as a functional Keras 3 model with the same weights.

    A `training=` fixed in the graph is dropped: Keras 3 has no such thing. Raises InputError
    for subclassed models, custom layers and options without counterpart.
    """
    graph = graph2.functional(model)
    library = keras3()
    taken: set[str] = set()
    inputs = [
        library.Input(
            batch_shape=tuple(t.shape), dtype=t.dtype.name, name=unique(t.node.layer.name, taken)
        )
        for t in graph2.flatten(graph._nested_inputs)
    ]
    layers = _Layers(to_keras3_direction(), taken)

    def apply(layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        new = None if type(layer).__name__ in OPERATION_LAYERS else layers.of(layer)
        kwargs = {k: v for k, v in kwargs.items() if k != "training"}
        return apply_to_keras3(new, layer, args, kwargs)

    outputs = graph2.walk(model, inputs, apply)
    _name_apart(outputs, taken)
    new = library.Model(_one(inputs), _one(outputs), name=clean(model.name))
    return _with_weights(model, new, layers)


def _name_apart(outputs: list[Any], taken: set[str]) -> None:
    """Give Keras 3 operations, which name themselves, names that no layer of the model has."""
    seen: set[int] = set()
    tensors = list(outputs)
    while tensors:
        operation = tensors.pop()._keras_history.operation
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        if not isinstance(operation, keras3().layers.Layer):
            operation.name = unique(operation.name, taken)
        for node in operation._inbound_nodes:
            tensors += node.input_tensors


def unfold(model: Any) -> Conversion:
    """Return a tf_keras model with its nested models unfolded, as a copy; same weights."""
    return replay(model)


def replay(
    model: Any,
    *,
    change: Callable[[Any, dict[str, Any]], dict[str, Any]] = lambda layer, config: config,
    leaf: Callable[[Any], Any] | None = None,
) -> Conversion:
    """Return a tf_keras model as a copy without nested models; same weights.

    change: layer, its configuration -> the copy's. leaf: what becomes of the constants and types
    that the calls in the graph are given.
    """
    graph = graph2.functional(model)
    library = keras2()
    taken: set[str] = set()
    inputs = [
        library.Input(
            batch_shape=tuple(t.shape),
            dtype=leaf(t.dtype) if leaf else t.dtype,
            name=unique(t.node.layer.name, taken),
        )
        for t in graph2.flatten(graph._nested_inputs)
    ]
    layers = _Copies(taken, change)

    def apply(layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if leaf is not None:
            args, kwargs = graph2.map_tree(leaf, args), graph2.map_tree(leaf, kwargs)
        return layers.of(layer)(*args, **kwargs)

    outputs = graph2.walk(model, inputs, apply)
    new = library.Model(_one(inputs), _one(outputs), name=model.name)
    return _with_weights(model, new, layers)


class _Copies(_Layers):
    """New layers of the same library and class, custom ones included."""

    def __init__(
        self, taken: set[str], change: Callable[[Any, dict[str, Any]], dict[str, Any]]
    ) -> None:
        self.taken = taken
        self.change = change
        self.made = {}
        self.pairs = []

    def of(self, layer: Any) -> Any:
        if id(layer) not in self.made:
            name = unique(layer.name, self.taken)
            new = copied_layer(layer, lambda one, old: self.change(one, old) | {"name": name})
            self.made[id(layer)] = new
            self.pairs.append((layer, new))
        return self.made[id(layer)]


def _one(tensors: list[Any]) -> Any:
    return tensors[0] if len(tensors) == 1 else tensors


def _with_weights(source: Any, new: Any, layers: _Layers) -> Conversion:
    for old_layer, new_layer in layers.pairs:
        copy_layer(old_layer, new_layer)
    return Conversion(source, new, tuple(layers.pairs))
