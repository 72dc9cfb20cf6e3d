"""Augmented moments: one cross-product of [x - s | 1 | |x - s|^2] carries all that is needed.

For rows z_i = [x_i - s, 1, |x_i - s|^2] of one layer and the same of another, the (d1+2, d2+2)
matrix Z1' Z2 holds the cross-products, the sums, the number of rows and the products of squared
row norms that the unbiased HSIC asks for. It is additive over rows. Moving the shift s is an
exact linear map of z, so moments taken about different shifts merge exactly, and centring is
merging onto the mean.
"""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import Array


def augment(rows: Array, shift: Array, out: Array) -> Array:
    """Write [rows - shift | 1 | squared norm] into `out` (n, d + 2) and return it."""
    d = rows.shape[1]
    values = out[:, :d]
    np.subtract(rows, shift, out=values, casting="same_kind")
    out[:, d] = 1.0
    np.einsum("ij,ij->i", values, values, out=out[:, d + 1])
    return out


def first_shift(rows: Array) -> Array:
    """Return a point near the mean, (d,) in the rows' own precision; exact for constant columns.

    Subtracting it first keeps large means from cancelling in the cross-products.
    """
    head = rows[:4096]
    shift = head.mean(axis=0, dtype=np.float64).astype(rows.dtype)
    constant = (head == head[0]).all(axis=0)
    shift[constant] = head[0, constant]
    return np.asarray(shift)


def move_shift(moments: Array, left: Array | None, right: Array | None) -> Array:
    """Return moments (..., d1+2, d2+2) about s - left and s - right: x' = x + left, and so on.

    With z' = z T, T changes [x, 1, a] to [x + delta, 1, a + 2 x.delta + |delta|^2].
    """
    moved = np.array(moments, dtype=np.float64)
    if left is not None:
        _move_rows(moved, left)
    if right is not None:
        _move_rows(np.swapaxes(moved, -1, -2), right)
    return moved


def _move_rows(moments: Array, delta: Array) -> None:
    d = delta.shape[0]
    ones = moments[..., d, :]
    moments[..., d + 1, :] += (
        2.0 * np.einsum("i,...ij->...j", delta, moments[..., :d, :]) + (delta @ delta) * ones
    )
    moments[..., :d, :] += delta[:, None] * ones[..., None, :]


def centre(moments: Array, mean_left: Array, mean_right: Array) -> Array:
    """Return moments about the given offsets from the present shift (both usually the means)."""
    return move_shift(moments, -mean_left, -mean_right)


def offset_of_mean(within: Array) -> Array:
    """Return mean - shift, (d,), from one layer's own moments (d+2, d+2)."""
    d = within.shape[0] - 2
    return np.asarray(within[:d, d] / within[d, d])
