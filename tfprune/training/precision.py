"""Training in 16 bits: layers compute in bfloat16, variables stay float32.

A network that can do both is built so that its variables can cast themselves (Keras's
`mixed_bfloat16` policy) and then set to float32, in which it is evaluated, compared, copied and
saved. Only while the training step is traced do its layers stand on bfloat16.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config.words import PRECISIONS
from tfprune.errors import unknown_name
from tfprune.models.copying import clone, set_weights_of
from tfprune.models.graph import leaf_layers, maker
from tfprune.training.backend import gpu

if TYPE_CHECKING:
    import tf_keras

#: flags of /proc/cpuinfo, x86 and ARM
_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}


def is_slow_here(precision: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether what trains is known to lack the instructions that make it worth while."""
    if precision != "bfloat16":
        return False
    device = gpu()
    if device is not None:
        return device.capability is not None and device.capability < (8, 0)
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux: nothing is known
        return False
    flags = [line for line in lines if line.lower().startswith(("flags", "features"))]
    return bool(flags) and not _BFLOAT16_FLAGS & set(" ".join(flags).split())


def check_precision(precision: str) -> str:
    """Return `precision` if it is known; raise InputError with the nearest name if not."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    return precision


def castable_copy(model: tf_keras.Model) -> tf_keras.Model:
    """Return a float32 copy of a model, sharing nothing, whose layers can compute in bfloat16."""
    copy = _with_casting_variables(model)
    set_weights_of(model, copy)
    for layer in _layers(copy):
        layer._set_dtype_policy("float32")
    return copy


def _with_casting_variables(model: tf_keras.Model) -> tf_keras.Model:
    def mixed(layer: tf_keras.layers.Layer, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "dtype": "mixed_bfloat16"} if "dtype" in config else config

    return clone(model, mixed)


@contextlib.contextmanager
def computing_in(precision: str, model: tf_keras.Model) -> Iterator[None]:
    """Let the layers of a model compute in `precision` while the block traces them.

    Those that make the outputs stay in float32: logits rounded to 8 bits would blur the loss.
    """
    if precision == "float32":
        yield
        return
    last = {id(maker(tensor)) for tensor in model.outputs}
    outer = [layer for layer in _layers(model) if id(layer) not in last]
    wrapped = [layer.layer for layer in outer if hasattr(layer, "layer")]  # tfmot's wrappers
    changed = [*outer, *wrapped]
    try:
        for layer in changed:
            layer._set_dtype_policy("mixed_bfloat16")
        yield
    finally:
        for layer in changed:
            layer._set_dtype_policy("float32")


def _layers(model: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    """Return the layers of a model and of nested ones, but no input layers and no models."""
    import tf_keras

    leaves = leaf_layers(model)
    return [one for one in leaves if not isinstance(one, tf_keras.layers.InputLayer)]
