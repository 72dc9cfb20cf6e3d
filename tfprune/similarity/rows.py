"""Pairs from rows that are all in memory: of float32 in one piece, else in chunks of float64."""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import numpy as np

from tfprune.similarity.arrays import Array, rank_tolerance
from tfprune.similarity.factorizations import gram_coordinates, stand_in_rows
from tfprune.similarity.moments import ROWS, Centred, centre, first_shift, joint_moments
from tfprune.similarity.pair import Pair, side_from_moments
from tfprune.similarity.parallel import n_cores, run_tasks
from tfprune.similarity.side import Side

#: up to so many rows, products of float32 are taken in one piece: float32 sums of more lose digits
FLOAT32_ROWS = 16384


def pair_from_rows(
    x: Array,
    y: Array,
    *,
    dtype: type = np.float64,
    gram: bool = False,
    **options: Any,
) -> Pair:
    """Return the `Pair` of x (n, p) and y (n, q); `options` go on to it.

    Products are taken in `dtype`. With `gram`, a side wider than n is first written in n
    coordinates that span it, which leaves rotation-invariant measures as they are.
    """
    tolerances = rank_tolerance(x.dtype), rank_tolerance(y.dtype)
    if gram and x.shape[1] > x.shape[0]:
        x = gram_coordinates(x)
    if gram and y.shape[1] > y.shape[0]:
        y = gram_coordinates(y)
    if x.dtype == y.dtype == dtype == np.float32 and x.shape[0] <= FLOAT32_ROWS:
        side_x, side_y, cross = _sides_of_float32(x, y, tolerances)
    else:
        side_x, side_y, cross = _sides_in_chunks(x, y, tolerances, dtype)
    return Pair(side_x, side_y, cross, stand_in=cache(lambda: stand_in_rows(x, y)), **options)


def _sides_in_chunks(
    x: Array, y: Array, tolerances: tuple[float, float], dtype: type
) -> tuple[Side, Side, Centred]:
    shift_x, shift_y = first_shift(x), first_shift(y)
    joint = joint_moments(x, y, shift_x, shift_y, dtype)
    wx = x.shape[1] + 2
    side_x, offset_x = side_from_moments(joint[:wx, :wx], shift_x, tolerances[0])
    side_y, offset_y = side_from_moments(joint[wx:, wx:], shift_y, tolerances[1])
    return side_x, side_y, centre(joint[:wx, wx:], offset_x, offset_y)


_WORTH_A_THREAD = 1 << 34  # multiplications
_SAMPLE = 256  # rows, evenly spaced, whose mean is taken off all


def _sides_of_float32(
    x: Array, y: Array, tolerances: tuple[float, float]
) -> tuple[Side, Side, Centred]:
    """Return both sides of float32 x (n, p) and y (n, q), and their cross-moments.

    Rows are centred in float32 and multiplied in one piece; what that leaves of the means is taken
    off the products in float64. Meant for n where float32 sums keep their digits.
    """
    own: dict[int, _Products] = {}

    def work(k: int) -> None:
        rows = _CentredRows((x, y)[k])
        own[k] = _Products(rows, rows)

    # two cores do two sides faster than they share one; more share better
    work_to_do = min(x.shape[0] * rows.shape[1] ** 2 for rows in (x, y))
    run_tasks([0, 1], work, threaded=n_cores() == 2 and work_to_do >= _WORTH_A_THREAD)
    side_x, side_y = (Side(own[k], own[k].left.mean, tolerances[k]) for k in (0, 1))
    return side_x, side_y, _Products(own[0].left, own[1].left)


class _CentredRows:
    """Rows (n, d) less a point near their mean, which is then `rest` (d,) away from zero."""

    def __init__(self, values: Array) -> None:
        n = values.shape[0]
        shift = first_shift(values[:: max(1, n // _SAMPLE)])
        self.rows = np.subtract(values, shift, order="C")
        self.rest = (np.ones(n, values.dtype) @ self.rows).astype(np.float64) / n
        self.mean = shift + self.rest

    @cached_property
    def squares(self) -> Array:
        """The squared norms of the rows less `rest`, (n,) float64."""
        squares = np.einsum("ij,ij->i", self.rows, self.rows)
        along = self.rows @ self.rest.astype(self.rows.dtype)
        return np.asarray(squares.astype(np.float64) - 2.0 * along + self.rest @ self.rest)


class _Products:
    """`Centred` of two such rows, whatever goes beyond their float32 products made when asked for.

    CKA asks for norms alone: those of A - n r s', A the products, r and s the rests.
    """

    def __init__(self, left: _CentredRows, right: _CentredRows, inner: Array | None = None) -> None:
        self.left, self.right = left, right
        self._inner = left.rows.T @ right.rows if inner is None else inner
        self.n = float(left.rows.shape[0])

    @property
    def norms(self) -> float:
        return float(self.left.squares @ self.right.squares)

    @cached_property
    def products(self) -> Array:
        products: Array = np.multiply(-self.n * self.left.rest[:, None], self.right.rest)
        products += self._inner
        return products

    @property
    def diagonal(self) -> Array:
        inner = np.diagonal(self._inner)
        d = inner.size
        return np.asarray(inner - self.n * self.left.rest[:d] * self.right.rest[:d])

    @cached_property
    def squared_norm(self) -> float:
        r, s, inner = self.left.rest, self.right.rest, self._inner
        total, buffer = 0.0, np.empty((ROWS, inner.shape[1]))
        for start in range(0, inner.shape[0], ROWS):
            part = inner[start : start + ROWS]
            exact = buffer[: len(part)]
            exact[:] = part
            total += float(np.vdot(exact, exact))
        between = float(r @ (inner @ s.astype(inner.dtype)))
        return total - 2.0 * self.n * between + self.n**2 * float(r @ r) * float(s @ s)

    @property
    def T(self) -> Centred:  # noqa: N802 (as numpy calls it)
        return _Products(self.right, self.left, self._inner.T)
