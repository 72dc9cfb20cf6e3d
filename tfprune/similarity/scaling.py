"""Layers of extreme size brought to a size whose fourth powers a float holds.

Moments hold products of four activations, which overflow or vanish long before the activations
themselves do. A power of two changes no digit, and what is unchanged by scaling doesn't see it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tfprune.similarity.arrays import Array

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
