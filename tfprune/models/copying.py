"""Copies of networks, of users' own functions and classes too.

Keras rebuilds a layer from its configuration, where a function of the user's (an activation, an
initializer, a regularizer, a constraint) is no more than a name that leads nowhere. Here such
objects are taken out before the configuration is read, and handed to the copy as they are.
Models within a model can be unfolded on the way: every layer stands in one graph then.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfprune.models.alike import (
    Change,
    check_answers,
    check_names,
    holds_own_layers,
    is_of_keras,
    make_alike,
    second_of,
)
from tfprune.models.graph import (
    functional,
    has_graph,
    is_model,
    leaf_layers,
    maker,
    map_tree,
    walk,
)
from tfprune.models.layer_names import called, spell, unique
from tfprune.models.libraries import keras2
from tfprune.models.weights import copy_layer

if TYPE_CHECKING:
    import tf_keras

_ROLES = ("activation", "initializer", "regularizer", "constraint")
_WITHIN = ("layer", "cell", "forward_layer", "backward_layer")  # attributes that hold a layer


def plain_copy(model: tf_keras.Model) -> tf_keras.Model:
    """Return a model of the same architecture and weights that shares no variable with it.

    What is trained of it is the same, too. Raises InputError where layers of the user's own are
    not the same when they are built a second time.
    """
    copy = clone(model)
    set_weights_of(model, copy)
    if holds_own_layers(model):
        check_names(model, copy)
        check_answers(model, copy)
    return copy


def check_copies(model: tf_keras.Model) -> None:
    """Raise InputError where a copy of a model would not be the same: training needs several."""
    if holds_own_layers(model):
        plain_copy(model)


def set_weights_of(model: tf_keras.Model, copy: tf_keras.Model) -> None:
    """Give a built copy the weights of the model that it was made of, and let it train the same.

    Both may be layers.
    """
    make_alike(model, copy)  # first: Keras lists weights in the order of what is trained
    copy.set_weights(model.get_weights())
    for layer in leaf_layers(copy) if is_model(copy) else [copy]:
        if type(layer).__name__ == "Normalization":  # computes with constants made of its weights
            layer.finalize_state()


def clone(
    model: tf_keras.Model,
    change: Change | None = None,
    *,
    inputs: Any = None,
) -> tf_keras.Model:
    """Return a network of the same architecture, its weights newly initialised.

    The same of it is trained, and its weights stand in the same order.

    change: called with each layer and its configuration; returns the one for the copy.
    inputs: the symbolic inputs of the copy, new ones of the same shapes where not given.
    """
    import tf_keras

    def copied(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        if has_graph(layer) or isinstance(layer, tf_keras.Sequential):
            return clone(layer, change)
        return copied_layer(layer, change)

    copy = tf_keras.models.clone_model(model, input_tensors=inputs, clone_function=copied)
    make_alike(model, copy)
    return copy


def copied_layer(
    layer: tf_keras.layers.Layer,
    change: Change | None = None,
) -> tf_keras.layers.Layer:
    """Return a new, unbuilt layer of the same class and configuration, own functions included."""
    import tf_keras

    known = tf_keras.saving.custom_object_scope(_classes_within(layer))
    with own_functions_taken_out(layer) as own, known:
        copy = second_of(layer, change)
    parts = dict(_parts(copy))
    for (part, attribute), function in own.items():
        object.__setattr__(parts[part], attribute, function)
    if copy._activity_regularizer is None:  # which not every layer writes into its configuration
        copy._activity_regularizer = layer._activity_regularizer
    return copy


@contextlib.contextmanager
def own_functions_taken_out(layer: tf_keras.layers.Layer) -> Iterator[dict[tuple[str, str], Any]]:
    """Yield (part, attribute) -> function of the layer's own ones, replaced until the block ends.

    Built-in functions stand in their place, which a configuration can name.
    """
    import tf_keras

    own = _own(layer)
    parts = dict(_parts(layer))
    try:
        for name, attribute in own:
            role = attribute.rpartition("_")[2]
            instead = tf_keras.activations.linear if role == "activation" else None
            object.__setattr__(parts[name], attribute, instead)
        yield own
    finally:
        for (name, attribute), value in own.items():
            object.__setattr__(parts[name], attribute, value)


def own_functions(layer: tf_keras.layers.Layer) -> tuple[str, ...]:
    """Return as what a layer holds functions of the user's own: activation, initializer, ..."""
    return tuple(attribute.rpartition("_")[2] for _, attribute in _own(layer))


def own_code(model: tf_keras.Model) -> str | None:
    """Return which layer of a model is of the user's own class, or holds a function of theirs."""
    for layer in leaf_layers(model):
        kind = type(layer).__name__
        if holds_own_layers(layer) or not is_of_keras(layer):
            return f"layer {called(layer)!r} ({kind}) is a class of your own"
        if roles := own_functions(layer):
            return f"layer {called(layer)!r} ({kind}) has a function of your own as {roles[0]}"
    return None


