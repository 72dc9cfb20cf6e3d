"""One layer of one library rebuilt in the other, from its configuration, key by key.

A key that the other library does not know may be dropped only when it steers execution or has
its default value. Everything else raises: a silently dropped option changes the network.

Some activation functions one library lacks or defines differently: Keras 3's hard_sigmoid is
relu6(x + 3) / 6, Keras 2's is clip(0.2 x + 0.5, 0, 1); a dozen others exist in Keras 3 alone. They
are given to the other library as registered functions named `<name>_keras3` or `<name>_keras2`, so
that a saved tf_keras model loads again.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.files import activation_functions as curves
from tfprune.models.files import allowed
from tfprune.models.files.allowed import ACTIVATIONS_BOTH
from tfprune.models.libraries import keras2, keras3, layer_class

_PACKAGE = "tfprune"


@cache
def for_keras2() -> dict[str, Callable[[Any], Any]]:
    """Return Keras 3's own activations, by their Keras 3 name, for use in tf_keras layers."""
    import tensorflow as tf

    functions: dict[str, Callable[[Any], Any]] = {
        "leaky_relu": lambda x: tf.nn.leaky_relu(x, alpha=0.2),
        "relu6": lambda x: tf.nn.relu6(x),
        "log_softmax": lambda x: tf.nn.log_softmax(x, axis=-1),
        "log_sigmoid": lambda x: tf.math.log_sigmoid(x),
    }
    for curve in (
        curves.hard_sigmoid, curves.hard_silu, curves.celu, curves.hard_tanh, curves.hard_shrink,
        curves.soft_shrink, curves.tanh_shrink, curves.sparse_plus, curves.sparse_sigmoid,
        curves.squareplus, curves.glu,
    ):  # fmt: skip
        functions[curve.__name__] = _on_values(tf, curve)
    functions = {k: _registered(keras2(), f"{k}_keras3", f) for k, f in functions.items()}
    functions["hard_swish"] = functions["hard_silu"]
    return functions


def _on_values(tf: Any, curve: Callable[..., Any]) -> Callable[[Any], Any]:
    def activation(x: Any) -> Any:
        return curve(tf, x)

    return activation


@cache
def hard_sigmoid_keras2() -> Callable[[Any], Any]:
    """Return Keras 2's hard_sigmoid, clip(0.2 x + 0.5, 0, 1), for use in Keras 3 layers."""
    ops = keras3().ops
    return _registered(keras3(), "hard_sigmoid_keras2", lambda x: ops.clip(0.2 * x + 0.5, 0.0, 1.0))


