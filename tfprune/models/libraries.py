"""The two libraries side by side: Keras 3, in which users save, and tf_keras, which tfmot prunes.

Both are imported explicitly and on demand. `tf.keras` is never used: which of the two it
means depends on an environment variable that tfmot sets.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.abc
import os
import sys
import threading
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
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
    with _found_by(_LaterParts()):
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


class _WhenUsed(ModuleType):
    """A module that is executed when something of it is asked for.

    Where it lies can be asked without, as who looks through all modules does (AutoGraph, inspect):
    `importlib.util.LazyLoader` executes a module for that, too.
    """

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        with _EXECUTING:
            loader = self.__loader__
            if isinstance(loader, _Later):
                self.__class__ = ModuleType  # type: ignore[assignment]
                self.__loader__ = self.__spec__.loader = loader.real  # type: ignore[union-attr]
                loader.real.exec_module(self)
        return getattr(self, name)


_EXECUTING = threading.RLock()


class _Later(importlib.abc.Loader):
    """Makes a module that is executed when it is used, by its `real` loader."""

    def __init__(self, real: importlib.abc.Loader) -> None:
        self.real = real

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return _WhenUsed(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        pass


class _LaterParts(importlib.abc.MetaPathFinder):
    """Finds those parts of Keras 3 that are imported when something of them is used first.

    They are its wrappers for scikit-learn and its galleries of images: nothing here uses them, and
    scikit-learn and matplotlib take longer than Keras itself.
    """

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if not (name.startswith("keras.") and name.endswith((".wrappers", ".visualization"))):
            return None
        spec = PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _Later(spec.loader)
        return spec


class _LeftOut(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Says where Keras 3 lies, and does not import it."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name == "keras" else None
        if spec is not None:
            spec.loader = self
        return spec

    def exec_module(self, module: ModuleType) -> None:
        raise ImportError("Keras 3 is imported when it is needed.", name=module.__name__)


@contextlib.contextmanager
def keras3_left_out() -> Iterator[None]:
    """Within the block Keras 3 is found but not imported, unless it was before.

    TensorFlow imports it when it starts, and tfmot, looking for what only Keras 2 has; both go on
    without. It takes as long as a fourth of TensorFlow, and many commands never need it.
    """
    with _found_by(_LeftOut()):
        yield


@contextlib.contextmanager
def _found_by(finder: importlib.abc.MetaPathFinder) -> Iterator[None]:
    """Let a finder answer first what is imported in the block."""
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


_REPLACED: dict[str, str] = {}  # setting of the user's -> what it was, and what it is now


def replaced_settings() -> tuple[str, ...]:
    """Return 'setting VALUE (now VALUE)' of what was set otherwise and has not been told yet."""
    return tuple(f"{name} {change}" for name, change in _REPLACED.items())


def replaced_settings_told() -> None:
    """Note that the user has read of them, so that the next run of this process is silent."""
    _REPLACED.clear()


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
            f"{name} can't start, because it does not accept the settings in {path}{said}. Correct "
            "or delete that file."
        ) from error


def is_keras3_model(value: Any) -> bool:
    """Whether `value` is a Keras 3 model; never imports Keras to find out."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.Model)


def is_keras3_layer(value: Any) -> bool:
    """Whether `value` is a Keras 3 layer or model; never imports Keras to find out."""
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(value, keras.layers.Layer)


def is_keras2_model(value: Any) -> bool:
    """Whether `value` is a tf_keras model; never imports tf_keras to find out."""
    tf_keras = sys.modules.get("tf_keras")
    return tf_keras is not None and isinstance(value, tf_keras.Model)


def library_of(model: Any) -> Any:
    """Return the library that a model is of, `keras` or `tf_keras`; InputError for no model."""
    if is_keras3_model(model):
        return keras3()
    if is_keras2_model(model):
        return sys.modules["tf_keras"]
    raise InputError(
        f"expected a Keras model, of Keras 3 or tf_keras; got {type(model).__module__}."
        f"{type(model).__qualname__}. A saved model is read with keras.models.load_model(path)."
    )


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


#: layers of tf_keras that its own loader does not know
FORGOTTEN_LAYERS = ("SpectralNormalization",)


def layers_for_loader(library: Any) -> dict[str, Any]:
    """Return what a loader must be told beside the layers that it knows: name -> class."""
    forgotten = FORGOTTEN_LAYERS if library.__name__ == "tf_keras" else ()
    return {name: layer_class(library, name) for name in (*APPLICATION_LAYERS, *forgotten)}
