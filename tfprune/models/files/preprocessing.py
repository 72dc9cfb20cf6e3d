"""A network that takes images as they are stored: its normalisation as its own first layer."""

from __future__ import annotations

from typing import Any

from tfprune.data.images import Normalization
from tfprune.models.copying import replay
from tfprune.models.graph import leaf_layers
from tfprune.models.layer_names import unique
from tfprune.models.libraries import keras2, keras3


def with_preprocessing(model: Any, scale: Normalization) -> Any:
    """Return a tf_keras model as a copy that normalises its images itself; same weights.

    `scale` is what was done to images before `model` saw them. Modes `scale` and `symmetric` become
    a Rescaling layer, `standard` a Normalization layer, both without weights, before all others,
    which keep their names; models within the model come unfolded. For `none` it is `model` itself.
    """
    if scale.mode == "none":
        return model
    names = {layer.name for layer in leaf_layers(model)}
    return replay(model, front=_layer(keras2(), scale, names)).model


def around_keras3(model: Any, scale: Normalization) -> Any:
    """Return a Keras 3 model that normalises its images and hands them to `model`, as it is.

    The user's own object is part of it, with all of its own layers; see `with_preprocessing`.
    """
    if scale.mode == "none":
        return model
    library = keras3()
    (given,) = model.inputs
    inputs = library.Input(batch_shape=tuple(given.shape), dtype="float32", name=given.name)
    outputs = model(_layer(library, scale, {model.name, given.name})(inputs))
    return library.Model(inputs, outputs, name=f"{model.name}_with_preprocessing")


def _layer(library: Any, scale: Normalization, names: set[str]) -> Any:
    if scale.mode in ("scale", "symmetric"):  # the same for all channels
        return library.layers.Rescaling(
            1.0 / scale.std[0],
            offset=0.0 - scale.mean[0] / scale.std[0],
            dtype="float32",
            name=unique("rescaling", names),
        )
    return library.layers.Normalization(
        mean=list(scale.mean),
        variance=[std * std for std in scale.std],
        dtype="float32",
        name=unique("normalization", names),
    )
