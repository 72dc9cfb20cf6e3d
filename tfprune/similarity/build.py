"""Pairs from rows that are all in memory."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from tfprune.similarity.arrays import Array, rank_tolerance
from tfprune.similarity.gram import gram_coordinates
from tfprune.similarity.moments import first_shift
from tfprune.similarity.pair import Pair, cross_from_moments, side_from_moments
from tfprune.similarity.products import joint_moments
from tfprune.similarity.qr import stand_in_rows


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
    tolerance_x, tolerance_y = rank_tolerance(x.dtype), rank_tolerance(y.dtype)
    if gram and x.shape[1] > x.shape[0]:
        x = gram_coordinates(x)
    if gram and y.shape[1] > y.shape[0]:
        y = gram_coordinates(y)
    shift_x, shift_y = first_shift(x), first_shift(y)
    joint = joint_moments(x, y, shift_x, shift_y, dtype)
    wx = x.shape[1] + 2
    side_x, offset_x = side_from_moments(joint[:wx, :wx], shift_x, tolerance_x)
    side_y, offset_y = side_from_moments(joint[wx:, wx:], shift_y, tolerance_y)
    cross = cross_from_moments(joint[:wx, wx:], offset_x, offset_y)
    return Pair(side_x, side_y, cross, stand_in=cache(lambda: stand_in_rows(x, y)), **options)
