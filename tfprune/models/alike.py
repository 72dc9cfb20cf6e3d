"""What a copy shares with its model beside class and configuration, and whether it answers alike.

A configuration says of a layer what its class chose to say: often not its name or precision, and
never which of the layers inside it are trained. Keras lists weights that are trained first, so that
a copy which trains others lists the same weights in another order.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.graph import flatten, is_model
from tfprune.models.layer_names import shown
from tfprune.models.libraries import is_keras3_layer

#: what to do about layers that their configuration does not build again
REMEDY = (
    "A layer or model class of your own needs get_config() with every argument of its __init__, by "
    "the names that __init__ takes."
)
_BASE = ("name", "trainable", "dtype")  # which every layer has, whatever its class says
_HOMES = ("tf_keras.", "keras.")
_EXAMPLES = 4

# layer, its configuration -> the configuration of another one
Change = Callable[[Any, dict[str, Any]], dict[str, Any]]


def second_of(layer: Any, change: Change | None = None) -> Any:
    """Return a new, unbuilt layer of the class, configuration, name and precision of another.

    change: called with the layer and its configuration, name and precision among it; returns the
        one for the new layer. Name and precision reach it whether its class takes them or not.
    """
    kind = type(layer)
    config = dict(layer.get_config())
    told = frozenset(config)
    if not is_of_keras(layer):
        config.setdefault("name", layer.name)
        if layer.dtype_policy.name is not None:
            config.setdefault("dtype", layer.dtype_policy.name)
    if change is not None:
        config = change(layer, config)
    given = dict(config)
    if getattr(kind.from_config, "__func__", None) is _base_of(kind).from_config.__func__:
        parameters = inspect.signature(kind.__init__).parameters
        if not any(one.kind is one.VAR_KEYWORD for one in parameters.values()):
            given = {k: v for k, v in given.items() if k in parameters or k not in _BASE}
    else:  # a class that builds itself is given what it says
        given = {k: v for k, v in given.items() if k in told or k not in _BASE}
    new = kind.from_config(given)
    name_it(new, config.get("name", layer.name))
    name_within(layer, new)
    if "dtype" in config and "dtype" not in given:
        if is_keras3_layer(new):
            new.dtype_policy = config["dtype"]
        else:
            new._set_dtype_policy(config["dtype"])
    return new


def is_of_keras(layer: Any) -> bool:
    """Whether a layer's class is one of Keras's, of either library."""
    return type(layer).__module__.startswith(_HOMES)


def _base_of(kind: type) -> Any:
    """Return Keras's own class Layer, which a class of layers comes from."""
    return next(
        one for one in kind.__mro__ if one.__name__ == "Layer" and one.__module__.startswith(_HOMES)
    )


def name_it(layer: Any, name: str) -> None:
    """Call a layer or model of either library by a name."""
    if is_keras3_layer(layer):
        layer.name = name
    else:
        layer._name = name


def name_within(model: Any, copy: Any) -> None:
    """Call the layers inside a copy, as far as it has them already, as those of its model."""
    theirs, ours = list(_parts(model))[1:], list(_parts(copy))[1:]
    if len(theirs) == len(ours):
        for old, new in zip(theirs, ours, strict=True):
            name_it(new, old.name)


def make_alike(model: Any, copy: Any) -> None:
    """Let the same parts of a built copy be trained as of its model, its inner layers included.

    Both may be layers. Raises InputError where the copy has other parts.
    """
    theirs, ours = list(_parts(model)), list(_parts(copy))
    if len(theirs) != len(ours):
        raise InputError(
            f"model {shown(model.name)!r} can't be rebuilt: it is made of "
            f"{len(theirs)} layers, those inside layers included, and one of the same "
            f"configuration of {len(ours)}. Let layers of your own depend on what get_config() "
            "returns alone."
        )
    for old, new in zip(theirs, ours, strict=True):
        if new.trainable != old.trainable:
            new.trainable = old.trainable  # reaches what is inside, which comes next


def _parts(layer: Any) -> Iterator[Any]:
    """Yield a layer or model and all layers inside it, the outer ones first."""
    if not is_model(layer):
        yield from layer._flatten_layers()
        return
    yield layer
    for inner in layer.layers:
        yield from _parts(inner)


def holds_own_layers(model: Any) -> bool:
    """Whether a layer in a model, or inside one, is of a class that is not Keras's own."""
    return any(not is_of_keras(part) for part in _parts(model) if part is not model)


def check_names(model: Any, copy: Any) -> None:
    """Raise InputError unless the layers of a copy are called as those of its model."""
    for old, new in zip(_parts(model), _parts(copy), strict=True):
        if old.name != new.name:
            raise InputError(
                f"model {shown(model.name)!r} can't be rebuilt: its layer "
                f"{shown(old.name)!r} is called {shown(new.name)!r} then. Let layers of your own "
                "keep the name that they are given."
            )


def check_answers(model: Any, copy: Any) -> None:
    """Raise InputError unless a tf_keras copy answers as its model does, up to rounding.

    Both are shown the same few random examples. Where two answers of the model itself differ, as
    those of layers that are random in inference, nothing is compared.
    """
    examples = [_examples(tensor) for tensor in copy.inputs]
    shown_to = examples[0] if len(examples) == 1 else examples
    theirs, again, ours = (_flat(one(shown_to, training=False)) for one in (model, model, copy))
    if not np.array_equal(theirs, again, equal_nan=True):
        return
    size = np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0)
    if theirs.shape == ours.shape and np.allclose(
        theirs, ours, rtol=1e-3, atol=1e-4 * size, equal_nan=True
    ):
        return
    raise InputError(
        f"model {shown(model.name)!r} can't be rebuilt: a model of the same "
        "configuration and weights answers differently. Let layers of your own depend on what "
        "get_config() returns alone."
    )


def _examples(tensor: Any) -> np.ndarray:
    """Return half of the examples as standardised images are, half as stored ones."""
    rng = np.random.default_rng(0)
    shape = (_EXAMPLES // 2, *(int(size or 1) for size in tensor.shape[1:]))
    pair = (rng.standard_normal(shape), rng.integers(0, 256, shape))
    return np.concatenate(pair).astype(tensor.dtype.as_numpy_dtype)


def _flat(answers: Any) -> np.ndarray:
    parts = [np.asarray(part, np.float64).reshape(-1) for part in flatten(answers)]
    return np.concatenate(parts)
