"""Replay of a Keras 3 network, node by node, nested models unfolded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files.libraries import keras3

# apply(operation, args, kwargs) -> outputs, in the structure in which the operation returns them
Apply = Callable[[Any, list[Any], dict[str, Any]], Any]


def flatten(structure: Any) -> list[Any]:
    """Return the leaves of nested lists, tuples and dicts, in Keras's order."""
    return list(keras3().tree.flatten(structure))


def map_structure(function: Callable[[Any], Any], structure: Any) -> Any:
    """Return `structure` with `function` applied to its leaves."""
    return keras3().tree.map_structure(function, structure)


def functional(model: Any) -> Any:
    """Return the functional network of a Keras 3 model; InputError if it has none."""
    keras = keras3()
    if isinstance(model, keras.Sequential):
        if not model.built or model._functional is None:
            raise InputError(
                f"the Sequential model {model.name!r} has no input shape yet. Begin it with "
                "keras.Input(shape) or call model.build(input_shape) before saving it."
            )
        return model._functional
    if isinstance(model, keras.Model) and hasattr(model, "_nodes_by_depth"):
        return model
    raise InputError(
        f"model {getattr(model, 'name', '')!r} is a subclass of keras.Model "
        f"({type(model).__name__}): its layers are wired by Python code, which can't be converted. "
        "Build it with the functional API, or give a function that builds it in tf_keras, as "
        "package.module:function."
    )


def walk(model: Any, inputs: list[Any], apply: Apply) -> list[Any]:
    """Return the outputs of `model` on `inputs` (both flat), each operation done by `apply`.

    Nested models are walked into; their operations come as if they stood in the outer graph.
    A `training=` that the graph carries is left out: Keras itself overrides it in fit() and
    predict(), for plain Dropout, where it stores False, as for every other layer.
    """
    graph = functional(model)
    values = {id(t): value for t, value in zip(graph._inputs, inputs, strict=True)}
    symbolic = keras3().KerasTensor

    def known(leaf: Any) -> Any:
        return values[id(leaf)] if isinstance(leaf, symbolic) else leaf

    for depth in sorted(graph._nodes_by_depth, reverse=True):
        for node in graph._nodes_by_depth[depth]:
            if node.is_input or not node.operation:
                continue
            args = [map_structure(known, a) for a in node.arguments.args]
            kwargs = {
                k: map_structure(known, v)
                for k, v in node.arguments.kwargs.items()
                if v is not None and k != "training"
            }
            if isinstance(node.operation, keras3().Model):
                outputs = walk(node.operation, flatten([*args, kwargs.get("inputs", [])]), apply)
            else:
                outputs = flatten(apply(node.operation, args, kwargs))
            values.update((id(t), v) for t, v in zip(node.outputs, outputs, strict=True))
    return [values[id(t)] for t in graph._outputs]


def leaves(model: Any) -> Iterator[Any]:
    """Yield the layers of a model in order, those of nested models in place of the model."""
    keras = keras3()
    for layer in functional(model).layers:
        if isinstance(layer, keras.Model):
            yield from leaves(layer)
        else:
            yield layer
