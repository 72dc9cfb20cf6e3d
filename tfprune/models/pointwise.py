"""What a step of a network's graph does to its values, found by trying it on numbers.

An activation function can be written as a layer, as one operation or as several (`x * sigmoid(x)`),
under any name. What they share is that every value comes out of the values at its own place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np

from tfprune.models.graph import Call

Kind = Literal["affine", "curved"]

_MOST_VALUES = 20_000
_SPREAD = 3.0  # reaches both sides of every usual threshold (relu6, hard sigmoid, shrinkage)
_TOLERANCE = 1e-3


def kind_of_step(call: Call) -> Kind | None:
    """Return what one call of a graph does to its inputs, all of the output's shape.

    affine: every value a multiple of the value at its place, plus a constant; curved: another
    function of it, or a softmax; None: values at other places matter too, or chance does.
    """
    return kind_of(call.answer, call.inputs)


def is_straight_step(call: Call) -> Literal["moves", "leaves"] | None:
    """Return what one call makes of values: scaled or shifted ones, or the same; None for else."""
    if len(call.inputs) != 1 or not call.makes_one:
        return None
    import tensorflow as tf

    tensor = call.inputs[0]
    dtype = np.dtype(tensor.dtype.as_numpy_dtype)
    if dtype.kind in "iu":  # whole numbers: a step that makes floats of them, or scales them
        dtype = np.dtype("float32")
    for most in (4, None):
        size = [(_size(tuple(tensor.shape), most), dtype)]
        try:
            kind = _classified(call.answer, size)
            if kind != "affine":
                return None
            values = _draw(np.random.default_rng(1), size[0][0], dtype)
            found = np.asarray(call.answer([tf.constant(values)]))
            return "leaves" if _same(found, values) else "moves"
        except Exception:  # a layer that is built for its own shape raises anything on another
            continue
    return None


def is_affine(function: Callable[[Any], Any]) -> bool:
    """Whether a layer's own activation function leaves values as they are, up to a straight line.

    One that can't be tried on a small matrix counts as curved.
    """
    if getattr(function, "__name__", "") == "linear":
        return True
    try:
        return _classified(lambda values: function(values[0]), [((32, 5), np.dtype("float32"))]) \
            == "affine"  # fmt: skip
    except Exception:  # a function of the user's own, or a layer made for one shape: anything
        return False


def kind_of(function: Callable[[Sequence[Any]], Any], inputs: Sequence[Any]) -> Kind | None:
    """Return what a function of symbolic tensors does; tried on small maps first, then whole."""
    dtypes = [np.dtype(tensor.dtype.as_numpy_dtype) for tensor in inputs]
    shapes = [tuple(tensor.shape) for tensor in inputs]
    for most in (4, None):
        sizes = [_size(shape, most) for shape in shapes]
        try:
            return _classified(function, list(zip(sizes, dtypes, strict=True)))
        except Exception:  # a layer that is built for its own shape raises anything on another
            continue
    return None


def _size(shape: tuple[Any, ...], most: int | None) -> tuple[int, ...]:
    """Return the shape to try a function on: positions at most `most` a side, a batch that fits."""
    sides = [4 if side is None else int(side) for side in shape[1:]]
    if most is not None:
        sides = [min(side, most) for side in sides[:-1]] + sides[-1:]
    batch = max(2, min(32, _MOST_VALUES // max(int(np.prod(sides)), 1)))
    return (batch, *sides)


def _classified(
    function: Callable[[Sequence[Any]], Any], inputs: list[tuple[tuple[int, ...], np.dtype[Any]]]
) -> Kind | None:
    import tensorflow as tf

    rng = np.random.default_rng(0)
    one = [_draw(rng, size, dtype) for size, dtype in inputs]
    other = [_draw(rng, size, dtype) for size, dtype in inputs]
    swapped = rng.random(inputs[0][0]) < 0.5
    mixed = [np.where(swapped, b, a) for a, b in zip(one, other, strict=True)]

    def answers(values: list[np.ndarray]) -> np.ndarray:
        return np.asarray(function([tf.constant(value) for value in values]))

    f_one, f_other = answers(one), answers(other)
    if f_one.shape != swapped.shape:
        return None
    if not _same(answers(mixed), np.where(swapped, f_other, f_one)):
        return "curved" if _is_softmax(f_one) else None
    if f_one.dtype.kind != "f" or any(value.dtype.kind != "f" for value in one):
        return "curved"
    middle = answers([((a + b) / 2).astype(a.dtype) for a, b in zip(one, other, strict=True)])
    return "affine" if _same(middle, (f_one + f_other) / 2) else "curved"


def _draw(rng: np.random.Generator, size: tuple[int, ...], dtype: np.dtype[Any]) -> np.ndarray:
    values = rng.normal(0, _SPREAD, size)
    return values > 0 if dtype.kind == "b" else values.astype(dtype)


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    if a.dtype.kind != "f":
        return bool(np.array_equal(a, b))
    scale = np.abs(b[np.isfinite(b)]).max(initial=1.0)
    return bool(np.allclose(a, b, rtol=_TOLERANCE, atol=_TOLERANCE * scale * 0.01, equal_nan=True))


def _is_softmax(values: np.ndarray) -> bool:
    """Whether the last axis holds shares of 1, or their logarithms."""
    if values.dtype.kind != "f" or values.shape[-1] < 2:
        return False
    for shares in (values, np.exp(np.minimum(values, 50))):
        if (shares >= 0).all() and np.allclose(shares.sum(axis=-1), 1, atol=1e-2):
            return True
    return False
