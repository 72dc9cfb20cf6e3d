"""Any Keras file a user has, as a tf_keras model that tfmot can prune."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.errors import InputError, reason
from tfprune.models.copying import Conversion, unfold
from tfprune.models.files import origin
from tfprune.models.files.allowed import QUANTIZED, REFUSED_LAYERS
from tfprune.models.files.convert import (
    convert_to_keras2,
    in_float32,
    in_float32_keras3,
    precision_of,
)
from tfprune.models.files.layer_config import register_activations
from tfprune.models.files.lockstep import check_sizes
from tfprune.models.files.origin import Link, Origin
from tfprune.models.files.sandbox import at_most
from tfprune.models.files.scan import inspect_file
from tfprune.models.files.verify import verify
from tfprune.models.graph import functional, has_graph, is_model, leaf_layers
from tfprune.models.layer_names import called, is_node_name
from tfprune.models.libraries import (
    is_keras2_model,
    is_keras3_model,
    keras2,
    keras3,
    layers_for_loader,
)
from tfprune.models.weights import short_name, values

H5_OPERATIONS = " (Keras 3 can't read back bare operations such as x + y from .h5: save as .keras.)"


def load_model(path: str | os.PathLike[str], *, trust: bool = False) -> Any:
    """Return the model in a file as a tf_keras model, uncompiled, with the file's weights.

    `path` is a Keras 3 or Keras 2 `.keras` or `.h5` file, or a Keras 2 SavedModel folder. The
    file is inspected before anything is loaded; `trust` lets through what may run code of the
    file's own. Keras 3 models are converted, and the conversion is verified in inference and in a
    training step. Nested models come unfolded, and models of another precision (mixed_float16,
    float64, ...) in float32. Raises InputError on anything else.

    >>> import tfprune
    >>> tfprune.load_model("half.keras").count_params()
    6218
    """
    return load_with_origin(path, trust=trust)[0]


def load_with_origin(path: str | os.PathLike[str], *, trust: bool = False) -> tuple[Any, Origin]:
    """Return the model in a file as in `load_model`, and the form in which it came."""
    inspected = inspect_file(path, trust=trust)
    detected, file = inspected.detected, os.fspath(path)
    register_activations()
    with at_most(inspected.n_weights, file=file):
        model = load_unconverted(Path(path), detected.kind, trust=trust)
    _check_finite(model, file)
    if detected.kind == origin.SAVEDMODEL:
        _check_restored(model, file)
    return adopt(model, detected.kind, version=detected.keras_version, path=file)


def adopt(model: Any, kind: str, *, version: str = "", path: str = "") -> tuple[Any, Origin]:
    """Return a Keras model of either library as a tf_keras model without nesting, and its origin.

    Raises InputError when the model can't be converted or does not survive verification.
    """
    if is_keras3_model(model):
        precision = precision_of(model)
        source, pairs = _in_float32(model) if precision else (model, [])
        conversion = _verified(source, convert_to_keras2)
        originals = {id(copy): original for original, copy in pairs}
        found = tuple(Link(originals.get(id(old), old), new.name) for old, new in conversion.pairs)
        return conversion.model, Origin(kind, version, path, model, found, precision)
    if not is_keras2_model(model):
        raise InputError(f"{path!r} holds no Keras model but a {type(model).__name__}.")
    functional(model)
    check_sizes(model)
    precision = precision_of(model)
    if precision:
        conversion = _converted(model, in_float32)
    elif not all(is_node_name(name) for name in _names_within(model)):
        conversion = _converted(model, unfold)  # the model itself can't be called
    elif any(isinstance(layer, keras2().Model) for layer in model.layers):
        conversion = _verified(model, unfold)
    else:
        return model, Origin(kind, version, path)
    return conversion.model, Origin(kind, version, path, model, links(conversion), precision)


def _names_within(model: Any) -> Iterator[str]:
    yield model.name
    for layer in model.layers:
        yield from _names_within(layer) if is_model(layer) else (layer.name,)


def _in_float32(model: Any) -> tuple[Any, list[tuple[Any, Any]]]:
    if "_from_" in precision_of(model):  # int8_from_float32
        raise InputError(f"model {called(model)!r} is quantized: {QUANTIZED}.")
    try:
        return in_float32_keras3(model)
    except Exception as error:  # layers raise anything when they are built again
        raise InputError(
            f"model {called(model)!r} computes in {precision_of(model)}, and can't be built again "
            f"in float32: {reason(error)}. Save it in float32."
        ) from error


def _verified(model: Any, convert: Callable[[Any], Conversion]) -> Conversion:
    return _converted(model, convert, check=verify)


def _converted(
    model: Any,
    convert: Callable[[Any], Conversion],
    *,
    check: Callable[[Conversion], object] = lambda conversion: None,
) -> Conversion:
    try:
        conversion = convert(model)
        check(conversion)
    except InputError:
        raise
    except Exception as error:  # layers raise anything when they are built or called
        raise InputError(
            f"model {called(model)!r} can't be converted to tf_keras: {reason(error)}. Give a "
            "function that builds it in tf_keras, as package.module:function."
        ) from error
    return conversion


def links(conversion: Conversion) -> tuple[Link, ...]:
    """Return the source layers of a conversion beside the names of their new layers."""
    return tuple(Link(old, new.name) for old, new in conversion.pairs)


def load_unconverted(path: Path, kind: str, *, trust: bool, compiled: bool = False) -> Any:
    """Return the model in a file as its own library has it, compiled as the file says or not.

    Raises InputError where Keras refuses it.
    """
    library = keras3() if kind.startswith("keras3") else keras2()
    options = {"compile": compiled, "custom_objects": layers_for_loader(library)}
    if kind != origin.SAVEDMODEL:
        options["safe_mode"] = not trust
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a loader's advice to its own callers
        try:
            return library.models.load_model(path, **options)
        except InputError:
            raise
        except Exception as error:
            # Loaders raise whatever their layers raise; which it is says nothing to the user.
            hint = H5_OPERATIONS if kind == origin.KERAS3_H5 else ""
            raise InputError(
                f"model file {os.fspath(path)!r} was not accepted by {library.__name__} "
                f"{library.__version__}: {reason(error)}. If it holds custom layers, give the "
                "function that builds the model, as package.module:function; if not, the file is "
                f"damaged.{hint}"
            ) from error


def _check_restored(model: Any, file: str) -> None:
    """Refuse layers that a SavedModel's loader brought back as traced programs, not as layers."""
    if not has_graph(model):  # which `adopt` refuses
        return
    for layer in leaf_layers(model):
        if ".saved_model." in type(layer).__module__:
            known = REFUSED_LAYERS.get(type(layer).__name__)
            if known is not None:
                raise InputError(
                    f"model file {file!r}: layer {type(layer).__name__} {called(layer)!r} is "
                    f"refused: {known}."
                )
            raise InputError(
                f"model file {file!r}: layer {called(layer)!r} contains a custom function or "
                "class, so only a traced program can be loaded, which can't be pruned. Give the "
                "function that builds the model, as package.module:function."
            )


def _check_finite(model: Any, file: str) -> None:
    for weight in model.weights:
        array = values(weight)
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise InputError(
                f"model file {file!r}: weight {short_name(weight)!r} holds values that are not "
                "finite (nan or infinite). Training had diverged, or the file is damaged."
            )
