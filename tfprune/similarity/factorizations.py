"""What stands in for rows: Gram coordinates where a layer is wide, R of a QR where it is ill-posed.

A layer wider than there are samples is said in full by n coordinates; R of a streamed QR of [x | y]
has the rows' inner products without squaring their condition.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg
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


class StreamingR:
    """R factor of [1 | x - s | y - t], one chunk of rows at a time, in O((d1 + d2)^2) memory.

    Rows that follow the first of R have the constant projected out, so they are as good as the
    centred rows themselves for every inner product between channels.
    """

    def __init__(self, shift_x: Array, shift_y: Array) -> None:
        self.shift_x, self.shift_y = shift_x, shift_y
        width = 1 + shift_x.size + shift_y.size
        self.factor: Array = np.zeros((0, width))
        self._chunk = max(4 * width, 8192)

    def update(self, x: Array, y: Array) -> None:
        """Add rows: x (n, d1), y (n, d2)."""
        dx, kept = self.shift_x.size, self.factor.shape[0]
        for start in range(0, x.shape[0], self._chunk):
            part_x, part_y = x[start : start + self._chunk], y[start : start + self._chunk]
            kept = self.factor.shape[0]
            stacked = np.empty((kept + part_x.shape[0], self.factor.shape[1]), order="F")
            stacked[:kept] = self.factor
            stacked[kept:, 0] = 1.0
            np.subtract(part_x, self.shift_x, out=stacked[kept:, 1 : dx + 1])
            np.subtract(part_y, self.shift_y, out=stacked[kept:, dx + 1 :])
            self.factor = _triangle(stacked)

    def merge(self, other: StreamingR) -> None:
        """Add the rows of another factor, whatever shifts it was taken about."""
        shift = np.concatenate([self.shift_x, self.shift_y])
        theirs = other.factor.copy()
        theirs[:, 1:] += np.outer(
            theirs[:, 0], np.concatenate([other.shift_x, other.shift_y]) - shift
        )
        self.factor = _triangle(np.asfortranarray(np.vstack([self.factor, theirs])))

    def stand_in(self) -> tuple[Array, Array]:
        """Return (m, d1), (m, d2) with the centred rows' inner products, m <= d1 + d2."""
        centred = self.factor[1:, 1:]
        dx = self.shift_x.size
        return centred[:, :dx], centred[:, dx:]


def _triangle(stacked: Array) -> Array:
    height = min(stacked.shape)
    (r,) = scipy.linalg.qr(stacked, mode="r", overwrite_a=True, check_finite=False)
    return np.array(r[:height])


def stand_in_rows(x: Array, y: Array) -> tuple[Array, Array]:
    """Return centred float64 stand-ins for x (n, d1) and y (n, d2), of at most d1 + d2 rows."""
    if x.shape[0] <= 2 * (x.shape[1] + y.shape[1]):
        return _centred(x), _centred(y)
    factor = StreamingR(x[0].astype(np.float64), y[0].astype(np.float64))
    factor.update(x, y)
    return factor.stand_in()


def _centred(rows: Array) -> Array:
    values = rows.astype(np.float64)
    values -= values[0]  # constant columns become exactly zero
    values -= values.mean(axis=0)
    return values


def ill_conditioned(rows: Array) -> bool:
    """Return whether the first rows (n, d) show channels too nearly dependent for X'X.

    float32 rows are not: see `Side.needs_qr`.
    """
    if rows.dtype == np.float32:
        return False
    head = _centred(rows[: 4 * rows.shape[1] + 64])
    norms = np.linalg.norm(head, axis=0)
    live = norms > 1e-12 * max(float(norms.max(initial=0.0)), 1e-300)
    if head.shape[0] <= live.sum() or not live.any():
        return True
    (r,) = scipy.linalg.qr(head[:, live] / norms[live], mode="r", check_finite=False)
    diagonal = np.abs(np.diagonal(r))
    return bool(diagonal.min() ** 2 < 1e-8)


def orthonormal_basis(rows: Array, live: Array, tolerance: float) -> Array:
    """Return Q (m, rank), an orthonormal basis of the live columns of centred `rows` (m, d).

    A direction counts when what the others leave of a unit column exceeds `tolerance`.
    """
    columns = rows[:, live]
    norms = np.linalg.norm(columns, axis=0)
    columns = columns[:, norms > 0] / norms[norms > 0]
    if columns.size == 0:
        return np.zeros((rows.shape[0], 0))
    q, r, _ = scipy.linalg.qr(columns, mode="economic", pivoting=True, check_finite=False)
    return np.asarray(q[:, np.abs(np.diagonal(r)) > tolerance])
