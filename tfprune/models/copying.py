"""Copies of networks, of users' own functions and classes too.

Keras rebuilds a layer from its configuration, where a function of the user's (an activation, an
initializer, a regularizer, a constraint) is no more than a name that leads nowhere. Here such
objects are taken out before the configuration is read, and handed to the copy as they are.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from tfprune.models.nested import leaf_layers

if TYPE_CHECKING:
    import tf_keras

_ROLES = ("activation", "initializer", "regularizer", "constraint")
_WITHIN = ("layer", "cell", "forward_layer", "backward_layer")  # attributes that hold a layer


def plain_copy(model: tf_keras.Model) -> tf_keras.Model:
    """Return a model of the same architecture and weights that shares no variable with it."""
    copy = clone(model)
    set_weights_of(model, copy)
    return copy


def set_weights_of(model: tf_keras.Model, copy: tf_keras.Model) -> None:
    """Give a copy the weights of the model that it was made of."""
    copy.set_weights(model.get_weights())
    for layer in leaf_layers(copy):
        if type(layer).__name__ == "Normalization":  # computes with constants made of its weights
            layer.finalize_state()


def clone(
    model: tf_keras.Model,
    change: Callable[[tf_keras.layers.Layer, dict[str, Any]], dict[str, Any]] | None = None,
    *,
    inputs: Any = None,
) -> tf_keras.Model:
    """Return a network of the same architecture, its weights newly initialised.

    change: called with each layer and its configuration; returns the one for the copy.
    inputs: the symbolic inputs of the copy, new ones of the same shapes where not given.
    """
    import tf_keras

    def copied(layer: tf_keras.layers.Layer) -> tf_keras.layers.Layer:
        graph = getattr(layer, "_is_graph_network", False)
        if graph or isinstance(layer, tf_keras.Sequential):
            return clone(layer, change)
        return copied_layer(layer, change)

    return tf_keras.models.clone_model(model, input_tensors=inputs, clone_function=copied)


def copied_layer(
    layer: tf_keras.layers.Layer,
    change: Callable[[tf_keras.layers.Layer, dict[str, Any]], dict[str, Any]] | None = None,
) -> tf_keras.layers.Layer:
    """Return a new, unbuilt layer of the same class and configuration, own functions included."""
    import tf_keras

    with _taken_out(layer) as own:
        config = layer.get_config()
        if change is not None:
            config = change(layer, config)
        with tf_keras.saving.custom_object_scope(_classes_within(layer)):
            copy = type(layer).from_config(config)
    parts = dict(_parts(copy))
    for (part, attribute), function in own.items():
        object.__setattr__(parts[part], attribute, function)
    if copy._activity_regularizer is None:  # which not every layer writes into its configuration
        copy._activity_regularizer = layer._activity_regularizer
    return copy


@contextlib.contextmanager
def _taken_out(layer: tf_keras.layers.Layer) -> Iterator[dict[tuple[str, str], Any]]:
    """Yield (part, attribute) -> function of the layer's own ones, replaced until the block ends.

    Built-in functions stand in their place, which a configuration can name.
    """
    import tf_keras

    own = {
        (name, attribute): value
        for name, part in _parts(layer)
        for attribute, value in vars(part).items()
        if attribute.rpartition("_")[2] in _ROLES and callable(value) and not _of_keras(value)
    }
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
