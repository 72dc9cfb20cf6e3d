"""Gram space: where a layer is wider than there are samples, n coordinates say it all."""

from __future__ import annotations

import numpy as np
from scipy.linalg import lapack

from tfprune.similarity.arrays import Array


def gram_coordinates(rows: Array) -> Array:
    """Return (n, r) coordinates, r < n, with the inner products of the centred rows (n, d).

    X = C Q' with orthonormal Q, so every measure that is invariant to rotations gives the same
    number for C as for X; the cost is n^2 d instead of n d^2. C is the pivoted Cholesky factor
    of the centred Gram matrix.
    """
    n = rows.shape[0]
    gram = np.zeros((n, n))
    mean = rows.mean(axis=0, dtype=np.float64)
    step = max(1, (1 << 22) // n)
    for start in range(0, rows.shape[1], step):
        part = np.subtract(rows[:, start : start + step], mean[start : start + step])
        gram += part @ part.T
    factor, pivots, rank, _ = lapack.dpstrf(np.asfortranarray(gram), lower=1, tol=-1.0)
    coordinates = np.zeros((n, rank))
    coordinates[pivots - 1] = np.tril(factor)[:, :rank]
    return coordinates