def _registered(library: Any, name: str, function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    function.__name__ = function.__qualname__ = name
    registered: Callable[[Any], Any] = library.saving.register_keras_serializable(_PACKAGE)(
        function
    )
    return registered


def register_activations() -> None:
    """Make the functions above known to both libraries, so that their loaders find them."""
    for_keras2()
    hard_sigmoid_keras2()


def activation_in_keras2(name: str) -> Any:
    """Return what tf_keras takes for the Keras 3 activation `name`; InputError if nothing does."""
    name = name.rpartition(">")[2]
    if name in ACTIVATIONS_BOTH:
        return name
    if name in ("silu", "swish"):
        return "swish"
    if name == "hard_sigmoid_keras2":
        return "hard_sigmoid"
    if name in for_keras2():
        return for_keras2()[name]
    raise _unknown(name, "tf_keras")


def activation_in_keras3(name: str) -> Any:
    """Return what Keras 3 takes for the tf_keras activation `name`; InputError if nothing does."""
    name = name.rpartition(">")[2]
    if name in ACTIVATIONS_BOTH:
        return name
    if name in ("silu", "swish"):
        return "silu"
    if name == "hard_sigmoid":
        return hard_sigmoid_keras2()
    if name in ("relu6", "leaky_relu"):  # saved by name from tf.nn; same meaning
        return name
    if name.removesuffix("_keras3") in for_keras2():
        return name.removesuffix("_keras3")
    raise _unknown(name, "Keras 3")


def _unknown(name: str, library: str) -> InputError:
    return InputError(
        f"activation {name!r} has no counterpart in {library}, so the model can't be converted. "
        "Use an activation that both have, for instance relu, or build the model in tf_keras."
    )


# Same meaning, other name: class -> {Keras 3 key: Keras 2 key}
RENAMED = {
    "LeakyReLU": {"negative_slope": "alpha"},
}
# Keys that steer how a number is computed, never which: safe to lose on the way.
EXECUTION = frozenset({
    "implementation", "use_cudnn", "optional", "seed", "autocast", "unroll", "fused", "rng_type",
    "force_generator", "batch_input_shape", "input_length", "query_shape", "key_shape",
    "value_shape", "lora_rank", "lora_alpha", "flash_attention",
})  # fmt: skip
# Keys that a class inherits and never uses.
UNUSED = {
    f"SeparableConv{n}D": {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}
    for n in (1, 2)
}
NESTED = ("layer", "forward_layer", "backward_layer", "cell")


@dataclass(frozen=True)
class Direction:
    """Which library a layer is taken from (`source`) and which it is rebuilt in (`target`)."""

    source: Any
    target: Any
    to_keras2: bool

    @property
    def target_name(self) -> str:
        return "tf_keras" if self.to_keras2 else "Keras 3"

    def activation(self, name: str) -> Any:
        return (activation_in_keras2 if self.to_keras2 else activation_in_keras3)(name)

    def key(self, class_name: str, key: str) -> str:
        names = RENAMED.get(class_name, {})
        if not self.to_keras2:
            names = {v: k for k, v in names.items()}
        return names.get(key, key)


def to_keras2_direction() -> Direction:
    return Direction(keras3(), keras2(), True)


def to_keras3_direction() -> Direction:
    return Direction(keras2(), keras3(), False)


def rebuild(class_name: str, config: Mapping[str, Any], direction: Direction) -> Any:
    """Return a new, unbuilt layer of `direction.target` with the meaning of `config`.

    Raises InputError naming the layer and the option that has no counterpart.
    """
    if class_name not in allowed.CONVERTIBLE_LAYERS:
        raise no_counterpart(class_name, config.get("name", ""), direction)
    _check_no_lora(class_name, config)
    cls = layer_class(direction.target, class_name)
    source_cls = layer_class(direction.source, class_name)
    accepted = _accepted(cls)
    options: dict[str, Any] = {}
    for old_key, old_value in config.items():
        key = direction.key(class_name, old_key)
        value = _value(key, old_value, direction)
        if key in accepted:
            options[key] = value
        elif old_key not in UNUSED.get(class_name, ()) and not _droppable(
            source_cls, old_key, old_value
        ):
            raise InputError(
                f"layer {config.get('name', class_name)!r}: {class_name}({old_key}={old_value!r}) "
                f"has no counterpart in {direction.target_name}, so the model can't be converted. "
                f"Leave {old_key} at its default."
            )
    _special_cases(class_name, options)
    trainable = options.pop("trainable", True) if "trainable" not in _signature(cls) else True
    layer = cls(**options)
    if trainable is False:
        layer.trainable = False
    return layer


def no_counterpart(class_name: str, name: str, direction: Direction) -> InputError:
    """Return the error for a layer that the other library does not have."""
    reason = allowed.REFUSED_LAYERS.get(class_name)
    if class_name in allowed.KERAS2_ONLY_LAYERS and not direction.to_keras2:
        reason = "Keras 3 has no such layer"
    reason = reason or allowed.DIFFERENT_LAYERS.get(class_name)
    reason = reason or "it is a custom layer, and only its author knows what it computes"
    return InputError(
        f"layer {name or class_name!r} ({class_name}) can't be converted to "
        f"{direction.target_name}: {reason}. "
        "Replace it by a built-in layer, or give a function that builds the model in tf_keras, as "
        "package.module:function."
    )


def _check_no_lora(class_name: str, config: Mapping[str, Any]) -> None:
    """Refuse layers of Keras 3 that hold more weights than those they are built with."""
    if config.get("lora_rank") is not None:
        raise InputError(
            f"layer {config.get('name', class_name)!r} ({class_name}) holds LoRA weights "
            f"beside its kernel (lora_rank={config['lora_rank']}), for which tf_keras has no "
            "place. A .keras file holds the kernel with these added: build the model once more "
            "without enable_lora(), give it the file's weights by load_weights(), and save that."
        )


def _special_cases(class_name: str, options: dict[str, Any]) -> None:
    if class_name == "BatchNormalization" and isinstance(options.get("axis"), list | tuple):
        if len(options["axis"]) != 1:
            raise InputError(
                f"layer {options.get('name')!r}: BatchNormalization over several axes "
                f"({options['axis']}) has no counterpart in Keras 3. Use one axis."
            )
        options["axis"] = int(options["axis"][0])
    if class_name == "Rescaling":
        for key in ("scale", "offset"):
            if isinstance(options.get(key), list):
                options[key] = np.asarray(options[key], dtype="float32")


def _value(key: str, value: Any, direction: Direction) -> Any:
    value = _plain(value)
    if key == "dtype":
        return _dtype(value)
    if key.endswith("activation") and value is not None and not isinstance(value, bool):
        return _activation(value, direction)
    for kind in ("initializer", "regularizer", "constraint"):
        if key.endswith(f"_{kind}"):
            return _helper(kind, value, direction)
    if key in NESTED and isinstance(value, dict):
        return rebuild(value["class_name"], value["config"], direction)
    if key == "cells" and isinstance(value, list | tuple):
        return [rebuild(cell["class_name"], cell["config"], direction) for cell in value]
    return value


def _plain(value: Any) -> Any:
    """Return a serialised value (tuple, array) as itself."""
    if isinstance(value, dict):
        config = value.get("config")
        if value.get("class_name") == "__numpy__" and isinstance(config, dict):
            return np.array(config["value"], config["dtype"])
        if value.get("class_name") == "__tuple__":
            return tuple(_plain(item) for item in value["items"])
    return value


def _dtype(value: Any) -> Any:
    """Return the name of a dtype policy, in whichever of its forms it comes."""
    if isinstance(value, dict):
        if "Quantized" in value["class_name"]:
            raise InputError(
                "the model is quantized, so its weights can't be pruned. Use the model from "
                "before quantization."
            )
        value = value["config"]["name"]
    return getattr(value, "name", value)


def _activation(value: Any, direction: Direction) -> Any:
    if isinstance(value, dict):
        name, config = value.get("class_name"), value.get("config")
        if name in allowed.CONVERTIBLE_LAYERS:  # a layer used as an activation
            return rebuild(str(name), config or {}, direction)
        if name != "function":
            raise _own_function("activation", direction)
        value = config
    return direction.activation(value) if isinstance(value, str) else value


def _helper(kind: str, value: Any, direction: Direction) -> Any:
    """Return an initializer, regularizer or constraint of the target library."""
    if value is None:
        return None
    name, config = value["class_name"], value.get("config") or {}
    cls = getattr(getattr(direction.target, f"{kind}s"), name, None)
    if cls is None and name in ("function", "__lambda__"):
        raise _own_function(kind, direction)
    if cls is None:
        raise InputError(
            f"{kind} {name} has no counterpart in {direction.target_name}, so the model can't be "
            f"converted. Use a built-in {kind}."
        )
    known = inspect.signature(cls.__init__).parameters
    options = {k: _plain(v) for k, v in config.items() if k in known}
    if isinstance(options.get("seed"), dict):  # a running generator: where it stood is not kept
        options["seed"] = None
    return cls(**options)


def _own_function(kind: str, direction: Direction) -> InputError:
    return InputError(
        f"your own function as {kind} has no counterpart in {direction.target_name}, so the model "
        f"can't be converted. Use a built-in {kind}."
    )


def _accepted(cls: type) -> set[str]:
    """Return the options that a layer class takes, those it passes on to its bases included."""
    names = {"name", "dtype", "trainable"}
    for base in cls.__mro__[:-1]:
        if base.__name__ in ("Layer", "Operation"):
            break
        if "__init__" in base.__dict__:
            names |= _signature(base)
            if not any(p.kind is p.VAR_KEYWORD for p in _parameters(base).values()):
                break
    return names - {"self", "args", "kwargs"}


def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(cls.__init__).parameters  # type: ignore[misc]


def _signature(cls: type) -> set[str]:
    return set(_parameters(cls))


def _droppable(source_cls: type, key: str, value: Any) -> bool:
    if value is None or key in EXECUTION:
        return True
    default = None
    for base in source_cls.__mro__[:-1]:
        parameter = _parameters(base).get(key)
        if parameter is not None:
            default = parameter.default
            break
    if value is False and default in (None, inspect.Parameter.empty):
        return True
    if key == "data_format":
        return bool(value == "channels_last")
    if isinstance(value, list | tuple) and isinstance(default, list | tuple | int):
        return bool(np.array_equal(np.ravel(value), np.ravel(default)))
    return bool(default == value)
