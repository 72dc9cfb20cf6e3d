"""The curvature of a surface at a point, from points around it.

After Kaufman and Azencot (ICML 2023), who apply curvature-aware manifold learning (Li 2018) to a
network's layers: the surface is written over its tangent space as a quadratic, whose second
derivatives are fitted by least squares. Two deviations: what answers linearly to the inputs' own
parts is no bending (`parts`), and tilted tangents are corrected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError
from tfprune.geometry.neighbours import as_points

#: directions with less of the largest one's variance are rounding
_ROUNDING = 1e-14
#: columns of the fit whose pivot is smaller than this share of the largest are not independent
_DEPENDENT = 1e-9
#: the same in roundings of the neighbours' own precision, which the fit must not magnify to numbers
_ROUNDINGS = 8


@dataclass(frozen=True, eq=False)
class Curvature:
    """The second fundamental form of a surface at a point, and what follows from it.

    second_form: (n_normals, d, d), its component along each of orthonormal normal directions, in an
        orthonormal basis of the tangent space. Normals along which no neighbour reaches are left
        out: their components are 0.
    codimension: normal directions in all, width - d.

    >>> bowl = Curvature(np.array([[[2.0, 0.0], [0.0, 4.0]]]), codimension=1)
    >>> bowl.dimension, bowl.principal.tolist()
    (2, [[2.0, 4.0]])
    """

    second_form: NDArray[np.float64]
    codimension: int

    @property
    def dimension(self) -> int:
        """The dimension d of the surface."""
        return int(self.second_form.shape[1])

    @property
    def principal(self) -> NDArray[np.float64]:
        """The principal curvatures (n_normals, d) along every normal, ascending, in 1 / length."""
        return np.asarray(np.linalg.eigvalsh(self.second_form), dtype=np.float64)

    @property
    def mean_absolute(self) -> float:
        """The mean absolute principal curvature over all normals, at least 0, in 1 / length.

        As in Kaufman and Azencot (2023): a surface that bends along one of many normals has a
        small one. Of two normals and more it depends on which are taken, by a factor of up to the
        root of their number; here they are the differences' right singular vectors.
        """
        if self.codimension == 0:
            return 0.0
        return float(np.abs(self.principal).sum() / (self.codimension * self.dimension))

    @property
    def root_mean_square(self) -> float:
        """The root of the mean squared principal curvature over all normals, in 1 / length.

        The same whichever orthonormal normals are taken.
        """
        if self.codimension == 0:
            return 0.0
        return float(np.sqrt(np.sum(self.second_form**2) / (self.codimension * self.dimension)))

    def riemann(self) -> NDArray[np.float64]:
        """Return the Riemann tensor R_ijkl (d, d, d, d), by Gauss' equation, in 1 / length^2.

        R_ijkl = sum over normals of h_ik h_jl - h_il h_jk; on the unit sphere R_ijij = 1.
        """
        h = self.second_form
        return np.asarray(
            np.einsum("aik,ajl->ijkl", h, h) - np.einsum("ail,ajk->ijkl", h, h), dtype=np.float64
        )

    def sectional(self) -> NDArray[np.float64]:
        """Return the sectional curvatures (d, d) of the planes of two basis vectors; diagonal 0."""
        h = self.second_form
        diagonal = np.einsum("aii->ai", h)
        return np.asarray(
            np.einsum("ai,aj->ij", diagonal, diagonal) - np.einsum("aij,aij->ij", h, h),
            dtype=np.float64,
        )

    @property
    def scalar(self) -> float:
        """The scalar curvature, in 1 / length^2: the sum of R_ijij.

        On the unit sphere d (d - 1).
        """
        trace = np.einsum("aii->a", self.second_form)
        return float(trace @ trace - np.sum(self.second_form**2))

    @property
    def mean_sectional(self) -> float:
        """The mean sectional curvature over all planes, in 1 / length^2; NaN for a curve."""
        d = self.dimension
        return self.scalar / (d * (d - 1)) if d > 1 else float("nan")


def least_neighbours(dimension: int) -> int:
    """Return how many neighbours the second derivatives need: 1 + d + d (d + 1) / 2.

    >>> least_neighbours(2), least_neighbours(43)
    (6, 990)
    """
    return 1 + dimension + dimension * (dimension + 1) // 2


def curvature(
    neighbours: NDArray[Any],
    point: NDArray[Any],
    *,
    dimension: int,
    parts: NDArray[Any] | None = None,
) -> Curvature:
    """Return the curvature of a surface at a point of it.

    neighbours: (n_neighbours, ...), points of the surface around it, flattened behind the first
        axis. point: of the shape of one of them.
    dimension: of the surface, d.
    parts: (n_neighbours, n_parts), by how much of each part a neighbour's input differs from the
        point's, as `left_out` gives it; None where the neighbours are no answers to such inputs.

    The differences' first d right singular vectors span the tangent space, the others are normals;
    u are the tangent coordinates. Each normal coordinate is fitted by least squares to
    sum_i g_i u_i + sum_i H_ii u_i^2 / 2 + sum_{i<j} H_ij u_i u_j. Neighbours on one side tilt that
    tangent space; its slopes g are used to turn second derivatives into the second fundamental
    form of the surface itself: with J = g, that is
    (I + J J')^(-1/2) H over normals, and (I + J'J)^(-1/2) on both sides over tangents. (The paper
    takes H as it is, which is the same where the slopes vanish.)

    With more `parts` than d, answers move in flat directions beside the tangents, too. These are
    normal coordinates that are linear in the parts and, since parts are left out and never put in,
    have a mean; without more columns the squares fit that mean, and a linear map comes out curved.
    So the n_parts - d directions of the parts that u does not follow are columns of the fit: a
    linear map has curvature 0. (The paper's fit has no such columns.)

    Raises InputError for a dimension that is not in [1, width], for fewer neighbours than
    `least_neighbours`, for neighbours that do not determine all second derivatives, and for nan or
    infinite numbers.

    >>> t = np.random.default_rng(0).uniform(-0.1, 0.1, size=(50, 2))
    >>> bowl = np.column_stack([t, 1.5 * t[:, 0] ** 2 + 0.5 * t[:, 1] ** 2])
    >>> found = curvature(bowl, np.zeros(3), dimension=2)
    >>> np.abs(found.principal).round(2).tolist(), round(found.scalar, 1)
    ([[1.0, 3.0]], 6.0)
    """
    x = as_points(np.concatenate([np.asarray(point)[None], neighbours]), what="neighbours")
    differences = (x[1:].astype(np.float64)) - x[0].astype(np.float64)
    n, width = differences.shape
    if not 1 <= dimension <= width:
        raise InputError(
            f"the dimension of a surface among {width} numbers lies in [1, {width}], got "
            f"{dimension}."
        )
    if n < least_neighbours(dimension):
        raise InputError(
            f"the curvature in {dimension} dimensions needs at least "
            f"{least_neighbours(dimension)} neighbours (1 + d + d (d + 1) / 2), got {n}. Give "
            "more, or a lower dimension."
        )
    if parts is not None and (np.ndim(parts) != 2 or len(parts) != n):
        raise InputError(
            f"parts are rows of (n_neighbours, n_parts), one for each of {n} neighbours, got shape "
            f"{np.shape(parts)}."
        )
    z = _coordinates(differences)
    if z.shape[1] < dimension:
        raise _undetermined(n, dimension)
    u, normals = z[:, :dimension], z[:, dimension:]
    scale = float(np.sqrt(np.mean(u * u)))
    tiny = max(_DEPENDENT, _ROUNDINGS * float(np.finfo(x.dtype).eps))
    slopes, hessians = _fitted(u / scale, normals, _beside(u / scale, parts), tiny)
    form = _second_form(slopes / scale, hessians / scale**2)
    return Curvature(form, codimension=width - dimension)


def _undetermined(n: int, dimension: int) -> InputError:
    return InputError(
        f"the {n} neighbours do not determine the second derivatives in {dimension} dimensions: "
        "too few of them are independent. Give others, or a lower dimension."
    )


def _coordinates(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the differences (n, rank) in the basis of their right singular vectors."""
    n, width = differences.shape
    if width <= n:
        values, vectors = np.linalg.eigh(differences.T @ differences)
        kept = values > _ROUNDING * values[-1]
        return np.asarray((differences @ vectors[:, kept])[:, ::-1])
    values, vectors = np.linalg.eigh(differences @ differences.T)
    kept = values > _ROUNDING * values[-1]
    return np.asarray((vectors[:, kept] * np.sqrt(values[kept]))[:, ::-1])


def _beside(u: NDArray[np.float64], parts: NDArray[Any] | None) -> NDArray[np.float64]:
    """Return the directions of the parts (n, n_parts - d) that u does not follow, orthonormal."""
    n, d = u.shape
    if parts is None or parts.shape[1] <= d:
        return np.zeros((n, 0))
    parts = np.asarray(parts, dtype=np.float64)
    along, _ = np.linalg.qr(u)
    left, values, _ = np.linalg.svd(parts - along @ (along.T @ parts), full_matrices=False)
    kept = values[: parts.shape[1] - d] > _DEPENDENT * np.linalg.norm(parts)
    return np.asarray(left[:, : parts.shape[1] - d][:, kept], dtype=np.float64)


def _fitted(
    u: NDArray[np.float64],
    normals: NDArray[np.float64],
    beside: NDArray[np.float64],
    tiny: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return slopes (n_normals, d) and second derivatives (n_normals, d, d) of each normal.

    beside: (n, ...), further columns of the fit. tiny: see _DEPENDENT.
    """
    from scipy.linalg import lstsq

    n, d = u.shape
    i, j = np.triu_indices(d)
    products = u[:, i] * u[:, j] * np.where(i == j, 0.5, 1.0)
    columns = np.concatenate([u, products, beside], axis=1)
    lengths = np.sqrt(np.mean(columns**2, axis=0))
    if not lengths.all():
        raise _undetermined(n, d)
    # a column of zeros, which LAPACK wants even where no normal is left
    wanted = np.concatenate([normals, np.zeros((n, 1))], axis=1)
    solution, _, rank, _ = lstsq(
        columns / lengths, wanted, cond=tiny, lapack_driver="gelsy", check_finite=False
    )
    if rank < columns.shape[1]:
        raise _undetermined(n, d)
    solution = (solution / lengths[:, None]).T[:-1]
    second = solution[:, d : d + len(i)]
    hessians = np.zeros((normals.shape[1], d, d))
    hessians[:, i, j] = second
    hessians[:, j, i] = second
    return solution[:, :d], hessians


def _second_form(slopes: NDArray[np.float64], hessians: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the second fundamental form of the graph with these derivatives, in orthonormal bases.

    A tangent vector of the graph is (t, J t), and a normal one (-J' m, m). Of J = A S B' follow the
    roots of I + J J' and I + J'J.
    """
    if not len(slopes):
        return hessians
    a, s, b = np.linalg.svd(slopes, full_matrices=False)
    root = 1 / np.sqrt(1 + s * s)
    along = np.tensordot(a.T, hessians, axes=1) * (root - 1)[:, None, None]
    form = hessians + np.tensordot(a, along, axes=1)
    flat = np.eye(b.shape[1]) + (b.T * (root - 1)) @ b
    return np.asarray(flat @ form @ flat)
