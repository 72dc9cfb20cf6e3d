"""Two layers seen over the same inputs: the statistics from which measures are computed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.factorizations import orthonormal_basis
from tfprune.similarity.moments import Centred, centre, offset_of_mean
from tfprune.similarity.parallel import computed_once
from tfprune.similarity.side import Side

Rows = Callable[[], tuple[Array, Array]]


@dataclass(frozen=True)
class Canonical:
    """Correlations rho (c,), largest first, and the rotations (r1, c), (r2, c) to them."""

    rho: Array
    left: Array
    right: Array


class Pair:
    """Statistics of two layers x and y; whatever is costly is computed once, when asked for.

    `moments` are the centred cross-moments. `rows` returns a bounded sample of the rows themselves,
    `minibatches` is HSIC_1 of (xy, xx, yy) for each minibatch and `stand_in` returns centred
    matrices with the rows' inner products for the QR way; None where not collected.
    """

    def __init__(
        self,
        x: Side,
        y: Side,
        moments: Centred,
        *,
        caller: str = "similarity",
        names: tuple[str, str] = ("x", "y"),
        rows: Rows | None = None,
        minibatches: Array | None = None,
        stand_in: Rows | None = None,
        allow_few_samples: bool = False,
    ) -> None:
        self.x, self.y, self.moments = x, y, moments
        self.caller, self.names = caller, names
        self.rows, self.minibatches = rows, minibatches
        self.allow_few_samples = allow_few_samples
        self._stand_in = stand_in
        #: share of variance -> cross-products of the directions that hold it (SVCCA)
        self.kept: dict[float, Array] = {}

    @property
    def n_samples(self) -> float:
        """Return the number of data points (a sum of weights in bootstrap replicates)."""
        return self.x.n_samples

    @property
    def cross(self) -> Array:
        """Return X'Y of the centred channels, (d1, d2)."""
        return self.moments.products

    @computed_once
    def squared_norms(self) -> tuple[float, float, float]:
        """Return ||X'Y||^2, ||X'X||^2, ||Y'Y||^2 (Frobenius)."""
        parts = self.moments, self.x.moments, self.y.moments
        return tuple(part.squared_norm for part in parts)  # type: ignore[return-value]

    def hsic1(self) -> tuple[float, float, float]:
        """Return (n (n-3)) HSIC_1 of (x, y), (x, x), (y, y): Song et al. 2007, linear kernel.

        With K, L the centred Gram matrices (their rows sum to zero) and k, l their diagonals:
        <K, L> - n/(n-2) k.l + tr K tr L / ((n-1)(n-2)), all of which the moments hold.
        """
        n = self.n_samples
        if n < 4:
            raise InputError(f"{self.caller} with the unbiased HSIC needs 4 samples, got {n:g}.")
        traces = (self.x.trace * self.y.trace, self.x.trace**2, self.y.trace**2)
        values = (
            square - n / (n - 2) * part.norms + trace / ((n - 1) * (n - 2))
            for square, part, trace in zip(
                self.squared_norms,
                (self.moments, self.x.moments, self.y.moments),
                traces,
                strict=True,
            )
        )
        return tuple(values)  # type: ignore[return-value]

    @computed_once
    def _orthonormal(self) -> tuple[Array, Array, Array, Array] | None:
        """Return (X, Qx, Y, Qy) when an ill-conditioned side asks for QR and it can be had."""
        if self._stand_in is None or not (self.x.needs_qr or self.y.needs_qr):
            return None
        rows_x, rows_y = self._stand_in()
        basis_x = orthonormal_basis(rows_x, self.x.live, self.x.tolerance)
        basis_y = orthonormal_basis(rows_y, self.y.live, self.y.tolerance)
        return rows_x, basis_x, rows_y, basis_y

    @property
    def is_coarse(self) -> bool:
        """Return whether QR is asked for and can't be had, so that digits are lost."""
        return self._stand_in is None and (self.x.needs_qr or self.y.needs_qr)

    @computed_once
    def ranks(self) -> tuple[int, int]:
        """Return the number of independent live directions of x and of y."""
        if self._orthonormal is not None:
            _, basis_x, _, basis_y = self._orthonormal
            return basis_x.shape[1], basis_y.shape[1]
        return self.x.whitening.rank, self.y.whitening.rank

    @computed_once
    def whitened_cross(self) -> Array:
        """Return the cross-products (r1, r2) of both sides' unit-scatter directions."""
        if self._orthonormal is not None:
            _, basis_x, _, basis_y = self._orthonormal
            return np.asarray(basis_x.T @ basis_y)
        half = self.x.whitening.apply(self.cross)
        return self.y.whitening.apply(half.T).T

    def own_x(self) -> Array:
        """Return the products (r1, d1) of x's unit-scatter directions with x's channels."""
        if self._orthonormal is not None:
            rows_x, basis_x, _, _ = self._orthonormal
            return np.asarray(basis_x.T @ rows_x)
        return self.x.whitened

    def x_on_y(self) -> Array:
        """Return the products (r2, d1) of y's unit-scatter directions with x's channels."""
        if self._orthonormal is not None:
            rows_x, _, _, basis_y = self._orthonormal
            return np.asarray(basis_y.T @ rows_x)
        return self.y.whitening.apply(self.cross.T)

    @computed_once
    def correlations(self) -> Array:
        """Return the canonical correlations of the live directions, (min rank,), largest first."""
        self.check_live()
        self.check_samples(self.ranks, "live")
        return correlations_of(self.whitened_cross)

    @computed_once
    def canonical(self) -> Canonical:
        """Return correlations and canonical directions of the live directions."""
        self.check_live()
        self.check_samples(self.ranks, "live")
        left, rho, right = np.linalg.svd(self.whitened_cross, full_matrices=False)
        return Canonical(np.clip(rho, 0.0, 1.0), left, right.T)

    @computed_once
    def weighing(self) -> tuple[Array, Array]:
        """Return correlations (c,) and x's rotation (r1, c) alone: half the cost of `canonical`."""
        self.check_live()
        self.check_samples(self.ranks, "live")
        k = self.whitened_cross
        squares, rotation = np.linalg.eigh(k @ k.T)
        count = min(k.shape)
        rho = np.sqrt(np.clip(squares[::-1][:count], 0.0, 1.0))
        return rho, rotation[:, ::-1][:, :count]

    def check_live(self) -> None:
        """Raise InputError when one side has no channel that varies."""
        for name, side in zip(self.names, (self.x, self.y), strict=True):
            if side.live.size == 0:
                raise InputError(
                    f"{self.caller} needs channels that vary: all {side.width} channels of "
                    f"{name} are dead or constant. Leave this layer out, or prune less."
                )

    def check_samples(self, directions: tuple[int, int], kind: str, more: str = "") -> None:
        """Raise InputError unless n_samples exceeds the sum of the sides' `directions`.

        Up to there CCA finds perfect correlations between anything and anything.
        """
        n, needed = int(self.n_samples), sum(directions)
        if n > needed or self.allow_few_samples:
            return
        name_x, name_y = self.names
        raise InputError(
            f"{self.caller} needs more samples than {kind} directions: n_samples={n}, but "
            f"{name_x} has {directions[0]} and {name_y} has {directions[1]} ({needed} together). "
            f"Add probe images{more}, or use a measure without this limit, such as cka-debiased."
        )

    def sampled(self) -> tuple[Array, Array]:
        """Return the sampled rows; raise InputError when the pair was collected without."""
        if self.rows is None:
            raise InputError(f"{self.caller} needs sampled rows; compute it through Comparison.")
        return self.rows()

    def swapped(self) -> Pair:
        """Return the same pair with the sides exchanged."""
        stand_in = self._stand_in
        rows = self.rows
        return Pair(
            self.y,
            self.x,
            self.moments.T,
            caller=self.caller,
            names=self.names[::-1],
            rows=None if rows is None else lambda: rows()[::-1],
            minibatches=None if self.minibatches is None else self.minibatches[:, [0, 2, 1]],
            stand_in=None if stand_in is None else lambda: stand_in()[::-1],
            allow_few_samples=self.allow_few_samples,
        )


def correlations_of(whitened: Array) -> Array:
    """Return the singular values of a whitened cross-product, all in [0, 1], largest first.

    By the eigenvalues of the smaller K K', which is more than twice as fast as an SVD; what that
    costs is 2e-8 absolute, and only for correlations below 1e-7.
    """
    k = whitened if whitened.shape[0] <= whitened.shape[1] else whitened.T
    squares = np.linalg.eigvalsh(k @ k.T)[::-1]
    return np.asarray(np.sqrt(np.clip(squares, 0.0, 1.0)))


def squared_distances(rows: Array) -> Array:
    """Return the (n, n) squared Euclidean distances between rows."""
    values = rows.astype(np.float64)
    values -= values.mean(axis=0)
    squares = np.einsum("ij,ij->i", values, values)
    distances = squares[:, None] + squares[None, :] - 2.0 * (values @ values.T)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(np.maximum(distances, 0.0))


def side_from_moments(within: Array, shift: Array, tolerance: float) -> tuple[Side, Array]:
    """Return a `Side` and its mean's offset from `shift`, from moments (d+2, d+2) about it."""
    offset = offset_of_mean(within)
    centred = centre(within, offset, offset)
    return Side(centred, offset + shift.astype(np.float64), tolerance), offset
