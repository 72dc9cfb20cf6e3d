"""What others compute, step for step, and a float64 reference by the plain formulas.

`svcca_recipe` follows google/svcca's tutorial and cca_core (neurons in rows, np.cov of both
stacked, pinv, square roots by eigh, a full SVD); `cka_recipe` follows the feature-space function
that Kornblith et al. published. Both packages are not on the package index.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import scipy.linalg

Array = Any


def _recipe_correlations(rows_x: Array, rows_y: Array, epsilon: float) -> Array:
    dx = rows_x.shape[0]
    covariance = np.cov(rows_x, rows_y)
    xx, xy, yy = covariance[:dx, :dx], covariance[:dx, dx:], covariance[dx:, dx:]
    xmax, ymax = np.abs(xx).max(), np.abs(yy).max()
    xx, yy, xy = xx / xmax, yy / ymax, xy / np.sqrt(xmax * ymax)
    keep_x, keep_y = np.abs(np.diagonal(xx)) >= epsilon, np.abs(np.diagonal(yy)) >= epsilon
    xx, yy, xy = xx[np.ix_(keep_x, keep_x)], yy[np.ix_(keep_y, keep_y)], xy[np.ix_(keep_x, keep_y)]
    roots = []
    for own in (xx, yy):
        inverse = np.linalg.pinv(own + epsilon * np.eye(len(own)))
        values, vectors = np.linalg.eigh(inverse)
        roots.append(vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T)
    return np.linalg.svd(roots[0] @ xy @ roots[1])[1]


def cca_recipe(x: Array, y: Array) -> float:
    return float(np.abs(_recipe_correlations(x.T, y.T, 1e-10)).mean())


def svcca_recipe(x: Array, y: Array) -> float:
    kept = []
    for side in (x, y):
        rows = side.T - side.T.mean(axis=1, keepdims=True)
        _, s, v = np.linalg.svd(rows, full_matrices=False)
        k = int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.99)) + 1
        kept.append(s[:k, None] * v[:k])
    return float(np.abs(_recipe_correlations(*kept, 1e-10)).mean())


def cka_recipe(x: Array, y: Array) -> float:
    x = x - x.mean(axis=0)
    y = y - y.mean(axis=0)
    similarity = np.linalg.norm(x.T.dot(y)) ** 2
    return float(similarity / (np.linalg.norm(x.T.dot(x)) * np.linalg.norm(y.T.dot(y))))


def cka_debiased_recipe(x: Array, y: Array) -> float:
    """Feature-space debiased CKA as published, in float32, row norms included."""
    x = x - x.mean(axis=0)
    y = y - y.mean(axis=0)
    n = len(x)

    def hsic(p: Array, q: Array) -> float:
        norms_p, norms_q = (p * p).sum(axis=1), (q * q).sum(axis=1)
        square = np.linalg.norm(p.T.dot(q)) ** 2
        total = norms_p.sum() * norms_q.sum() / ((n - 1) * (n - 2))
        return float(square - n / (n - 2) * norms_p.dot(norms_q) + total)

    return float(hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y)))


def procrustes_scipy(x: Array, y: Array) -> float:
    x = x - x.mean(axis=0)
    y = y - y.mean(axis=0)
    _, total = scipy.linalg.orthogonal_procrustes(x, y)
    return float(total / (np.linalg.norm(x) * np.linalg.norm(y)))


def cca_statsmodels(x: Array, y: Array) -> float:
    from statsmodels.multivariate.cancorr import CanCorr

    live_x, live_y = (side[:, side.std(axis=0) > 0].astype(np.float64) for side in (x, y))
    return float(CanCorr(live_x, live_y).cancorr.mean())


def regression_numpy(x: Array, y: Array) -> float:
    x = x - x.mean(axis=0)
    y = y - y.mean(axis=0)
    fitted = y @ np.linalg.lstsq(y, x, rcond=None)[0]
    return float(1 - ((x - fitted) ** 2).sum() / (x**2).sum())


#: measure -> peer name -> function of (x, y)
PEERS: dict[str, dict[str, Callable[[Array, Array], float]]] = {
    "cca": {"google/svcca recipe": cca_recipe, "statsmodels CanCorr": cca_statsmodels},
    "svcca": {"google/svcca recipe": svcca_recipe},
    "cka": {"Kornblith recipe (float32)": cka_recipe},
    "cka-debiased": {"Kornblith recipe (float32)": cka_debiased_recipe},
    "procrustes": {"scipy orthogonal_procrustes": procrustes_scipy},
    "linear-regression": {"numpy lstsq": regression_numpy},
}


def references(x: Array, y: Array) -> dict[str, float]:
    """Return every measure in float64 by SVD of the centred data itself."""
    sides = []
    for side in (x, y):
        rows = side.astype(np.float64)
        rows -= rows.mean(axis=0)
        rows[:, np.abs(rows).max(axis=0) < 1e-7] = 0.0
        r = np.linalg.qr(rows, mode="r")
        _, s, vt = np.linalg.svd(r)
        live = s > 1e-6 * s[0]
        sides.append((rows, rows @ (vt[live].T / s[live]), s[live]))
    (x, ux, sx), (y, uy, sy) = sides
    u, rho, _ = np.linalg.svd(ux.T @ uy, full_matrices=False)
    kept = [int(np.searchsorted(np.cumsum(s**2) / (s**2).sum(), 0.99)) + 1 for s in (sx, sy)]
    weights = np.abs((ux @ u).T @ x).sum(axis=1)
    cross = x.T @ y
    size = np.linalg.norm(x) * np.linalg.norm(y)
    squares = [np.linalg.norm(cross) ** 2, (sx**4).sum(), (sy**4).sum()]
    n = len(x)
    norms = [(side * side).sum(axis=1) for side in (x, y)]
    debiased = [
        square - n / (n - 2) * p @ q + p.sum() * q.sum() / ((n - 1) * (n - 2))
        for square, (p, q) in zip(
            squares,
            ((norms[0], norms[1]), (norms[0], norms[0]), (norms[1], norms[1])),
            strict=True,
        )
    ]
    fitted = uy.T @ x
    return {
        "cca": float(rho.mean()),
        "svcca": float(
            np.linalg.svd(ux[:, : kept[0]].T @ uy[:, : kept[1]], compute_uv=False).mean()
        ),
        "pwcca": float(weights @ rho / weights.sum()),
        "cka": float(squares[0] / np.sqrt(squares[1] * squares[2])),
        "cka-debiased": float(debiased[0] / np.sqrt(debiased[1] * debiased[2])),
        "procrustes": float(np.linalg.svd(cross, compute_uv=False).sum() / size),
        "linear-regression": float((fitted**2).sum() / (x**2).sum()),
    }
