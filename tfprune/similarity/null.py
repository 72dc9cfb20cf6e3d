"""What unrelated layers score: closed forms for rows paired at random."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import clipped
from tfprune.similarity.pair import Pair


def null_mean_squared_correlation(d1: int, d2: int, n: float) -> float:
    """Return E[mean rho^2] of independent data, exactly max(d1, d2) / (n - 1), at most 1."""
    return min(1.0, max(d1, d2) / (n - 1))


def null_mean_correlation(d1: int, d2: int, n: float) -> float:
    """Return E[mean rho] of independent data with d1, d2 live directions and n samples.

    The mean of sqrt(x) under Wachter's law (1980), the limit of the squared correlations'
    distribution for fixed d1/n, d2/n; within 1e-3 of simulation from about ten directions on.
    For a single direction on each side it is sqrt(2 / (pi n)), of a single correlation.
    """
    small, large = sorted((d1, d2))
    if small < 1:
        return 0.0
    a, b = small / (n - 1), large / (n - 1)
    if a + b >= 1:
        return 1.0
    centre, radius = a + b - 2 * a * b, 2 * np.sqrt(a * b * (1 - a) * (1 - b))
    theta = (np.arange(2000) + 0.5) * np.pi / 2000  # midpoints: spectrally accurate here
    x = centre + radius * np.cos(theta)
    density = (radius * np.sin(theta)) ** 2 / (2 * np.pi * a * x * (1 - x))
    return float((np.sqrt(np.maximum(x, 0)) * density).sum() / density.sum())


def null_cca(pair: Pair) -> float:
    """Return the mean correlation expected of unrelated layers of the pair's ranks."""
    return null_mean_correlation(*pair.ranks, pair.n_samples)


def null_cka(pair: Pair) -> float:
    """Return tr(X'X) tr(Y'Y) / ((n - 1) ||X'X|| ||Y'Y||), the mean of linear CKA over all
    pairings of the rows: exact, whatever the layers' distributions."""
    _, xx, yy = pair.squared_norms
    size = (pair.n_samples - 1) * float(np.sqrt(xx) * np.sqrt(yy))
    return clipped(pair.x.trace * pair.y.trace / size, 0.0, 1.0)


def null_zero(pair: Pair) -> float:
    """Return 0, the expectation of a debiased measure."""
    return 0.0


def null_regression(pair: Pair) -> float:
    """Return rank(y) / (n - 1), the mean R2 over all pairings of the rows: exact."""
    return min(1.0, pair.ranks[1] / (pair.n_samples - 1))
