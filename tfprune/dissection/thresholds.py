"""The value that each unit exceeds at a given share of all positions, from batches of maps.

Exact where the values above it fit in memory: no others are kept. Where they don't, by counting
floating-point numbers by their leading 16 bits, whose error is known and said.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

_BINS = 1 << 16
#: how far a threshold by counting may lie above the exact one: numbers of one bin agree in sign,
#: exponent and seven bits of their fraction
RELATIVE_ERROR = 2.0**-7


class Threshold(NamedTuple):
    """T of every unit, and the share of all positions above it, as counted: (n_units,) each.

    is_exact: whether T is the value that was asked for, or one up to RELATIVE_ERROR above it.
    """

    values: NDArray[Any]
    above: NDArray[np.float64]
    is_exact: bool


class Tally(Protocol):
    """What is kept of the values that were seen so far."""

    def add(self, rows: NDArray[Any]) -> None:
        """Add values (n, n_units)."""

    def threshold(self) -> Threshold:
        """Return what follows from all of them."""


def tally(n_values: int, n_units: int, active: float, *, memory: int) -> Tally:
    """Return the exact tally if the values above fit in `memory` bytes, else one that counts.

    n_values: positions of all images together. active: the share of positions above T.
    """
    kept = int(active * n_values) + 1
    exact, counted = 8 * kept * n_units, 8 * _BINS * n_units  # twice while it is sorted
    if exact <= max(memory, counted):
        return _Largest(n_values, kept)
    return _Counted(n_values, n_units, kept)


class _Largest:
    """The largest values, as many as may lie above T and one more."""

    def __init__(self, n_values: int, kept: int) -> None:
        self._n_values, self._kept = n_values, kept
        self._rows: NDArray[Any] | None = None

    def add(self, rows: NDArray[Any]) -> None:
        kept = self._kept
        if self._rows is not None:
            if len(self._rows) == kept:
                rows = rows[(rows > self._rows.min(axis=0)).any(axis=1)]
            rows = np.concatenate([self._rows, rows])
        if len(rows) > kept:
            rows = np.partition(rows, len(rows) - kept, axis=0)[-kept:]
        self._rows = rows

    def threshold(self) -> Threshold:
        assert self._rows is not None
        values = self._rows.min(axis=0)
        return Threshold(values, (self._rows > values).sum(axis=0) / self._n_values, True)


class _Counted:
    """How many values have which leading 16 bits."""

    def __init__(self, n_values: int, n_units: int, kept: int) -> None:
        self._n_values, self._most = n_values, kept - 1
        self._counts = np.zeros((n_units, _BINS), np.int64)

    def add(self, rows: NDArray[Any]) -> None:
        bins = _ordered(rows.astype(np.float32)) >> 16
        for unit, counts in enumerate(self._counts):
            counts += np.bincount(bins[:, unit], minlength=_BINS)

    def threshold(self) -> Threshold:
        # above[k, b]: values in bins beyond b; the lowest b with at most the share beyond it
        above = self._counts.sum(axis=1, keepdims=True) - np.cumsum(self._counts, axis=1)
        lowest = (above <= self._most).argmax(axis=1)
        values = _number((lowest.astype(np.uint32) << 16) | np.uint32(0xFFFF))
        shares = np.take_along_axis(above, lowest[:, None], axis=1)[:, 0] / self._n_values
        return Threshold(values, shares, False)


def _ordered(x: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return whole numbers in the order of the floating-point numbers."""
    bits = np.ascontiguousarray(x + np.float32(0)).view(np.uint32)  # -0 becomes 0
    return np.asarray(np.where(bits >> 31 == 1, ~bits, bits | np.uint32(1 << 31)))


def _number(ordered: NDArray[np.uint32]) -> NDArray[np.float32]:
    bits = np.where(ordered >> 31 == 1, ordered & np.uint32(0x7FFFFFFF), ~ordered)
    return np.asarray(bits.astype(np.uint32)).view(np.float32)
