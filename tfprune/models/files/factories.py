"""Models made by a function: the user's own, or one of Keras's applications."""

from __future__ import annotations

import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfprune.errors import InputError, reason, unknown_name
from tfprune.models.files import origin
from tfprune.models.files.load import adopt
from tfprune.models.files.origin import Origin
from tfprune.models.files.sandbox import examine
from tfprune.models.libraries import is_keras2_model, is_keras3_model, keras3, settle_keras
from tfprune.registry import find_function

PREFIX = "applications/"


def from_factory(reference: str, input_shape: Sequence[int], n_classes: int) -> tuple[Any, Origin]:
    """Return the tf_keras model that a user's function builds, and its origin.

    `reference` is `package.module:function`; modules in the current directory are found too. The
    function is called as `function(input_shape, n_classes)`, with as many of the two as it
    takes; `input_shape` is (height, width, channels). It returns an (uncompiled or compiled)
    tf_keras model, or a Keras 3 model, which is converted and verified. Raises InputError with
    what went wrong: no such module or function, an error inside it, or another return value.
    """
    function = find_function(reference, kind="model function")
    settle_keras()  # its module may have chosen for all layers, and may have brought Keras along
    try:
        model = function(*_arguments(function, (tuple(input_shape), n_classes)))
    except InputError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise InputError(
            f"the model function {reference!r} raised {type(error).__name__}: {error}. It is "
            f"called with input_shape={tuple(input_shape)} and n_classes={n_classes}."
        ) from error
    finally:
        settle_keras()  # and so may the function
    if is_keras3_model(model):
        return adopt(model, origin.KERAS3_OBJECT, path=reference)
    if is_keras2_model(model):
        return adopt(model, origin.KERAS2_OBJECT, path=reference)
    raise InputError(
        f"the model function {reference!r} must return a tf_keras.Model or a keras.Model (Keras "
        f"3); it returned {_described(model)}."
    )


def _described(value: Any) -> str:
    if value is None:
        return "None (is its return statement missing?)"
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}; return the model alone"
    if type(value).__module__.startswith("torch"):
        return "a PyTorch module, which tfprune does not prune"
    return f"a {type(value).__module__}.{type(value).__qualname__}"


def _arguments(function: Callable[..., Any], available: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return as many of the available arguments as the function takes."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return available
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return available
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return available[: len(positional)]


def from_applications(
    name: str,
    input_shape: Sequence[int],
    n_classes: int,
    *,
    weights: str | os.PathLike[str] | None = None,
) -> tuple[Any, Origin]:
    """Return a network of `keras.applications` as a verified tf_keras model, and its origin.

    `name` is `applications/ResNet50` and so on. `weights` is None for fresh weights, or an .h5
    file of weights of exactly this network; nothing is downloaded. Raises InputError for unknown
    names, for input shapes that the network does not take and for weights that don't fit.
    """
    library = keras3().applications
    names = sorted(k for k, v in vars(library).items() if inspect.isfunction(v))
    short = name.removeprefix(PREFIX)
    if short not in names:
        raise unknown_name("application", short, names)
    if weights is not None:
        _check_weights(weights)
    try:
        model = getattr(library, short)(
            weights=None, input_shape=tuple(input_shape), classes=n_classes
        )
        if weights is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a loader's advice to its own callers
                model.load_weights(weights)
    except Exception as error:  # Keras raises ValueError, OSError and more for a bad shape or file
        what = f" with weights {os.fspath(weights)!r}" if weights is not None else ""
        raise InputError(
            f"{PREFIX}{short} can't be built for input_shape={tuple(input_shape)} and "
            f"n_classes={n_classes}{what}: {reason(error)}"
        ) from error
    return adopt(model, origin.KERAS3_OBJECT, path=f"{PREFIX}{short}")


def _check_weights(path: str | os.PathLike[str]) -> None:
    file = os.fspath(path)
    if not Path(path).is_file() or Path(path).suffix != ".h5":
        raise InputError(
            f"weights are None or a file of weights ending in .h5; got {file!r}. Nothing is "
            "downloaded: fetch pretrained weights yourself and give the file."
        )
    try:
        examine(path)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"weights file {file!r} is damaged or no HDF5 file: {error}.") from None
