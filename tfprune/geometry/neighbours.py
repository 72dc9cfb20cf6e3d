"""Distances from every point to its nearest others, in blocks, with the digits that they need."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError

#: candidates beyond those asked for, of which the exact distance decides
_SPARE = 4
#: entries of a block of squared distances
_BLOCK = 2**22


def as_points(x: NDArray[Any], *, what: str = "x") -> NDArray[np.floating[Any]]:
    """Return an array of points (n_points, n_features), whatever stands behind the first axis flat.

    Raises InputError for an array without a second axis, and for nan or infinite entries.
    """
    x = np.asarray(x)
    if x.ndim < 2 or x.dtype.kind not in "fiub":
        raise InputError(
            f"{what} must be an array of numbers (n_points, n_features), got shape {x.shape} of "
            f"{x.dtype}."
        )
    flat = x.reshape(len(x), -1)
    if flat.dtype.kind != "f" or flat.dtype.itemsize < 4:
        flat = flat.astype(np.float64)
    if not np.isfinite(flat).all():
        raise InputError(
            f"{what} must be finite: it holds nan or infinite numbers. Look for diverged training "
            "or a bad input."
        )
    return flat


def distinct(x: NDArray[Any]) -> NDArray[np.intp]:
    """Return the places of the first of all equal rows, in order; rows are equal to the bit."""
    rows = np.ascontiguousarray(x + 0.0)  # -0.0 is 0.0
    keys = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    return np.sort(np.unique(keys, return_index=True)[1])


def nearest_distances(x: NDArray[Any], k: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the distances (n_points, k) to the k nearest other points, and which these are.

    Nearest first. Candidates come from products of centred points in float32, and their distances
    are then taken from differences in float64, since in products near points lose their digits.
    Points of which rounding could have hidden a nearer one are looked at again in float64, and
    where that does not tell either, by differences from all others. Raises InputError where there
    are not more points than `k`.

    >>> distances, places = nearest_distances(np.array([[0.0], [1.0], [3.0]]), 2)
    >>> distances.tolist(), places.tolist()
    ([[1.0, 3.0], [1.0, 2.0], [2.0, 3.0]], [[1, 2], [0, 2], [1, 0]])
    """
    x = as_points(x)
    n = len(x)
    if n <= k:
        raise InputError(f"{k} nearest neighbours need more than {k} points, got {n}.")
    distances, places = np.empty((n, k)), np.empty((n, k), dtype=np.intp)
    doubtful = np.ones(n, dtype=bool)
    for dtype in (np.float32, np.float64):
        left = np.flatnonzero(doubtful)
        if len(left):
            found = _nearest(x, left, k, dtype)
            distances[left], places[left], doubtful[left] = found
    for row in np.flatnonzero(doubtful):
        distances[row], places[row] = _nearest_to(x, int(row), k)
    return distances, places


def _nearest(
    x: NDArray[np.floating[Any]], rows: NDArray[np.intp], k: int, dtype: type[np.floating[Any]]
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.bool_]]:
    """Return distances, places, and of which rows products of this precision can't be trusted."""
    n, width = x.shape
    rough, scale = _centred(x, dtype)
    squares = np.einsum("ij,ij->i", rough, rough, dtype=np.float64)
    lengths = np.sqrt(squares)
    # of a product of two rows, of the sum of it and two squares, and of centring
    error = 4 * np.finfo(dtype).eps * (np.sqrt(width) + 2) * lengths * lengths.max()
    n_taken = min(k + _SPARE, n - 1)
    distances, places = np.empty((len(rows), k)), np.empty((len(rows), k), dtype=np.intp)
    doubtful = np.zeros(len(rows), dtype=bool)
    height = max(1, _BLOCK // n)
    for start in range(0, len(rows), height):
        block = slice(start, start + height)
        here = rows[block]
        near = rough[here] @ rough.T
        near *= -2
        near += squares.astype(dtype)  # less the row's own square, which does not change the order
        near[np.arange(len(here)), here] = np.inf
        order = np.argpartition(near, n_taken - 1, axis=1)[:, :n_taken]
        reached = np.take_along_axis(near, order, axis=1).max(axis=1) + squares[here]
        exact = np.stack([_squared(x, here, order[:, j]) for j in range(n_taken)], axis=1)
        sort = np.argsort(exact, axis=1, kind="stable")[:, :k]
        squared = np.take_along_axis(exact, sort, axis=1)
        distances[block] = np.sqrt(squared)
        places[block] = np.take_along_axis(order, sort, axis=1)
        if n_taken < n - 1:
            doubtful[block] = squared[:, -1] / scale**2 > reached - error[here]
    return distances, places, doubtful


def _centred(
    x: NDArray[np.floating[Any]], dtype: type[np.floating[Any]]
) -> tuple[NDArray[np.floating[Any]], float]:
    """Return the points less their mean, divided by a scale so that no square overflows."""
    shift = x.mean(axis=0, dtype=np.float64)
    scale = max(float(np.abs(x.max(axis=0) - shift).max()),
                float(np.abs(x.min(axis=0) - shift).max())) or 1.0  # fmt: skip
    rough = np.empty(x.shape, dtype)
    height = max(1, _BLOCK // x.shape[1])
    for start in range(0, len(x), height):
        block = slice(start, start + height)
        rough[block] = (x[block] - shift) / scale
    return rough, scale


def _squared(
    x: NDArray[np.floating[Any]], rows: NDArray[np.intp], others: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Return the squared distances between rows and others, from differences in float64."""
    total = np.zeros(len(rows))
    width = max(1, _BLOCK // max(len(rows), len(others)))
    for start in range(0, x.shape[1], width):
        part = x[:, start : start + width]
        gap = part[rows].astype(np.float64)
        gap -= part[others]
        total += np.einsum("ij,ij->i", gap, gap)
    return total


def _nearest_to(
    x: NDArray[np.floating[Any]], row: int, k: int
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Return the k smallest distances from a row to others, from differences alone."""
    squared = _squared(x, np.full(len(x), row), np.arange(len(x)))
    squared[row] = np.inf
    order = np.argsort(squared, kind="stable")[:k]
    return np.sqrt(squared[order]), order
