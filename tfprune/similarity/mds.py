"""Classical multidimensional scaling: points in the plane whose distances are like given ones."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array


def classical_mds(distances: Array, *, n_dimensions: int = 2) -> tuple[Array, float]:
    """Return coordinates (n, n_dimensions) and the share of the squared distances that they show.

    distances: (n, n), symmetric, 0 on the diagonal. The coordinates are the leading eigenvectors
    of the doubly centred squared distances, each times the root of its eigenvalue (Torgerson 1952;
    Gower 1966). For Euclidean distances the share is that of their variance; others have negative
    eigenvalues too, and the share is of the absolute ones. The sign of an axis is that which makes
    its largest entry positive. Raises InputError for what is no matrix of distances.

    >>> points = np.array([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    >>> distances = np.linalg.norm(points[:, None] - points, axis=-1)
    >>> found, share = classical_mds(distances)
    >>> bool(np.allclose(np.linalg.norm(found[:, None] - found, axis=-1), distances)), share
    (True, 1.0)
    """
    d = np.asarray(distances, float)
    if d.ndim != 2 or d.shape[0] != d.shape[1] or not np.isfinite(d).all():
        raise InputError(f"expected a finite (n, n) matrix of distances; got {d.shape}.")
    if not np.allclose(d, d.T) or np.abs(np.diagonal(d)).max(initial=0.0) > 1e-6:
        raise InputError("distances must be symmetric, and 0 from each network to itself.")
    squared = d**2
    centred = squared - squared.mean(axis=0) - squared.mean(axis=1)[:, None] + squared.mean()
    values, vectors = np.linalg.eigh(-centred / 2)
    order = np.argsort(values)[::-1][:n_dimensions]
    kept = np.maximum(values[order], 0.0)
    axes = vectors[:, order]
    largest = np.abs(axes).argmax(axis=0)
    axes = axes * np.where(axes[largest, np.arange(axes.shape[1])] < 0, -1.0, 1.0)
    total = float(np.abs(values).sum())
    found = np.zeros((len(d), n_dimensions))
    found[:, : len(order)] = axes * np.sqrt(kept)
    return found, round(float(kept.sum()) / total, 12) if total > 0 else 1.0
