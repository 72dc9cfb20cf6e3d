"""Pairs from rows that are all in memory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tfprune.similarity.arrays import Array, rank_tolerance
from tfprune.similarity.gram import gram_coordinates
from tfprune.similarity.moments import Centred, centre, centred_products, first_shift
from tfprune.similarity.pair import Pair, side_from_moments
from tfprune.similarity.products import joint_moments
from tfprune.similarity.qr import stand_in_rows
from tfprune.similarity.side import Side

#: up to so many rows, products of float32 are taken in one piece: float32 sums of more lose digits
AT_ONCE = 16384


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
    at_once = x.dtype == y.dtype == dtype == np.float32 and x.shape[0] <= AT_ONCE
    sides = _sides_at_once if at_once else _sides_in_chunks
    side_x, side_y, cross = sides(x, y, tolerances, dtype)
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


def _sides_at_once(
    x: Array, y: Array, tolerances: tuple[float, float], dtype: type
) -> tuple[Side, Side, Centred]:
    """Return the same from rows centred first: three products, nothing beside them.

    What is left of the means after centring in `dtype` is taken off the products.
    """
    n = float(x.shape[0])
    ones: Array = np.ones(x.shape[0], dtype)
    shifts = [ones @ rows / dtype(n) for rows in (x, y)]  # near the means
    a, b = (rows - shift for rows, shift in zip((x, y), shifts, strict=True))
    rests = [(ones @ rows).astype(np.float64) / n for rows in (a, b)]
    means = [shift + rest for shift, rest in zip(shifts, rests, strict=True)]
    squares = [np.einsum("ij,ij->i", rows, rows).astype(np.float64) for rows in (a, b)]

    def moments(i: int, j: int) -> Centred:
        inner = (a, b)[i].T @ (a, b)[j]
        left, right = -rests[i], -rests[j]
        products = centred_products(inner, left, right, -n * left, -n * right, n)
        return Centred(products, n, float(squares[i] @ squares[j]))

    side_x, side_y = (Side(moments(i, i), means[i], tolerances[i]) for i in (0, 1))
    return side_x, side_y, moments(0, 1)
