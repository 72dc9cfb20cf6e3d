"""One layer's own statistics: which channels live, its rank, its whitening, its main directions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from tfprune.similarity.arrays import Array
from tfprune.similarity.moments import Centred
from tfprune.similarity.parallel import computed_once

#: where the smallest kept pivot is below this, cross-products have lost too many digits for CCA
ILL_CONDITIONED = 1e-9

#: rounding noise of a float64 cross-product on the correlation scale
_PIVOT_NOISE = 1e-13


@dataclass(frozen=True)
class Whitening:
    """Independent live channels p and L with corr[p, p] = L L'; `apply` maps onto unit scatter."""

    channels: Array
    norms: Array
    factor: Array
    smallest_pivot: float

    @property
    def rank(self) -> int:
        """Return the number of independent live directions."""
        return int(self.channels.size)

    def apply(self, products: Array) -> Array:
        """Return W' products, (rank, m), for products (d, m) of this layer's channels."""
        scaled = products[self.channels] / self.norms[:, None]
        solved = scipy.linalg.solve_triangular(self.factor, scaled, lower=True, check_finite=False)
        return np.asarray(solved)

    def directions(self, rotation: Array, width: int) -> Array:
        """Return (width, c) weights over all channels of rotated unit-scatter directions.

        `rotation` (rank, c) has orthonormal columns.
        """
        weights = np.zeros((width, rotation.shape[1]))
        solved = scipy.linalg.solve_triangular(
            self.factor, rotation, lower=True, trans="T", check_finite=False
        )
        weights[self.channels] = solved / self.norms[:, None]
        return weights


class Side:
    """Centred statistics of one layer, each computed once and kept for every pair it is in.

    `moments` are the layer's own centred moments, `mean` its channel means, `tolerance` the
    share of a channel's norm that counts as rounding noise of the input.
    """

    def __init__(self, moments: Centred, mean: Array, tolerance: float) -> None:
        self.moments = moments
        self.mean = mean
        self.tolerance = tolerance
        self.width = mean.shape[0]

    @property
    def n_samples(self) -> float:
        """Return the number of rows (a sum of weights in bootstrap replicates)."""
        return self.moments.n

    @property
    def scatter(self) -> Array:
        """Return X'X of the centred channels, (d, d)."""
        return self.moments.products

    @computed_once
    def trace(self) -> float:
        """Return the total squared norm of the centred rows."""
        return float(self.moments.diagonal.sum())

    @computed_once
    def live(self) -> Array:
        """Return the indices of the channels that vary."""
        squares = self.moments.diagonal
        n = self.n_samples
        rounding = n * (0.02 * self.tolerance * np.abs(self.mean)) ** 2
        floor = 1e-30 * float(squares.max(initial=0.0))
        return np.flatnonzero(squares > np.maximum(rounding, floor))

    @computed_once
    def whitening(self) -> Whitening:
        """Return the rank-revealing whitening, by pivoted Cholesky on the correlation scale."""
        live = self.live
        norms = np.sqrt(self.moments.diagonal[live])
        if live.size == 0:
            return Whitening(live, norms, np.zeros((0, 0)), 1.0)
        correlation = self.scatter[np.ix_(live, live)] / np.outer(norms, norms)
        threshold = max(self.tolerance**2, _PIVOT_NOISE)
        factor, pivots, rank, _ = lapack.dpstrf(
            np.asfortranarray(correlation), lower=1, tol=threshold, overwrite_a=True
        )
        rank = int(min(rank, max(self.n_samples - 1, 0)))
        chosen = pivots[:rank] - 1
        triangle = np.tril(factor[:rank, :rank])
        smallest = float(np.diagonal(triangle).min() ** 2) if rank else 1.0
        return Whitening(live[chosen], norms[chosen], triangle, smallest)

    @computed_once
    def whitened(self) -> Array:
        """Return the products (rank, d) of the unit-scatter directions with the channels.

        Of scatter N L L' N on the whitened channels, N their norms, L^-1 N^-1 makes L' N; only
        live channels that depend on others need solving.
        """
        whitening = self.whitening
        if whitening.rank < self.live.size:
            return whitening.apply(self.scatter)
        products = np.zeros((whitening.rank, self.width))
        products[:, whitening.channels] = whitening.factor.T * whitening.norms
        return products

    @property
    def needs_qr(self) -> bool:
        """Return whether cross-products are too coarse to whiten this layer.

        So for float64 input when a kept direction is nearly dependent on the others, or when
        there may be directions finer than cross-products can tell from rounding. float32 input
        holds none: what is rounded off the input moves the number more than QR could mend.
        """
        if self.tolerance**2 >= _PIVOT_NOISE:
            return False
        whitening = self.whitening
        hidden = whitening.rank < self.live.size
        return hidden or whitening.smallest_pivot < ILL_CONDITIONED

    @computed_once
    def spectrum(self) -> tuple[Array, Array]:
        """Return (variances, directions) of the scatter, largest first: (d,), (d, d)."""
        values, vectors = np.linalg.eigh(self.scatter)
        return np.maximum(values[::-1], 0.0), vectors[:, ::-1]

    @property
    def effective_rank(self) -> float:
        """Return the participation ratio (sum of variances)^2 / sum of squares, in [1, d]."""
        squares = self.moments.squared_norm
        return self.trace**2 / squares if squares > 0 else 0.0

    def principal(self, variance: float) -> Array:
        """Return (d, k) directions of unit scatter: the fewest that hold `variance` of it."""
        values, vectors = self.spectrum
        total = float(values.sum())
        if not total > 0:
            return vectors[:, :0]
        share = np.cumsum(values) / total
        kept = int(np.searchsorted(share, variance * (1 - 1e-12)) + 1)
        kept = min(kept, int((values > values[0] * 1e-14).sum()))
        return np.asarray(vectors[:, :kept] / np.sqrt(values[:kept]))

    @computed_once
    def duplicates(self) -> int:
        """Return how many live channels copy an earlier live one, up to shift and scale."""
        live = self.live
        if live.size < 2:
            return 0
        norms = np.sqrt(self.moments.diagonal[live])
        correlation = self.scatter[np.ix_(live, live)] / np.outer(norms, norms)
        same = np.triu(correlation > 1 - max(self.tolerance**2, 1e-13) * 4, k=1)
        return int(same.any(axis=0).sum())
