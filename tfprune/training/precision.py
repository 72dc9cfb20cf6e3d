"""Training in 16 bits: layers compute in bfloat16 or float16, variables stay float32.

A network that can do both is built so that its variables can cast themselves (Keras's mixed
policies) and then set to float32, in which it is evaluated, compared, copied and saved. Only while
the training step is traced do its layers stand on 16 bits. float16 takes `scaling.LossScale` too.
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

#: flags of /proc/cpuinfo, x86 and ARM, one of which a processor has that is fast in a precision
_FLAGS = {
    "bfloat16": ("avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"),
    "float16": ("avx512_fp16", "amx_fp16", "fphp", "asimdhp"),
}

#: compute capability from which a GPU is fast in a precision: tensor cores for it
_CAPABILITY = {"bfloat16": (8, 0), "float16": (7, 0)}


def is_slow_here(precision: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether what trains is known to lack the instructions that make it worth while."""
    if precision not in _FLAGS:
        return False
    device = gpu()
    if device is not None:
        return device.capability is not None and device.capability < _CAPABILITY[precision]
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:  # not Linux: nothing is known
        return False
    flags = [line for line in lines if line.lower().startswith(("flags", "features"))]
    return bool(flags) and not set(_FLAGS[precision]) & set(" ".join(flags).split())


def why_slow(precision: str) -> str:
    """Return what to say of a precision that `is_slow_here`."""
    major, minor = _CAPABILITY[precision]
    flags = ", ".join(_FLAGS[precision][:2])
    return (
        f"The device has no {precision} instructions (CPU: {flags}; GPU: compute capability "
        f"{major}.{minor}): this is slower than --precision float32."
    )


def check_precision(precision: str) -> str:
    """Return `precision` if it is known; raise InputError with the nearest name if not."""
    if precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    return precision


def castable_copy(model: tf_keras.Model) -> tf_keras.Model:
    """Return a float32 copy of a model, sharing nothing, whose layers can compute in 16 bits."""
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
            layer._set_dtype_policy(f"mixed_{precision}")
        yield
    finally:
        for layer in changed:
            layer._set_dtype_policy("float32")


def _layers(model: tf_keras.Model) -> list[tf_keras.layers.Layer]:
    """Return the layers of a model and of nested ones, but no input layers and no models."""
    import tf_keras

    leaves = leaf_layers(model)
    return [one for one in leaves if not isinstance(one, tf_keras.layers.InputLayer)]
