"""The way back: pruned weights in the user's own model, and tf_keras models as Keras 3."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files import activations, origin
from tfprune.models.files.convert import convert_to_keras3
from tfprune.models.files.graph2 import functional
from tfprune.models.files.libraries import keras2
from tfprune.models.files.origin import Origin
from tfprune.models.files.reasons import reason
from tfprune.models.files.saving import replacing, save
from tfprune.models.files.verify import verify
from tfprune.models.files.weights import copy_layer


def to_keras3(model: Any) -> Any:
    """Return a tf_keras model as a new Keras 3 model with the same weights, verified.

    Raises InputError naming the layer that has no counterpart in Keras 3, or where the two
    answer differently. A `training=` fixed in the graph, which Keras 3 can't express, is dropped;
    such a model is verified in inference only.
    """
    activations.register()
    try:
        conversion = convert_to_keras3(model)
        verify(conversion, training=not _fixes_training(model))
    except InputError:
        raise
    except Exception as error:  # layers raise anything when they are built or called
        raise InputError(
            f"model {model.name!r} can't be converted to Keras 3: {reason(error)}. Write it as "
            "'keras' or 'savedmodel' instead."
        ) from error
    return conversion.model


def in_source(model: Any, given: Origin) -> Any:
    """Return the user's own model with the weights of `model` written into it.

    `model` is the tf_keras model that came with `given` (or a pruned, stripped copy of it with
    the same layer names). Without a source model in `given` it is returned itself. Raises
    InputError when a layer is missing.
    """
    if given.source_model is None:
        return model
    layers = {layer.name: layer for layer in model.layers}
    for link in given.links:
        if link.target_name not in layers:
            raise InputError(
                f"model {model.name!r} has no layer {link.target_name!r}, which the model from "
                f"{given.path!r} has: it is not a pruned version of that model."
            )
        copy_layer(layers[link.target_name], link.source)
    return given.source_model


def write_back(model: Any, given: Origin, path: str | os.PathLike[str]) -> Path:
    """Write a pruned, stripped tf_keras model in the form in which the user's model came.

    A model that came as Keras 3 leaves as Keras 3: its own object, with the pruned weights in;
    nested models are nested again. The optimizer is not part of it. Returns the path written.
    Raises InputError when the ending of `path` does not fit the form.
    """
    path = Path(path)
    suffix = origin.SUFFIXES.get(given.kind)
    if suffix is None:
        suffix = "" if given.kind == origin.SAVEDMODEL else ".keras"
    if path.suffix != suffix:
        wanted = f"a name ending in {suffix}" if suffix else "the name of a folder, without ending"
        raise InputError(
            f"the model came as {given.kind}, so it is written back to {wanted}; got {str(path)!r}."
        )
    with replacing(path) as temporary:
        save(in_source(model, given), temporary)
    return path


def _fixes_training(model: Any) -> bool:
    models = [functional(model)]
    while models:
        one = models.pop()
        for nodes in one._nodes_by_depth.values():
            for node in nodes:
                if not node.is_input and node.call_kwargs.get("training") is not None:
                    return True
                if isinstance(node.layer, keras2().Model):
                    models.append(functional(node.layer))
    return False
