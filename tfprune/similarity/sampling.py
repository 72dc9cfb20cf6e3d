"""A bounded, seeded sample of data points, for measures that need n x n matrices."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array

_MASK = np.uint64(0xFFFFFFFFFFFFFFFF)


def priorities(first: int, n: int, seed: int) -> Array:
    """Return (n,) pseudo-random uint64, a pure function of seed and data point first .. first+n.

    The splitmix64 generator at each position, so a sample does not depend on batch size.
    """
    start = (seed * 0x9E3779B97F4A7C15 + first * 0xBF58476D1CE4E5B9) & int(_MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(n, dtype=np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


class RowSample:
    """The `size` data points of lowest priority so far: a uniform sample without replacement."""

    def __init__(self, size: int, seed: int) -> None:
        self.size, self.seed = size, seed
        self.keys: Array = np.zeros(0, np.uint64)
        self._rows: tuple[Array, Array] | None = None

    def rows(self) -> tuple[Array, Array]:
        """Return the sampled rows of both sides, (m, d1) and (m, d2)."""
        if self._rows is None:
            raise InputError("a sample of data points was asked for before any was seen.")
        return self._rows

    def add(self, x: Array, y: Array, first: int) -> None:
        """Consider rows of both sides, x (n, d1) and y (n, d2), data points first .. first+n."""
        self._keep(priorities(first, x.shape[0], self.seed), x, y)

    def merge(self, other: RowSample) -> None:
        """Consider what another sample of the same seed has kept."""
        if other._rows is not None:
            self._keep(other.keys, *other._rows)

    def restore(self, keys: Array, rows: tuple[Array, Array]) -> None:
        """Go on from the keys and rows of a saved sample."""
        self.keys, self._rows = keys, rows

    def _keep(self, keys: Array, x: Array, y: Array) -> None:
        if self.keys.size == self.size:
            good = np.flatnonzero(keys < self.keys[-1])
        else:
            good = np.argsort(keys, kind="stable")[: self.size]
        if good.size == 0 and self._rows is not None:
            return
        joined = np.concatenate([self.keys, keys[good]])
        order = np.argsort(joined, kind="stable")[: self.size]
        parts = (x[good], y[good])
        if self._rows is not None:
            parts = tuple(  # type: ignore[assignment]
                np.concatenate([old, new]) for old, new in zip(self._rows, parts, strict=True)
            )
        self.keys = joined[order]
        self._rows = (parts[0][order], parts[1][order])
