"""Arrays at the public boundary: checks, layouts (how maps become data points), size, rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.config.words import LAYOUTS, Layout
from tfprune.errors import InputError, check_unmasked, unknown_name

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


def check_layout(layout: str) -> Layout:
    """Return `layout` if it is one; raise InputError with the nearest names if not."""
    for name in LAYOUTS:
        if name == layout:
            return name
    raise unknown_name("layout", layout, LAYOUTS)


def as_rows(activations: object, layout: Layout, layer: str) -> tuple[Array, int]:
    """Return (n_rows, n_features) rows of a batch and how many rows each image has.

    Activations are (batch, channels) or (batch, ..positions.., channels). `pixels` makes every
    position a data point, image after image; `mean` averages the positions in float64;
    `flatten` makes every channel at every position a feature. A dense layer is the same in all.
    """
    check_unmasked(activations, f"layer {layer!r}")
    values = np.asarray(activations)
    if values.ndim < 2 or values.shape[-1] == 0:
        raise InputError(
            f"layer {layer!r} must give (batch, channels) or (batch, height, width, channels) "
            f"activations, got shape {values.shape}."
        )
    values = as_floats(values, f"layer {layer!r}")
    batch, channels = values.shape[0], values.shape[-1]
    if values.ndim == 2:
        return values, 1
    if layout == "flatten":
        return values.reshape(batch, -1), 1
    if layout == "mean":
        positions = tuple(range(1, values.ndim - 1))
        return values.mean(axis=positions, dtype=np.float64).astype(values.dtype), 1
    per_image = int(np.prod(values.shape[1:-1]))
    return values.reshape(batch * per_image, channels), per_image


def check_same_positions(layers: tuple[str, str], per_image: tuple[int, int]) -> None:
    """Raise InputError when two layers have different numbers of data points per image."""
    if per_image[0] == per_image[1]:
        return
    raise InputError(
        f"layout 'pixels' compares maps of the same size: {layers[0]!r} has {per_image[0]} "
        f"positions per image, {layers[1]!r} has {per_image[1]}. Use the layout 'mean' or "
        "'flatten', or compare layers of equal map size."
    )


# Moments hold products of four activations, which overflow or vanish long before the activations
# themselves do. A power of two changes no digit, and what scaling leaves unchanged doesn't see it.

#: rows that span 2^-e to 2^e need no scaling, by the precision in which they are multiplied
SAFE_EXPONENT = {4: 20, 8: 128}


def exponent_of_span(rows: Array) -> int | None:
    """Return e with the widest column's range of rows (n, d) in [2^(e-1), 2^e), halved.

    Where no column varies, e of the largest value; None where all are zero.
    """
    half = np.float64(0.5)  # so that no difference overflows
    span = float((rows.max(axis=0) * half - rows.min(axis=0) * half).max(initial=0.0))
    span = span or float(np.abs(rows * half).max(initial=0.0))
    return int(np.frexp(span)[1]) if span > 0 else None


def excess(exponent: int | None, dtype: np.dtype[Any] | type) -> int:
    """Return the power of two by which rows of that exponent, multiplied in `dtype`, are divided.

    It is 0 unless products of four activations could leave the range of `dtype`.
    """
    safe = SAFE_EXPONENT[np.dtype(dtype).itemsize]
    return exponent if exponent is not None and abs(exponent) > safe else 0


def divided(rows: Array, exponent: int) -> Array:
    """Return rows / 2^exponent, exactly, in their own precision; the rows themselves for 0."""
    return np.ldexp(rows, -exponent) if exponent else rows
