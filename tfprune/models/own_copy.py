"""A network of our own, made after a given one: sizes settled, layers named by their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError
from tfprune.models.copying import clone, set_weights_of
from tfprune.models.files.reasons import reason

if TYPE_CHECKING:
    import tf_keras


def layer_names(model: tf_keras.Model) -> tuple[str, ...]:
    """Return the names of a model's layers by their place in the graph, input side first.

    The order follows from the graph alone: two networks that are wired alike list the same layers
    in the same order, whatever these are called.
    """
    return tuple(layer.name for layer in model.layers)


def settled(
    model: tf_keras.Model,
    *,
    input_shape: Sequence[int],
    names: Sequence[str] | None = None,
    always: bool = False,
) -> tf_keras.Model:
    """Return the model, or a copy of it where it leaves sizes open or its layers bear other names.

    input_shape: (height, width, channels) of the images; sizes that the model leaves open are set
        to it.
    names: what the layers are called, by place. Raises InputError where the model has another
        number of layers.
    always: copy in any case; the copy shares no variable with the model.
    """
    if names is not None and len(names) != len(model.layers):
        raise InputError(
            f"model {model.name!r} has {len(model.layers)} layers now, and had {len(names)} when "
            "the experiment was planned. Every seed needs the same architecture: let the function "
            "depend on its arguments alone."
        )
    wanted = tuple(names) if names is not None else layer_names(model)
    shapes = [tuple(tensor.shape) for tensor in model.inputs]
    fixed = len(shapes) != 1 or None not in shapes[0][1:]
    if not always and fixed and wanted == layer_names(model):
        return model
    try:
        return _copy(model, dict(zip(layer_names(model), wanted, strict=True)), input_shape)
    except Exception as error:  # a layer of the user's own raises anything
        raise InputError(
            f"model {model.name!r} can't be built a second time from the configuration of its "
            f"layers: {reason(error)}. A layer class of your own needs get_config() with every "
            "argument of its __init__."
        ) from error


def _copy(
    model: tf_keras.Model, names: dict[str, str], input_shape: Sequence[int]
) -> tf_keras.Model:
    import tf_keras

    def renamed(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "name": names.get(layer.name, layer.name)}

    inputs = []
    for tensor in model.inputs:
        name = tensor.node.layer.name
        shape = _fixed(tensor.shape, input_shape)
        inputs.append(tf_keras.Input(shape, dtype=tensor.dtype, name=names.get(name, name)))
    copy = clone(model, renamed, inputs=inputs[0] if len(inputs) == 1 else inputs)
    set_weights_of(model, copy)
    return copy


def _fixed(shape: Sequence[Any], image: Sequence[int]) -> list[Any]:
    """Return an input's shape without the batch, what it leaves open taken from the images."""
    sizes = list(shape)[1:]
    if len(sizes) != len(image):
        return sizes
    return [own if own is not None else size for own, size in zip(sizes, image, strict=True)]
