"""From what a user types for `--model` to a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.errors import unknown_name
from tfprune.models.names import MODELS
from tfprune.models.nested import unfolded

if TYPE_CHECKING:
    import tf_keras

_SUFFIXES = (".keras", ".h5", ".hdf5")
_APPLICATIONS = "applications/"


def build_model(
    name: str,
    *,
    input_shape: tuple[int, int, int],
    n_classes: int,
    seed: int,
    trust: bool = False,
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

    Models within the model come unfolded: every layer stands in one graph.

    Raises InputError for an unknown name, with the nearest ones, and for a model that does not
    fit the images or the classes.
    """
    if name in MODELS:
        return unfolded(MODELS.get(name)(input_shape, n_classes, seed=seed)).model
    return _users_model(name, input_shape, n_classes, seed=seed, trust=trust)


def is_file(name: str) -> bool:
    """Whether a model's name means a saved model: a path that exists or looks like one."""
    if name in MODELS or name.startswith(_APPLICATIONS):
        return False
    looks = os.sep in name or name.lower().endswith(_SUFFIXES)
    return looks or (name != "" and Path(name).exists())


def _users_model(
    name: str, input_shape: tuple[int, int, int], n_classes: int, *, seed: int, trust: bool
) -> tf_keras.Model:
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
        model, _ = files.load_with_origin(name, trust=trust)
    else:
        tf_keras.utils.set_random_seed(seed % 2**32)
        make = files.from_applications if application else files.from_factory
        model, _ = make(name, input_shape, n_classes)
    files.check_fits(model, input_shape, n_classes)
    return model
