"""From what a user types for `--model` to a model."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.errors import unknown_name
from tfprune.models.names import MODELS
from tfprune.models.nested import unfolded

if TYPE_CHECKING:
    from collections.abc import Sequence

    import tf_keras

    from tfprune.models.files import Origin

_SUFFIXES = (".keras", ".h5", ".hdf5")
_APPLICATIONS = "applications/"


def build_model(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
    trust: bool = False,
    layer_names: Sequence[str] | None = None,
) -> tf_keras.Model:
    """A tf_keras functional model for images of `input_shape` and `n_classes` classes.

    name: one of `MODELS`; a saved Keras model (a path that exists, that has a folder in it, or
        that ends in .keras, .h5 or .hdf5); `applications/NAME` of Keras; or
        `package.module:function`, called with (input_shape, n_classes).
    input_shape: (height, width, channels). n_classes: at least 2.
    seed: of the initial weights. Built-in models draw each layer's from (seed, layer name) and
        return logits. Functions and applications run with the global generators seeded by it. A
        saved model keeps the weights in its file whatever the seed.
    trust: whether a saved model may run code of its own while it loads.
    layer_names: what the layers are called, by place in the graph: those of the network that an
        experiment was planned with, where a function names its layers differently at every call.

    Models within the model come unfolded: every layer stands in one graph. Layers that Keras
    names by itself are called as in a process that builds nothing else. A function's network is
    copied, so that one that it keeps and returns again is not trained. Image sizes that a model
    leaves open are those of `input_shape`.

    Raises InputError for an unknown name, with the nearest ones, and for a model that does not
    fit the images or the classes.
    """
    return build(
        name,
        input_shape=input_shape,
        n_classes=n_classes,
        seed=seed,
        trust=trust,
        layer_names=layer_names,
    ).model


@dataclass(frozen=True)
class Built:
    """A model, and the precision in which the user's own computes where that is not float32."""

    model: tf_keras.Model
    precision: str = ""


def build(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
    trust: bool = False,
    layer_names: Sequence[str] | None = None,
) -> Built:
    """Return what `build_model` does, beside what else is known of a user's model."""
    from tfprune.models.automatic_names import counted_from_zero
    from tfprune.models.own_copy import settled

    with counted_from_zero():
        if name in MODELS:
            model = unfolded(MODELS.get(name)(input_shape, n_classes, seed=seed)).model
            return Built(settled(model, input_shape=input_shape, names=layer_names))
        model, origin = _users_model(name, input_shape, n_classes, seed=seed, trust=trust)
        always = not is_file(name) and origin.source_model is None  # the object of a function
        own = settled(model, input_shape=input_shape, names=layer_names, always=always)
        return Built(own, origin.precision)


def is_file(name: str) -> bool:
    """Whether a model's name means a saved model: a path that exists or looks like one."""
    if name in MODELS or name.startswith(_APPLICATIONS):
        return False
    looks = os.sep in name or name.lower().endswith(_SUFFIXES)
    return looks or (name != "" and Path(name).exists())


def _users_model(
    name: str, input_shape: tuple[int, int, int], n_classes: int, *, seed: int, trust: bool
) -> tuple[tf_keras.Model, Origin]:
    application, file = name.startswith(_APPLICATIONS), is_file(name)
    if not application and not file and ":" not in name:
        raise unknown_name(
            "model",
            name,
            MODELS.names(),
            where="Or give a saved Keras model (a file or folder), applications/NAME of Keras, "
            "or package.module:function.",
        )
    import tf_keras

    from tfprune.models import files

    if file:
        model, origin = files.load_with_origin(name, trust=trust)
    else:
        tf_keras.utils.set_random_seed(seed % 2**32)
        make = files.from_applications if application else files.from_factory
        model, origin = make(name, input_shape, n_classes)
    files.check_fits(model, input_shape, n_classes)
    return model, origin
