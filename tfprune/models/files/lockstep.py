"""Two networks side by side, one operation at a time, on the same values.

Each operation of the source and its counterpart are given the source's own intermediate values,
so a difference belongs to that operation alone. By the chain rule the gradient of the network is
the product of what is compared here. Compared whole it would tell little: batch norm over few
values magnifies rounding on the way back until correct conversions look wrong. Random layers are
held still meanwhile.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.models.copying import Conversion
from tfprune.models.files.convert import OPERATION_LAYERS, apply_to_keras2, apply_to_keras3
from tfprune.models.graph import calls, takes_training, walk
from tfprune.models.layer_names import called
from tfprune.models.libraries import is_keras3_model


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
    apply_new = apply_to_keras2 if from_keras3 else apply_to_keras3
    counterparts = {id(old): new for old, new in conversion.pairs}
    rng = np.random.default_rng(seed)
    worst = 0.0

    def apply(operation: Any, args: list[Any], kwargs: dict[str, Any]) -> Any:
        nonlocal worst
        new = counterparts.get(id(operation))
        tensors = [x for x in tf.nest.flatten([args, kwargs]) if _is_float(x)]

        def own() -> Any:
            return operation(*args, **with_mode(operation, kwargs, training))

        def other() -> Any:
            mode = kwargs if new is None else with_mode(new, kwargs, training)
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

    walk(conversion.source, [tf.constant(x) for x in inputs], apply)
    return worst


def _is_float(value: Any) -> bool:
    import tensorflow as tf

    return isinstance(value, tf.Tensor) and value.dtype.is_floating


def with_mode(layer: Any, kwargs: dict[str, Any], training: bool) -> dict[str, Any]:
    """Return the arguments of a layer's call, with the mode where the layer takes one."""
    if type(layer).__name__ in OPERATION_LAYERS or not hasattr(layer, "weights"):
        return kwargs
    return {"training": training, **kwargs} if takes_training(layer) else kwargs


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


def _array(value: Any) -> np.ndarray:
    return np.asarray(value).astype("float64")


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest absolute difference of two arrays.

    Infinite when their shapes differ or either holds a value that is not finite.
    """
    a, b = _array(ours), _array(theirs)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max(initial=0.0))


def scale(value: Any) -> float:
    """Return the largest absolute value in an array, at least 1e-3."""
    return max(1e-3, float(np.abs(_array(value)).max(initial=0.0)))


def gradient_scales(gradients: Sequence[Any]) -> list[float]:
    """Return the size that each gradient of one operation is compared by.

    It is the gradient's largest absolute value, but at least a tenth of the largest among all of
    the operation's: a gradient may be a sum of terms as large as those of the others that cancel.
    That by the bias of an attention's keys is zero in exact arithmetic, since a softmax does not
    see a constant added to its row; what is found is the rounding of its terms, and no two
    libraries agree on that.
    """
    sizes = [scale(gradient) for gradient in gradients]
    return [max(size, 0.1 * max(sizes)) for size in sizes]


UNKNOWN_SIZE = 96
MAX_INPUT = 1 << 26
MAX_ACTIVATION = 1 << 28
BATCH = 4


def random_inputs(model: Any, *, n: int = BATCH, seed: int = 0) -> list[np.ndarray]:
    """Return one random batch for each input of a tf_keras model; unknown sizes become 96.

    Floats lie in [0, 1), integers are 0 or 1. A batch size fixed in the model is kept. Raises
    InputError where a network asks for more than any image holds.
    """
    check_sizes(model)
    rng = np.random.default_rng(seed)
    batches = []
    for tensor in model.inputs:
        sizes = [UNKNOWN_SIZE if d is None else int(d) for d in tensor.shape[1:]]
        shape = (n if tensor.shape[0] is None else int(tensor.shape[0]), *sizes)
        drawn = rng.random(shape) if tensor.dtype.is_floating else rng.integers(0, 2, shape)
        batches.append(drawn.astype(tensor.dtype.as_numpy_dtype))
    return batches


def check_sizes(model: Any) -> None:
    """Raise InputError if an input or an activation of a tf_keras model is absurdly large."""
    for tensor in model.inputs:
        if _size(tensor.shape) > MAX_INPUT:
            raise InputError(
                f"model {called(model)!r}: one input of shape {tuple(tensor.shape[1:])} has more "
                f"than {MAX_INPUT:,} values; no image has. Refused."
            )
    for call in calls(model):
        for tensor in call.outputs:
            if _size(tensor.shape) > MAX_ACTIVATION:
                raise InputError(
                    f"layer {called(call.layer)!r} puts out {tuple(tensor.shape[1:])}, more than "
                    f"{MAX_ACTIVATION:,} values for one image: impossible. Refused."
                )


def _size(shape: Any) -> int:
    return math.prod(UNKNOWN_SIZE if d is None else int(d) for d in tuple(shape)[1:])


_RANDOM = ("Dropout", "Noise", "Random")
_RATES = ("dropout", "recurrent_dropout")


@contextmanager
def quiet(model: Any) -> Iterator[dict[int, list[bool]]]:
    """Within this context, the random layers of `model` act as in inference.

    Yields a dictionary that fills while the model runs: for each random layer (by `id`), whether
    each of its calls was meant as training. So a dropout that a conversion has frozen off shows,
    although its output is the same.
    """
    modes: dict[int, list[bool]] = {}
    patched: list[Any] = []
    rates: list[tuple[Any, str, float]] = []
    for layer in model._flatten_layers():
        if any(word in type(layer).__name__ for word in _RANDOM) and hasattr(layer, "call"):
            _hold(layer, modes.setdefault(id(layer), []))
            patched.append(layer)
        for name in _RATES:  # recurrent cells drop on their own
            rate = vars(layer).get(name)
            if isinstance(rate, float | int) and rate:
                rates.append((layer, name, rate))
                object.__setattr__(layer, name, 0.0)
    try:
        yield modes
    finally:
        for layer in patched:
            vars(layer).pop("call", None)
        for layer, name, rate in rates:
            object.__setattr__(layer, name, rate)


def _hold(layer: Any, modes: list[bool]) -> None:
    original = layer.call

    def call(inputs: Any, training: Any = None, **kwargs: Any) -> Any:
        modes.append(bool(training))
        return original(inputs, training=False, **kwargs)

    object.__setattr__(layer, "call", call)
