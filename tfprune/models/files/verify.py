"""Proof that a converted network computes what the original does: forwards and backwards.

Both networks answer the same random input, in inference and in one training step, of which the
outputs, every operation's gradients and the batch-norm means are compared. Both are left as
they were, bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.copying import Conversion
from tfprune.models.files.lockstep import (
    Mismatch,
    compare_operations,
    difference,
    quiet,
    random_inputs,
    scale,
    with_mode,
)
from tfprune.models.graph import as_taken, walk
from tfprune.models.libraries import is_keras3_model
from tfprune.models.weights import short_name, values

# Largest difference of two float32 results of one formula, as a share of the largest value.
TOLERANCE = 1e-4
# The same for the gradients of one operation, about a hundred times what was measured.
GRADIENT_TOLERANCE = 1e-3
# The same for a whole network in training, where batch norm over few values magnifies rounding.
TRAINING_TOLERANCE = 1e-2
HALF_TOLERANCE = 3e-2
# How many times what rounding does to the source's own answers the two may differ, and the share of
# the largest value above which such an allowance would show nothing of the wiring any more.
ROUNDINGS = 3.0
LARGEST_ALLOWANCE = {"inference": 1e-2, "training": 0.3}

REMEDY = (
    "The converted model can't be used: replace that layer, or give a function that builds the "
    "model in tf_keras, as package.module:function."
)


@dataclass(frozen=True)
class Verification:
    """How far a converted network is from its source.

    output: largest absolute difference of the outputs in inference. gradient: largest difference
    of any operation's gradients, as a share of its size (`compare.gradient_scales`); None where no
    training step was compared.
    """

    output: float
    gradient: float | None


def verify(conversion: Conversion, *, training: bool = True, seed: int = 0) -> Verification:
    """Return how far a converted network is from its source; InputError if it is too far.

    The message names the layer at which the difference starts. Random layers (dropout, noise,
    augmentation) run in inference mode during the training step; that both networks *would* run
    them in training mode is compared apart.
    """
    half = any("16" in new.dtype_policy.compute_dtype for _, new in conversion.pairs)
    tolerance = HALF_TOLERANCE if half else TOLERANCE
    loose = HALF_TOLERANCE if half else TRAINING_TOLERANCE
    from_keras3 = is_keras3_model(conversion.source)
    inputs = random_inputs(conversion.model if from_keras3 else conversion.source, seed=seed)
    with _left_unchanged(conversion.source, conversion.model):
        output = _compare_outputs(conversion, inputs, tolerance, training=False)
        if not training:
            return Verification(output, None)
        with quiet(conversion.source) as modes, quiet(conversion.model) as new_modes:
            narrow = HALF_TOLERANCE if half else GRADIENT_TOLERANCE
            gradient = _compare_step(conversion, inputs, narrow, seed)
            for calls in (*modes.values(), *new_modes.values()):
                calls.clear()
            _compare_outputs(conversion, inputs, loose, training=True, modes=modes)
        _compare_modes(conversion, modes, new_modes)
        _compare_means(conversion, loose)
    return Verification(output, gradient)


def _run(model: Any, inputs: list[np.ndarray], *, training: bool) -> list[Any]:
    import tensorflow as tf

    given = [tf.constant(x) for x in inputs]
    result = model(as_taken(model, given), training=training)
    return list(tf.nest.flatten(result))


def _compare_outputs(
    conversion: Conversion,
    inputs: list[np.ndarray],
    tolerance: float,
    *,
    training: bool,
    modes: Mapping[int, list[bool]] | None = None,
) -> float:
    """Return the largest difference of the outputs of both networks.

    modes: what `quiet` has noted of the source's calls; it holds those of one run afterwards.

    Where they differ by more than the tolerance, rounding may be why: a deep network with fresh
    weights and batch norm over few values magnifies it. So they may differ by a few times what
    rounding does to the source's own answers.
    """
    ours = _run(conversion.source, inputs, training=training)
    theirs = _run(conversion.model, inputs, training=training)
    found_all = [difference(a, b) for a, b in zip(ours, theirs, strict=True)]
    allowed = [tolerance * scale(a) for a in ours]
    if not all(found <= limit for found, limit in zip(found_all, allowed, strict=True)):
        cap = LARGEST_ALLOWANCE["training" if training else "inference"]
        noted = {layer: list(calls) for layer, calls in (modes or {}).items()}
        with _left_unchanged(conversion.source):  # the means of its batch norm, too
            rounded = rounding(conversion.source, inputs, training=training)
        for layer, calls in noted.items():
            (modes or {})[layer][:] = calls
        allowed = _widened(allowed, ours, rounded, cap)
    for found, limit in zip(found_all, allowed, strict=True):
        if not found <= limit:
            mode = "in training mode" if training else "in inference"
            raise InputError(
                f"the converted model gives different outputs {mode} (largest difference "
                f"{found:.3g}); it starts at {_where(conversion, inputs, tolerance, training)}. "
                f"{REMEDY}"
            )
    return max(found_all, default=0.0)


def _widened(allowed: list[float], ours: list[Any], rounded: list[Any], cap: float) -> list[float]:
    """Return allowances, at least as large as what rounding does, at most a share of the values."""
    return [
        max(limit, min(ROUNDINGS * difference(a, r), cap * scale(a)))
        for a, r, limit in zip(ours, rounded, allowed, strict=True)
    ]


def allowances(
    model: Any, inputs: list[np.ndarray], outputs: list[np.ndarray], *, tolerance: float
) -> list[float]:
    """Return how far a file's predictions may be from a network's `outputs` for `inputs`.

    By the tolerance, as a share of the largest value or of 1, or by a few times what rounding does
    to the network's own predictions where it magnifies that by more.
    """
    allowed = [tolerance * max(1.0, scale(y)) for y in outputs]
    rounded = rounding(model, inputs, training=False)
    return _widened(allowed, outputs, rounded, LARGEST_ALLOWANCE["inference"])


def rounding(model: Any, inputs: list[np.ndarray], *, training: bool, seed: int = 0) -> list[Any]:
    """Return a network's outputs when every operation's results are off by one rounding.

    Each value is moved up or down, at random, by the distance of neighbouring float32 numbers.
    """
    import tensorflow as tf

    rng = np.random.default_rng(seed)

    def off(result: Any) -> Any:
        if not isinstance(result, tf.Tensor) or not result.dtype.is_floating:
            return result
        factors = 1 + 2.0**-23 * rng.choice([-1.0, 1.0], size=result.shape)
        return tf.cast(tf.cast(result, tf.float64) * factors, result.dtype)

    def apply(operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        result = operation(*args, **with_mode(operation, kwargs, training))
        return tf.nest.map_structure(off, result)

    return list(walk(model, [tf.constant(x) for x in inputs], apply))


def _where(
    conversion: Conversion, inputs: list[np.ndarray], tolerance: float, training: bool
) -> str:
    try:
        compare_operations(
            conversion,
            inputs,
            training=training,
            tolerance=tolerance,
            gradient_tolerance=float("inf"),
        )
    except Mismatch as mismatch:
        return str(mismatch)
    return "no single layer: the layers agree one by one, but not as they are wired"


def _compare_step(
    conversion: Conversion, inputs: list[np.ndarray], tolerance: float, seed: int
) -> float:
    try:
        return compare_operations(
            conversion,
            inputs,
            training=True,
            tolerance=tolerance,
            gradient_tolerance=tolerance,
            seed=seed,
        )
    except Mismatch as mismatch:
        raise InputError(
            f"the converted model {mismatch.what} differently in a training step (largest "
            f"difference {mismatch.found:.3g}); it starts at {mismatch}. {REMEDY}"
        ) from None


def _compare_modes(
    conversion: Conversion, modes: dict[int, list[bool]], new_modes: dict[int, list[bool]]
) -> None:
    for old, new in conversion.pairs:
        if modes.get(id(old)) != new_modes.get(id(new)):
            raise InputError(
                f"layer {old.name!r} ({type(old).__name__}) is random while training in only one "
                f"of the original and the converted model. {REMEDY}"
            )


def _compare_means(conversion: Conversion, tolerance: float) -> None:
    """Hold the moving means together: they show whether momentum survived.

    Moving variances are left out. The fused kernel of tf_keras divides by n - 1, Keras 3 by n.
    A mean that is about zero is the rounding of values that cancel: they are of the size of their
    standard deviation.
    """
    for old, new in conversion.pairs:
        means = [
            [values(w) for w in layer.weights if short_name(w) == "moving_mean"]
            for layer in (old, new)
        ]
        for a, b in zip(*means, strict=True):
            spread = [values(w) for w in old.weights if short_name(w) == "moving_variance"]
            size = max(scale(a), *(float(np.sqrt(scale(v))) for v in spread))
            if not difference(a, b) <= tolerance * size:
                raise InputError(
                    f"layer {old.name!r}: its moving mean after one training step differs by "
                    f"{difference(a, b):.3g} in the converted model. {REMEDY}"
                )


@contextmanager
def _left_unchanged(*models: Any) -> Iterator[None]:
    """Put every variable of the models back when done, random states included."""
    variables = [v for m in models for v in (m.variables if is_keras3_model(m) else m.weights)]
    before = [(v, values(v).copy()) for v in variables]
    try:
        yield
    finally:
        for variable, value in before:
            variable.assign(value)
