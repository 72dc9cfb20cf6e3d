"""Augmented moments: one cross-product of [x - s | 1 | |x - s|^2] carries all that is needed.

For rows z_i = [x_i - s, 1, |x_i - s|^2] of one layer and the same of another, the (d1+2, d2+2)
matrix Z1' Z2 holds the cross-products, the sums, the number of rows and the products of squared
row norms that the unbiased HSIC asks for. It is additive over rows. Moving the shift s is an
exact linear map of z, so moments taken about different shifts merge exactly, and centring is
moving it onto the mean.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.parallel import NARROW, PARTS, chunk_rows, run_tasks

#: of a (d, d) matrix, so many rows are worked on at once: they stay in cache
ROWS = 64


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
    moments[..., d + 1, :] += 2.0 * (delta @ moments[..., :d, :]) + (delta @ delta) * ones
    moments[..., :d, :] += delta[:, None] * ones[..., None, :]


class Centred(Protocol):
    """What measures use of two layers' centred rows x_i (d1,) and y_i (d2,)."""

    @property
    def n(self) -> float:
        """The number of rows (a sum of weights in bootstrap replicates)."""

    @property
    def norms(self) -> float:
        """The sum of |x_i|^2 |y_i|^2 that the unbiased HSIC asks for."""

    @property
    def products(self) -> Array:
        """X'Y, (d1, d2)."""

    @property
    def diagonal(self) -> Array:
        """The diagonal of X'Y, (min(d1, d2),)."""

    @property
    def squared_norm(self) -> float:
        """||X'Y||^2 (Frobenius)."""

    @property
    def T(self) -> Centred:  # noqa: N802 (as numpy calls it)
        """The same with the layers exchanged."""


@dataclass(frozen=True)
class CentredSums:
    """`Centred`, of products that are at hand."""

    products: Array
    n: float
    norms: float

    @property
    def diagonal(self) -> Array:
        return np.diagonal(self.products)

    @property
    def squared_norm(self) -> float:
        return float(np.einsum("ij,ij->", self.products, self.products))

    @property
    def T(self) -> CentredSums:  # noqa: N802 (as numpy calls it)
        return CentredSums(self.products.T, self.n, self.norms)


@dataclass(frozen=True)
class CentredAnew:
    """`Centred`, worked out again whenever it is asked for: it keeps no matrix of its own."""

    of: Callable[[], CentredSums]

    @property
    def n(self) -> float:
        return self.of().n

    @property
    def norms(self) -> float:
        return self.of().norms

    @property
    def products(self) -> Array:
        return self.of().products

    @property
    def diagonal(self) -> Array:
        return self.of().diagonal

    @property
    def squared_norm(self) -> float:
        return self.of().squared_norm

    @property
    def T(self) -> CentredAnew:  # noqa: N802 (as numpy calls it)
        return CentredAnew(lambda: self.of().T)


def centre(moments: Array, mean_left: Array, mean_right: Array) -> CentredSums:
    """Return what is left of moments (d1+2, d2+2) about the given offsets from the shift.

    The offsets are usually the means. As `move_shift`, but of the rest only what is used.
    """
    left, right = -mean_left, -mean_right
    d1, d2 = left.shape[0], right.shape[0]
    inner = moments[:d1, :d2]
    sums_x, sums_y, n = moments[:d1, d2], moments[d1, :d2], float(moments[d1, d2])
    x_b, a_y = moments[:d1, d2 + 1], moments[d1 + 1, :d2]  # with the other side's squared norms
    sum_a, sum_b = float(moments[d1 + 1, d2]), float(moments[d1, d2 + 1])
    ll, rr = float(left @ left), float(right @ right)
    norms = (
        float(moments[d1 + 1, d2 + 1])
        + 2.0 * float(a_y @ right)
        + rr * sum_a
        + 2.0 * float(left @ x_b)
        + 4.0 * float(left @ (inner @ right))
        + 2.0 * rr * float(left @ sums_x)
        + ll * (sum_b + 2.0 * float(sums_y @ right) + n * rr)
    )
    return CentredSums(_centred_products(inner, left, right, sums_x, sums_y, n), n, norms)


def _centred_products(
    inner: Array, left: Array, right: Array, sums_x: Array, sums_y: Array, n: float
) -> Array:
    """Return sum (x + left)(y + right)', (d1, d2) float64, from sums over x y', x and y."""
    products = np.empty(inner.shape)
    moved_x = sums_x + n * left
    for start in range(0, inner.shape[0], ROWS):
        part = slice(start, start + ROWS)
        np.multiply(left[part, None], sums_y, out=products[part])
        products[part] += moved_x[part, None] * right
        products[part] += inner[part]
    return products


def offset_of_mean(within: Array) -> Array:
    """Return mean - shift, (d,), from one layer's own moments (d+2, d+2)."""
    d = within.shape[0] - 2
    return np.asarray(within[:d, d] / within[d, d])


def joint_moments(x: Array, y: Array, shift_x: Array, shift_y: Array, dtype: type) -> Array:
    """Return Z'Z, (d1+d2+4, d1+d2+4) float64, of Z = [x augmented | y augmented].

    One symmetric product gives both layers' own moments and their cross-moments. Chunks are
    multiplied in `dtype` and summed in float64.
    """
    wx, wy = x.shape[1] + 2, y.shape[1] + 2
    width = wx + wy
    step = chunk_rows(width)
    if width >= NARROW:  # the sums are large too: add to them seldom
        step = max(step, min(16 * width // np.dtype(dtype).itemsize, 16384))
    n = x.shape[0]
    step = -(-n // -(-n // step))  # chunks of one size

    def work(starts: range) -> Array:
        total = np.zeros((width, width))
        product = np.empty((width, width), dtype)
        buffer = np.empty((min(step, n), width), dtype)
        for start in starts:
            z = buffer[: min(step, n - start)]
            augment(x[start : start + step], shift_x, z[:, :wx])
            augment(y[start : start + step], shift_y, z[:, wx:])
            np.matmul(z.T, z, out=product)
            total += product
        return total

    parts = 1 if width >= NARROW or n < 4 * step else min(PARTS, -(-n // step))
    tasks = [range(k * step, n, parts * step) for k in range(parts)]
    totals = run_tasks(tasks, work, threaded=parts > 1)
    return np.asarray(sum(totals[1:], totals[0]))
