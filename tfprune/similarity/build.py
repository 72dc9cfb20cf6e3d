"""Pairs from rows that are all in memory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tfprune.similarity.arrays import Array, rank_tolerance
from tfprune.similarity.at_once import sides_at_once
from tfprune.similarity.gram import gram_coordinates
from tfprune.similarity.moments import Centred, centre, first_shift
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
    sides = (
        sides_at_once(x, y, tolerances) if at_once else _sides_in_chunks(x, y, tolerances, dtype)
    )
    side_x, side_y, cross = sides
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
