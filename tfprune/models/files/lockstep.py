"""Two networks side by side, one operation at a time, on the same values.

Each operation of the source and its counterpart are given the source's own intermediate values,
so a difference belongs to that operation alone. By the chain rule the gradient of the network is
the product of what is compared here. Compared whole it would tell little: batch norm over few
values magnifies rounding on the way back until correct conversions look wrong.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfprune.models.files import graph2, graph3
from tfprune.models.files.compare import difference, gradient_scales, scale
from tfprune.models.files.convert import (
    OPERATION_LAYERS,
    Conversion,
    apply_to_keras2,
    apply_to_keras3,
)
from tfprune.models.files.libraries import is_keras3_model


class Mismatch(Exception):  # noqa: N818 - not an error of the user's: it becomes one in `verify`
    """The first operation at which two networks part: its name, and by how much."""

    def __init__(self, operation: Any, what: str, found: float) -> None:
        super().__init__(f"layer {operation.name!r} ({type(operation).__name__})")
        self.what, self.found = what, found


def compare_operations(
    conversion: Conversion,
    inputs: list[np.ndarray],
    *,
    training: bool,
    tolerance: float,
    gradient_tolerance: float,
    seed: int = 0,
) -> float:
    """Return the largest difference of any gradient, as a share of its size: `gradient_scales`.

    Runs forward and, in training mode, backward: the gradients of a random weighting of each
    operation's outputs by its inputs and by its trainable weights. Raises Mismatch at the first
    operation whose outputs differ by more than `tolerance` of their largest value, or gradients
    by more than `gradient_tolerance` of their size.
    """
    import tensorflow as tf

    from_keras3 = is_keras3_model(conversion.source)
    graph: Any = graph3 if from_keras3 else graph2
    apply_new = apply_to_keras2 if from_keras3 else apply_to_keras3
    counterparts = {id(old): new for old, new in conversion.pairs}
    rng = np.random.default_rng(seed)
    worst = 0.0

    def apply(operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        nonlocal worst
        new = counterparts.get(id(operation))
        tensors = [x for x in tf.nest.flatten([args, kwargs]) if _is_float(x)]

        def own() -> Any:
            return operation(*args, **_with_mode(operation, kwargs, training))

        def other() -> Any:
            mode = kwargs if new is None else _with_mode(new, kwargs, training)
            return apply_new(new, operation, args, mode)

        result, ours = _outputs(own, tensors, operation, training)
        _, theirs = _outputs(other, tensors, new, training)
        for a, b in zip(ours.outputs, theirs.outputs, strict=True):
            found = difference(a, b)
            if not found <= tolerance * scale(a):
                raise Mismatch(operation, "answers", found)
        if training:
            weighting = [rng.standard_normal(y.shape) for y in ours.outputs]
            a_all, b_all = ours.gradients(weighting), theirs.gradients(weighting)
            for a, b, size in zip(a_all, b_all, gradient_scales(a_all), strict=True):
                found = difference(a, b)
                worst = max(worst, found / size)
                if not found <= gradient_tolerance * size:
                    raise Mismatch(operation, "learns", found)
        return result

    graph.walk(conversion.source, [tf.constant(x) for x in inputs], apply)
    return worst


def _is_float(value: Any) -> bool:
    import tensorflow as tf

    return isinstance(value, tf.Tensor) and value.dtype.is_floating


def _with_mode(layer: Any, kwargs: dict[str, Any], training: bool) -> dict[str, Any]:
    if type(layer).__name__ in OPERATION_LAYERS or not hasattr(layer, "weights"):
        return kwargs
    return {"training": training, **kwargs} if graph2.takes_training(layer) else kwargs


class _Pass:
    """One forward pass of one operation, with the tape to go back."""

    def __init__(self, tape: Any, outputs: list[Any], sources: list[Any]) -> None:
        self.tape, self.outputs, self.sources = tape, outputs, sources

    def gradients(self, weighting: list[np.ndarray]) -> list[np.ndarray]:
        """Return the gradients by inputs and weights; zeros where there is no way back."""
        import tensorflow as tf

        floats = [
            (y, tf.cast(w, y.dtype))
            for y, w in zip(self.outputs, weighting, strict=True)
            if _is_float(y)
        ]
        if not floats or not self.sources:
            return []
        found = self.tape.gradient(
            [y for y, _ in floats],
            self.sources,
            output_gradients=[w for _, w in floats],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return [np.asarray(tf.convert_to_tensor(g)) for g in found]


def _outputs(run: Any, tensors: list[Any], layer: Any, training: bool) -> tuple[Any, _Pass]:
    import tensorflow as tf

    if not training:
        result = run()
        return result, _Pass(None, tf.nest.flatten(result), [])
    with tf.GradientTape() as tape:
        tape.watch(tensors)
        result = run()
        outputs = tf.nest.flatten(result)
    weights = [_variable(w) for w in getattr(layer, "trainable_weights", [])]
    return result, _Pass(tape, outputs, [*tensors, *weights])


def _variable(weight: Any) -> Any:
    """Return the TensorFlow variable in a weight of either library."""
    return weight.value if type(weight).__module__.startswith("keras.") else weight
