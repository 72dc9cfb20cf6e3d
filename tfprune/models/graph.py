"""The graphs of Keras networks: which layers are called, with what, in which order.

Both libraries keep a network's graph in private attributes, each in its own. They are read here and
nowhere else; everybody else sees `Call`s and their tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError
from tfprune.models.libraries import is_keras2_model, is_keras3_model, keras2, keras3, library_of

if TYPE_CHECKING:
    import tf_keras

# apply(layer, args, kwargs) -> outputs, in the structure in which the layer returns them
Apply = Callable[[Any, list[Any], dict[str, Any]], Any]


@dataclass(frozen=True, eq=False)
class Call:
    """One call of a layer (in Keras 3: or of an operation) in a functional network.

    inputs, outputs: the symbolic tensors that it takes, once for each time that it takes them, and
    those that it makes. args, kwargs: what it was called with, symbolic tensors at their places.
    A network's inputs are calls too, of their input layers with nothing.
    """

    layer: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    is_input: bool
    makes_one: bool

    @property
    def output(self) -> Any:
        """The one tensor that the call makes; the first of several."""
        return self.outputs[0]

    @property
    def kind(self) -> str:
        """The name of the layer's class."""
        return type(self.layer).__name__

    @property
    def input_ids(self) -> list[int]:
        """The `id` of every tensor that the call takes."""
        return [id(tensor) for tensor in self.inputs]

    @property
    def output_ids(self) -> list[int]:
        """The `id` of every tensor that the call makes."""
        return [id(tensor) for tensor in self.outputs]

    def arguments(self, values: Mapping[int, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Return what the layer was called with, `values` (by `id`) in the tensors' places."""

        def known(leaf: Any) -> Any:
            return values.get(id(leaf), leaf)

        args = [map_tree(known, argument) for argument in self.args]
        return args, {name: map_tree(known, value) for name, value in self.kwargs.items()}

    def answer(self, values: Sequence[Any]) -> Any:
        """Return what the layer answers to other values, one for each of `inputs`."""
        args, kwargs = self.arguments(dict(zip(self.input_ids, values, strict=True)))
        return self.layer(*args, **kwargs)


def as_taken(model: Any, values: Sequence[Any]) -> Any:
    """Return values, one for each of a model's inputs, as it is called with them.

    One alone, several in a list, and in a dictionary or a list of one where a Keras 3 model takes
    such.
    """
    taken = getattr(model, "_inputs_struct", None)
    if isinstance(taken, Mapping):
        return dict(zip(sorted(taken), values, strict=True))  # the order of `model.inputs`
    alone = len(values) == 1 and not isinstance(taken, list | tuple)
    return values[0] if alone else list(values)


def answer_keys(model: Any) -> tuple[str, ...]:
    """Return the keys of the dictionary with which a tf_keras model answers; () of an array."""
    answers = getattr(model, "_nested_outputs", None)
    return tuple(map(str, answers)) if isinstance(answers, Mapping) else ()


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


def has_graph(model: Any) -> bool:
    """Whether a tf_keras model is functional or sequential: its layers stand in a graph."""
    return bool(getattr(model, "_is_graph_network", False))


def is_wired(model: Any) -> bool:
    """Whether a model of either library is Sequential or functional, not wired by Python code."""
    if isinstance(model, library_of(model).Sequential):
        return True
    return hasattr(model, "_nodes_by_depth") if is_keras3_model(model) else has_graph(model)


def functional(model: Any) -> Any:
    """Return the functional network of a model of either library; InputError if it has none."""
    if is_keras3_model(model):
        return _functional3(model)
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


def _functional3(model: Any) -> Any:
    if isinstance(model, keras3().Sequential):
        if not model.built or model._functional is None:
            raise InputError(
                f"the Sequential model {model.name!r} has no input shape yet. Begin it with "
                "keras.Input(shape) or call model.build(input_shape) before saving it."
            )
        return model._functional
    if hasattr(model, "_nodes_by_depth"):
        return model
    raise InputError(
        f"model {model.name!r} is a subclass of keras.Model "
        f"({type(model).__name__}): its layers are wired by Python code, which can't be converted. "
        "Build it with the functional API, or give a function that builds it in tf_keras, as "
        "package.module:function."
    )


def calls(model: Any) -> list[Call]:
    """Return the calls of a functional network of either library, each behind those it reads from.

    A layer that is used twice is called twice; a model inside is one call. Raises InputError for a
    model without a graph.
    """
    graph = functional(model)
    read = _call3 if is_keras3_model(graph) else _call2
    depths = sorted(graph._nodes_by_depth, reverse=True)
    return [read(node) for depth in depths for node in graph._nodes_by_depth[depth]]


def calls_to_outputs(model: Any) -> list[Call]:
    """Return the calls that make a functional network's outputs, and its inputs, as `calls` does.

    What only a loss reads (`model.add_loss(tensor)`, and the operations that lead there) is part of
    a network's graph too, and is left out here.
    """
    wanted = {id(tensor) for tensor in functional(model).outputs}
    found: list[Call] = []
    for call in reversed(calls(model)):
        if call.is_input or wanted.intersection(call.output_ids):
            found.append(call)
            wanted.update(call.input_ids)
    return found[::-1]


def _call2(node: Any) -> Call:
    return Call(
        layer=node.layer,
        inputs=tuple(node.keras_inputs),
        outputs=tuple(flatten(node.outputs)),
        args=() if node.is_input else tuple(node.call_args),
        kwargs={} if node.is_input else dict(node.call_kwargs),
        is_input=node.is_input,
        makes_one=hasattr(node.outputs, "shape"),
    )


def _call3(node: Any) -> Call:
    return Call(
        layer=node.operation,
        inputs=tuple(node.input_tensors),
        outputs=tuple(node.outputs),
        args=tuple(node.arguments.args),
        kwargs=dict(node.arguments.kwargs),
        is_input=bool(node.is_input or not node.operation),
        makes_one=len(node.outputs) == 1,
    )


def maker(tensor: Any) -> Any:
    """Return the layer (in Keras 3: or operation) that a symbolic tensor comes from."""
    history = tensor._keras_history
    return history.layer if hasattr(history, "layer") else history.operation


def operations_behind(tensors: Sequence[Any]) -> Iterator[Any]:
    """Yield the Keras 3 operations that symbolic tensors are computed by, each once."""
    seen: set[int] = set()
    waiting = list(tensors)
    while waiting:
        operation = maker(waiting.pop())
        if id(operation) in seen:
            continue
        seen.add(id(operation))
        yield operation
        for node in operation._inbound_nodes:
            waiting += node.input_tensors


def network_between(like: tf_keras.Model, inputs: list[Any], outputs: list[Any]) -> tf_keras.Model:
    """Return the tf_keras network from inputs to outputs (flat), which takes them as `like` does.

    In a dictionary or a list, that is, where that network's are in one.
    """
    import tensorflow as tf
    import tf_keras

    return tf_keras.Model(
        tf.nest.pack_sequence_as(like._nested_inputs, inputs),
        tf.nest.pack_sequence_as(like._nested_outputs, outputs),
        name=like.name,
    )


def walk(model: Any, inputs: list[Any], apply: Apply) -> list[Any]:
    """Return the outputs of `model` on `inputs` (both flat), each layer done by `apply`.

    Models inside are walked into; their layers come as if they stood in the outer graph. A
    `training=` fixed in the graph of a tf_keras model is passed on, because tf_keras honours it in
    fit() and predict(); that of a model inside reaches its layers. One in a Keras 3 graph is left
    out: Keras itself overrides it, for plain Dropout, where it stores False, as for all layers.
    """
    return _walk(model, inputs, apply, None)


def _walk(model: Any, inputs: list[Any], apply: Apply, training: bool | None) -> list[Any]:
    graph = functional(model)
    values = {id(t): value for t, value in zip(graph.inputs, inputs, strict=True)}
    for call in calls(graph):
        if call.is_input:
            continue
        args, kwargs = call.arguments(values)
        kwargs = {name: value for name, value in kwargs.items() if value is not None}
        if is_keras3_model(graph):
            kwargs.pop("training", None)
        if is_model(call.layer):
            inner = flatten([*args[:1], kwargs.get("inputs", [])])
            outputs = _walk(call.layer, inner, apply, kwargs.get("training", training))
        else:
            if training is not None and takes_training(call.layer):
                kwargs.setdefault("training", training)
            outputs = flatten(apply(call.layer, args, kwargs))
        values.update(zip(call.output_ids, outputs, strict=True))
    return [values[id(tensor)] for tensor in graph.outputs]


def takes_training(layer: Any) -> bool:
    """Whether a layer's call has an argument `training`."""
    return "training" in inspect.signature(layer.call).parameters


def fixes_training(model: Any) -> bool:
    """Whether a call in a tf_keras network, or in a model inside, has its `training=` fixed."""
    return any(
        call.kwargs.get("training") is not None
        or (is_model(call.layer) and fixes_training(call.layer))
        for call in calls(model)
    )


def is_model(layer: Any) -> bool:
    """Whether a layer is a model, of either library."""
    return is_keras2_model(layer) or is_keras3_model(layer)


def leaf_layers(model: Any) -> list[Any]:
    """Return the layers of a model in its order, those of models inside in place of the model."""
    found: list[Any] = []
    for layer in model.layers:
        found += leaf_layers(layer) if is_model(layer) else [layer]
    return found