def _own(layer: tf_keras.layers.Layer) -> dict[tuple[str, str], Any]:
    """Return (part, attribute) -> function of a layer's that is not Keras's own."""
    return {
        (name, attribute): value
        for name, part in _parts(layer)
        for attribute, value in vars(part).items()
        if attribute.rpartition("_")[2] in _ROLES and callable(value) and not _of_keras(value)
    }


def _parts(layer: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Yield a layer and the layers that it was given, each with the way to it: `.layer.cell`."""
    yield name, layer
    for attribute in _WITHIN:
        given = getattr(layer, attribute, None)
        if hasattr(given, "get_config"):
            yield from _parts(given, f"{name}.{attribute}")
    for number, cell in enumerate(getattr(layer, "cells", None) or ()):
        yield from _parts(cell, f"{name}.cells{number}")


def _of_keras(value: Any) -> bool:
    """Whether a function or an object's class is part of tf_keras, which finds it by its name."""
    home = getattr(value, "__module__", None) if hasattr(value, "__name__") else None
    return str(home or type(value).__module__).startswith("tf_keras.")


def _classes_within(layer: tf_keras.layers.Layer) -> dict[str, type]:
    """Return name -> class of the layers inside a layer (a wrapper's, a cell) that users wrote."""
    return {
        type(part).__name__: type(part)
        for _, part in _parts(layer)
        if part is not layer and not type(part).__module__.startswith("tf_keras.")
    }


@dataclass(frozen=True)
class Conversion:
    """A converted network: `pairs` holds each source layer beside its new layer, in graph order.

    Layers that are shared in the source appear once and are shared in `model` too.
    """

    source: Any
    model: Any
    pairs: tuple[tuple[Any, Any], ...]

    @classmethod
    def of(cls, source: Any, model: Any, pairs: Sequence[tuple[Any, Any]]) -> Conversion:
        """Return the conversion after giving each new layer the weights of its source layer."""
        for old, new in pairs:
            if type(old) is type(new):
                make_alike(old, new)
            copy_layer(old, new)
        return cls(source, model, tuple(pairs))


def unfold(model: Any) -> Conversion:
    """Return a tf_keras model with its nested models unfolded, as a copy; same weights."""
    return replay(model)


def replay(
    model: Any,
    *,
    change: Change = lambda layer, config: config,
    leaf: Callable[[Any], Any] | None = None,
    front: Any = None,
) -> Conversion:
    """Return a tf_keras model as a copy without nested models; same weights.

    change: layer, its configuration -> the copy's. leaf: what becomes of the constants and types
    that the calls in the graph are given. front: a layer that the copy's input passes first.
    """
    graph = functional(model)
    library = keras2()
    taken: set[str] = {front.name} if front is not None else set()
    inputs = [
        library.Input(
            batch_shape=tuple(t.shape),
            dtype=leaf(t.dtype) if leaf else t.dtype,
            name=unique(maker(t).name, taken),
        )
        for t in graph.inputs
    ]
    layers = _Copies(taken, change)

    def apply(layer: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        if leaf is not None:
            args, kwargs = map_tree(leaf, args), map_tree(leaf, kwargs)
        return layers.of(layer)(*args, **kwargs)

    outputs = walk(model, inputs if front is None else [front(x) for x in inputs], apply)
    new = library.Model(one_or_all(inputs), one_or_all(outputs), name=spell(model.name))
    return Conversion.of(model, new, layers.pairs)


class _Copies:
    """New layers of the same library and class, custom ones included, made once for each."""

    def __init__(self, taken: set[str], change: Change) -> None:
        self._taken, self._change = taken, change
        self._made: dict[int, Any] = {}
        self.pairs: list[tuple[Any, Any]] = []

    def of(self, layer: Any) -> Any:
        """Return the copy of a layer."""
        if id(layer) not in self._made:
            name = unique(layer.name, self._taken)
            new = copied_layer(layer, lambda one, old: self._change(one, old) | {"name": name})
            self._made[id(layer)] = new
            self.pairs.append((layer, new))
        return self._made[id(layer)]


def one_or_all(tensors: list[Any]) -> Any:
    """Return the tensor of a list that holds one, the list of others."""
    return tensors[0] if len(tensors) == 1 else tensors


@dataclass(frozen=True, eq=False)
class Unfolded:
    """A model without models inside, and what its layers are called in the model it came from.

    names: layer -> its name in the nested model; they differ where two nested models have a layer
    of one name.
    """

    model: tf_keras.Model
    names: Mapping[str, str]


def unfolded(model: tf_keras.Model) -> Unfolded:
    """Return the model itself where it has no models inside, else an unfolded copy of it.

    The copy computes the same and shares no variable. Layers of a model that is called twice are
    shared by both places. Where a model without a graph of layers (a subclass of Model) is among
    the inner ones, all of them stay.
    """
    inner = list(_inner_models(model))
    if not inner or not all(has_graph(one) for one in inner):
        return Unfolded(model, {called(layer): called(layer) for layer in model.layers})
    conversion = unfold(model)
    return Unfolded(conversion.model, {called(new): called(old) for old, new in conversion.pairs})


def _inner_models(model: tf_keras.Model) -> Iterator[tf_keras.Model]:
    for layer in model.layers:
        if is_model(layer):
            yield layer
            yield from _inner_models(layer)
