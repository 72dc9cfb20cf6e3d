"""The two libraries side by side: Keras 3, in which users save, and tf_keras, which tfmot prunes.

Both are imported explicitly and on demand. `tf.keras` is never used: which of the two it
means depends on an environment variable that tfmot sets.
"""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from tfprune.errors import InputError

BACKEND = "tensorflow"


def keras3() -> Any:
    """Return the `keras` package (Keras 3), running on TensorFlow.

    Raises InputError when this process has already imported Keras with another backend, since
    weights and gradients could then not be compared with tf_keras.
    """
    choose_backend()
    first = "keras" not in sys.modules
    keras = imported("keras")
    if first:
        settle_keras()
    if keras.backend.backend() != BACKEND:
        raise InputError(
            "Keras 3 must run on the TensorFlow backend here, but this process imported it with "
            f"{keras.backend.backend()!r}. Set KERAS_BACKEND={BACKEND} before keras is imported."
        )
    return keras


def keras2() -> Any:
    """Return the `tf_keras` package (Keras 2).

    Sets TF_USE_LEGACY_KERAS, as tfmot does too: SpectralNormalization of tf_keras reaches for
    `tf.keras` and fails if that is Keras 3.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    return imported("tf_keras")


_REPLACED: dict[str, str] = {}  # setting of the user's -> what it was, and what it is now


def replaced_settings() -> tuple[str, ...]:
    """Return 'setting VALUE (now VALUE)' of what was set otherwise for this process."""
    return tuple(f"{name} {change}" for name, change in _REPLACED.items())


def choose_backend() -> None:
    """Make Keras 3 run on TensorFlow in this process, whatever KERAS_BACKEND says."""
    given = os.environ.get("KERAS_BACKEND")
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = BACKEND
        if given not in (None, "", BACKEND):
            _REPLACED["KERAS_BACKEND"] = f"{given} (now {BACKEND})"


def settle_keras() -> None:
    """Set both libraries, where they are imported, to float32 and channels last.

    What `~/.keras/keras.json` or the user's code says otherwise would be the default of every
    layer that is built here.
    """
    for library in (sys.modules.get("tf_keras"), sys.modules.get("keras")):
        if library is None or not hasattr(library, "backend"):  # or it is just being imported
            continue
        backend, precision = library.backend, library.mixed_precision
        for name, wanted in _SETTINGS.items():
            found = getattr(backend, name)()
            if found != wanted:
                getattr(backend, f"set_{name}")(wanted)
                _REPLACED[name] = f"{found} (now {wanted})"
        read = getattr(precision, "global_policy", None) or precision.dtype_policy
        change = getattr(precision, "set_global_policy", None) or precision.set_dtype_policy
        policy = read().name
        if policy != "float32":
            change("float32")
            if policy != _REPLACED.get("floatx", "").partition(" ")[0]:
                _REPLACED["dtype policy"] = f"{policy} (now float32)"


_SETTINGS = {"floatx": "float32", "epsilon": 1e-7, "image_data_format": "channels_last"}


def imported(name: str) -> Any:
    """Return TensorFlow or a library of Keras; InputError where Keras's settings file is wrong."""
    try:
        return importlib.import_module(name)
    except (AssertionError, AttributeError, ValueError) as error:
        home = os.environ.get("KERAS_HOME", os.path.join(os.path.expanduser("~"), ".keras"))
        path = os.path.join(home, "keras.json")
        if not os.path.exists(path):
            raise
        said = f" ({error})" if str(error) else ""
        raise InputError(
            f"{name} can't start, for the settings in {path} are none that it takes{said}. Mend "
            "or delete that file."
        ) from error


def is_keras3_model(value: Any) -> bool:
    """Whether `value` is a Keras 3 model; never imports Keras to find out."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def is_keras2_model(value: Any) -> bool:
    """Whether `value` is a tf_keras model; never imports tf_keras to find out."""
    tf_keras = sys.modules.get("tf_keras")
    return tf_keras is not None and isinstance(value, tf_keras.Model)


#: layers that keras.applications defines for one of its networks, and the module that does
APPLICATION_LAYERS = {"LayerScale": "convnext", "CustomScaleLayer": "inception_resnet_v2"}


def layer_class(library: Any, name: str) -> Any:
    """Return a layer class of tf_keras or Keras 3 by its name; InputError where it has none."""
    if name not in APPLICATION_LAYERS:
        return getattr(library.layers, name)
    module = f"{library.__name__}.src.applications.{APPLICATION_LAYERS[name]}"
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise InputError(
            f"this version of {library.__name__} has no layer {name} in {module}. Install a "
            "version that requirements.lock names."
        ) from error


def application_layers(library: Any) -> dict[str, Any]:
    """Return what a loader needs beside the library's own layers: name -> class."""
    return {name: layer_class(library, name) for name in APPLICATION_LAYERS}
