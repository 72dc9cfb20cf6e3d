"""Weights of either library's layers: which are kernels, their names, copies of them.

Which are kernels follows from what their layer calls them, not from their shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.layer_names import called


def is_kernel(weight: Any) -> bool:
    """Whether a weight is a kernel: one that its layer multiplies its inputs by.

    Layers of Keras call these `kernel`, `depthwise_kernel`, `pointwise_kernel` and
    `recurrent_kernel`. Biases, scales of normalisation, slopes of PReLU and tables of embeddings
    are none, of whatever shape. A layer of the user's own says so by the same names.
    """
    name = str(weight.name).partition(":")[0].rpartition("/")[2]
    return name == "kernel" or name.endswith("_kernel")


def kept_variables(model: Any) -> list[Any]:
    """Return the variables that keep their values where weights are drawn anew, in model order.

    Those of frozen layers (`trainable=False`), whose values a model was given for good, and the
    statistics of an adapted Normalization layer.
    """
    kept = {
        id(variable)
        for layer in model._flatten_layers(include_self=False)
        if not layer.trainable or type(layer).__name__ == "Normalization"
        for variable in layer.variables
    }
    return [variable for variable in model.variables if id(variable) in kept]


def is_frozen(layer: Any) -> bool:
    """Whether nothing of a tf_keras layer with weights is trained, for it has trainable=False."""
    parts = [part for part in layer._flatten_layers() if part.variables]
    return bool(parts) and not layer.trainable_variables and any(not p.trainable for p in parts)


def frozen_within(layer: Any) -> list[str]:
    """Return the name of a frozen tf_keras layer, else those of frozen layers inside: `block/conv`.

    Of several frozen ones inside each other, the outermost.
    """
    if is_frozen(layer):
        return [called(layer)]
    found: list[str] = []
    seen: set[int] = set()
    for part in layer._flatten_layers(include_self=False):
        if part.variables and not part.trainable and id(part) not in seen:
            found.append(f"{called(layer)}/{called(part)}")
            seen |= {id(inner) for inner in part._flatten_layers()}
    return found


# The same weight under two names.
_ALIASES = {"depthwise_kernel": "kernel"}


def copy_layer(source: Any, target: Any) -> None:
    """Copy every weight of `source` into `target`; random states are no weights.

    Weights are paired by their own names where these are unique in the layer, else in order.
    Raises InputError naming the layer when numbers or shapes differ.
    """
    ours, theirs = _weights(source), _weights(target)
    if type(source).__name__ == "Normalization":  # a count of samples seen is kept by one library
        names = {short_name(w) for w in ours} & {short_name(w) for w in theirs}
        ours = [w for w in ours if short_name(w) in names]
        theirs = [w for w in theirs if short_name(w) in names]
    if len(ours) != len(theirs):
        raise InputError(
            f"layer {source.name!r} ({type(source).__name__}) holds {len(ours)} weights, its "
            f"counterpart {len(theirs)}: it can't be converted."
        )
    by_name = {_alias(w): w for w in theirs}
    if len(by_name) == len(theirs) and {_alias(w) for w in ours} == set(by_name):
        theirs = [by_name[_alias(w)] for w in ours]
    for old, new in zip(ours, theirs, strict=True):
        if tuple(old.shape) != tuple(new.shape):
            raise InputError(
                f"layer {source.name!r}: weight {short_name(old)!r} has shape {tuple(old.shape)}, "
                f"its counterpart {tuple(new.shape)}: it can't be converted."
            )
        new.assign(_in_type_of(new, values(old)))
    if type(target).__name__ == "Normalization" and ours:
        target.finalize_state()


def _in_type_of(weight: Any, array: np.ndarray) -> np.ndarray:
    """Return an array in the floating type of a weight, which may be narrower or wider."""
    import tensorflow as tf

    return array.astype(tf.as_dtype(weight.dtype).as_numpy_dtype, copy=False)


def _weights(layer: Any) -> list[Any]:
    return [w for w in layer.weights if "seed" not in short_name(w) and "StateVar" not in w.name]


def short_name(weight: Any) -> str:
    """Return the last part of a weight's name: `kernel` for `block/conv/kernel:0`."""
    return str(weight.name).partition(":")[0].rpartition("/")[2]


def _alias(weight: Any) -> str:
    name = short_name(weight)
    return _ALIASES.get(name, name)


def values(weight: Any) -> np.ndarray:
    """Return a weight of either library as an array."""
    return np.asarray(weight.numpy() if hasattr(weight, "numpy") else weight)
