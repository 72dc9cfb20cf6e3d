"""Replay of a tf_keras network, node by node, nested models unfolded."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files.libraries import keras2

Apply = Callable[[Any, list[Any], dict[str, Any]], Any]


def flatten(structure: Any) -> list[Any]:
    """Return the leaves of nested lists, tuples and dicts, in TensorFlow's order."""
    import tensorflow as tf

    return list(tf.nest.flatten(structure))


def map_tree(function: Callable[[Any], Any], structure: Any) -> Any:
    """Return `structure` with `function` applied to its leaves; slices count as leaves."""
    if isinstance(structure, list | tuple) and not hasattr(structure, "_fields"):
        return type(structure)(map_tree(function, item) for item in structure)
    if isinstance(structure, dict):
        return {key: map_tree(function, item) for key, item in structure.items()}
    return function(structure)


def functional(model: Any) -> Any:
    """Return `model` if it is a tf_keras network with a graph; InputError if it has none."""
    if getattr(model, "_nodes_by_depth", None) and getattr(model, "_is_graph_network", True):
        return model
    if isinstance(model, keras2().Sequential):
        raise InputError(
            f"the Sequential model {model.name!r} has no input shape yet. Begin it with "
            "tf_keras.Input(shape) or call model.build(input_shape)."
        )
    raise InputError(
        f"model {getattr(model, 'name', '')!r} is a subclass of tf_keras.Model "
        f"({type(model).__name__}): its layers are wired by Python code, which can't be taken "
        "apart. Build it with the functional API."
    )


def walk(model: Any, inputs: list[Any], apply: Apply) -> list[Any]:
    """Return the outputs of `model` on `inputs` (both flat), each layer done by `apply`.

    Nested models are walked into. A `training=` fixed in the graph is passed on, because
    tf_keras honours it in fit() and predict(); that of a nested model reaches its layers.
    """
    return _walk(functional(model), inputs, apply, None)


def _walk(model: Any, inputs: list[Any], apply: Apply, training: bool | None) -> list[Any]:
    library = keras2()
    values = {id(t): v for t, v in zip(flatten(model._nested_inputs), inputs, strict=True)}

    def known(leaf: Any) -> Any:
        return values.get(id(leaf), leaf)

    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            if node.is_input:
                continue
            layer = node.layer
            args = [map_tree(known, a) for a in node.call_args]
            kwargs = {k: map_tree(known, v) for k, v in node.call_kwargs.items() if v is not None}
            if isinstance(layer, library.Model):
                fixed = kwargs.get("training", training)
                inner = [*args[:1], kwargs.get("inputs", [])]
                outputs = _walk(functional(layer), flatten(inner), apply, fixed)
            else:
                if training is not None and takes_training(layer):
                    kwargs.setdefault("training", training)
                outputs = flatten(apply(layer, args, kwargs))
            tensors = flatten(node.outputs)
            values.update((id(t), v) for t, v in zip(tensors, outputs, strict=True))
    return [values[id(t)] for t in flatten(model._nested_outputs)]


def takes_training(layer: Any) -> bool:
    """Whether a layer's call has an argument `training`."""
    return "training" in inspect.signature(layer.call).parameters


def leaves(model: Any) -> Iterator[Any]:
    """Yield the layers of a model in order, those of nested models in place of the model."""
    for layer in functional(model).layers:
        if isinstance(layer, keras2().Model):
            yield from leaves(layer)
        else:
            yield layer
