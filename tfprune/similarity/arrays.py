"""Checks at the public boundary, and how numbers of a given precision are judged."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.masked_arrays import check_unmasked

Array = NDArray[Any]

_WIDE = 512  # columns; products of two such matrices run in threads of BLAS


def as_matrix(values: object, name: str, caller: str) -> Array:
    """Return `values` as a finite (n_samples, n_features) float array, or raise InputError."""
    check_unmasked(values, f"{caller}: {name}")
    matrix = np.asarray(values)
    if matrix.ndim != 2:
        raise InputError(
            f"{caller} takes (n_samples, n_features) arrays: {name} has shape {matrix.shape}. "
            "Reshape it, or choose a layout (pixels, mean, flatten) with Comparison."
        )
    matrix = as_floats(matrix, f"{caller}: {name}")
    if matrix.shape[0] < 2 or matrix.shape[1] < 1:
        raise InputError(
            f"{caller} needs at least 2 samples and 1 feature: {name} has shape {matrix.shape}."
        )
    check_finite(matrix, f"{caller}: {name}")
    return matrix


def as_floats(values: Array, label: str) -> Array:
    """Return real `values` as float32 or float64, without a copy where they are so already."""
    if values.dtype in (np.float32, np.float64):
        return values
    if values.dtype.kind in "fV" and values.dtype.itemsize == 2:  # float16, bfloat16
        return values.astype(np.float32)
    if values.dtype.kind in "fiub":
        return values.astype(np.float64)
    raise InputError(f"{label} must hold real numbers, got dtype {values.dtype}.")


def check_finite(values: Array, label: str) -> None:
    """Raise InputError, naming `label` and the first place, where a value is NaN or infinite."""
    with np.errstate(all="ignore"):
        if np.isfinite(_sums(values)).all():  # one pass, no temporary
            return
        finite = np.isfinite(values)
    if finite.all():  # a sum overflowed, the values did not
        return
    where = tuple(int(i) for i in np.argwhere(~finite)[0])
    raise InputError(
        f"{label} must be finite: {values[where]} at index {where}, "
        f"{int((~finite).sum())} such values in all. Look for diverged training or a bad input."
    )


def _sums(values: Array) -> Array:
    """Return sums that are finite only if all values are.

    Those of a wide matrix by BLAS. Of a narrow one its threads, which spin for a while when they
    are done, would slow down those of ours that come next.
    """
    if values.ndim == 2 and values.shape[1] >= _WIDE and values.flags.c_contiguous:
        return np.ones(values.shape[0], values.dtype) @ values
    return np.asarray(values.sum(dtype=values.dtype))


def check_same_rows(x: Array, y: Array, caller: str) -> None:
    """Raise InputError unless x and y have one row per common input."""
    if x.shape[0] != y.shape[0]:
        raise InputError(
            f"{caller} pairs rows by input: x has {x.shape[0]} rows, y has {y.shape[0]}. "
            "Collect both from the same probe set."
        )


def clipped(value: float, low: float, high: float) -> float:
    """Return `value` within [low, high]; NaN stays NaN, which `min` and `max` would hide."""
    return float(np.clip(value, low, high))


def rank_tolerance(dtype: np.dtype[Any]) -> float:
    """Share of a channel's norm below which what others leave unexplained is rounding noise."""
    return 1e-11 if np.dtype(dtype).itemsize == 8 else 4e-6
