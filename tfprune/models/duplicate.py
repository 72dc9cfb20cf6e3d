"""A second object of a user's own model, in its own library: same class, weights and precision.

Nothing is converted and nothing is shared: layers of the user's own are built again from their
configuration, and what a configuration can only name, a function or a class, is handed to it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from tfprune.errors import InputError, reason
from tfprune.models.alike import REMEDY, make_alike, name_it, name_within, second_of
from tfprune.models.copying import clone, one_or_all, set_weights_of
from tfprune.models.graph import is_wired, maker
from tfprune.models.libraries import is_keras3_layer, is_keras3_model, library_of
from tfprune.models.weights import values


def duplicate(model: Any, *, example: Any) -> Any:
    """Return a model of the same library and class with the same weights; it is not compiled.

    model: a built Keras 3 or tf_keras model; functional, Sequential, or a subclass that can be
        built again from `get_config()`. example: inputs of a few examples, as the model takes them.

    Raises InputError where the model can't be rebuilt.
    """
    with own_objects(model):
        try:
            copy = _copied(model)
            _match(model, copy, example)
        except InputError:
            raise
        except Exception as error:  # layers of the user's own raise anything
            raise InputError(
                f"model {model.name!r} can't be rebuilt, which leaves the given one as "
                f"it is: {reason(error)}. {REMEDY}"
            ) from error
    return copy


def _copied(model: Any) -> Any:
    kind, home = type(model), f"{library_of(model).__name__}."
    teller = next(one for one in kind.__mro__ if "get_config" in vars(one))
    if not teller.__module__.startswith(home) or not is_wired(model):
        copy = kind.from_config(model.get_config())
        name_within(model, copy)
    else:
        copy = _clone3(model, {}) if is_keras3_model(model) else clone(model)
        if type(copy) is not kind and not kind.__module__.startswith(home):
            copy = kind(inputs=one_or_all(copy.inputs), outputs=one_or_all(copy.outputs))
    name_it(copy, model.name)
    return copy


def _clone3(model: Any, made: dict[int, Any]) -> Any:
    """Return a Keras 3 network with new layers; `made` holds those that are there already."""
    keras = library_of(model)

    def copied(layer: Any) -> Any:
        if id(layer) not in made:
            made[id(layer)] = _layer3(layer, made)
        return made[id(layer)]

    def entry(tensor: Any) -> Any:  # by the name of its layer, which differs from the tensor's
        return copied(maker(tensor)).output

    if isinstance(model, keras.Sequential):
        return keras.Sequential(
            [entry(model.inputs[0]), *map(copied, model.layers)], name=model.name
        )
    inputs = keras.tree.map_structure(entry, model.input)
    return keras.models.clone_model(model, input_tensors=inputs, clone_function=copied)


def _layer3(layer: Any, made: dict[int, Any]) -> Any:
    if is_keras3_model(layer) and is_wired(layer):
        return _clone3(layer, made)
    if type(layer).__name__ == "Lambda":  # the object is the user's own, and is trusted
        keras = library_of(layer)
        config = layer.get_config()
        return keras.layers.Lambda(
            layer.function, output_shape=layer._output_shape, mask=layer.mask,
            arguments=layer.arguments, name=layer.name, dtype=config.get("dtype"),
        )  # fmt: skip
    if not is_keras3_layer(layer):  # an operation, such as x + y
        operation = type(layer).from_config(layer.get_config())
        operation.name = layer.name
        return operation
    return second_of(layer)


def _match(model: Any, copy: Any, example: Any) -> None:
    """Give a copy the weights of the model, what is trained of it, and its precision."""
    if not copy.built or len(copy.weights) != len(model.weights):
        copy(example, training=False)  # a subclass makes its weights when it is called
    make_alike(model, copy)
    if is_keras3_model(model):
        for old, new in zip(model._flatten_layers(), copy._flatten_layers(), strict=True):
            if new.dtype_policy.name != old.dtype_policy.name:
                new.dtype_policy = old.dtype_policy
    shapes = [[tuple(weight.shape) for weight in one.weights] for one in (model, copy)]
    if shapes[0] != shapes[1]:
        raise InputError(
            f"model {model.name!r} can't be rebuilt: it has {len(shapes[0])} weights, "
            f"and a model of the same class and configuration {len(shapes[1])}, or others. Let "
            "the class depend on what get_config() returns alone."
        )
    if is_keras3_model(model):
        for old, new in zip(model.weights, copy.weights, strict=True):
            new.assign(values(old))
        for layer in copy._flatten_layers():
            if type(layer).__name__ == "Normalization" and layer.weights:
                layer.finalize_state()  # computes with constants made of its weights
    else:
        set_weights_of(model, copy)


@contextlib.contextmanager
def own_objects(model: Any) -> Iterator[None]:
    """Let configurations name the classes and functions of the user's own within the block."""
    library = library_of(model)
    home = f"{library.__name__}."
    found: dict[str, Any] = {}
    for layer in model._flatten_layers():
        kinds = [type(layer), *(type(part) for part in vars(layer).values())]
        kinds += [value for value in vars(layer).values() if callable(value)]
        for one in kinds:
            module = getattr(one, "__module__", None) or ""
            name = getattr(one, "__name__", None)
            if name and not module.startswith((home, "builtins")):
                found[name] = one
    with library.saving.custom_object_scope(found):
        yield
