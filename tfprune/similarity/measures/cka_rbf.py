"""CKA with a Gaussian kernel (Kornblith et al. 2019)."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair


def gaussian_alignment(pair: Pair, *, bandwidth: float) -> float:
    """Return the CKA of Gaussian kernels on the sampled rows, in [0, 1].

    k(u, v) = exp(-|u - v|^2 / (2 (bandwidth m)^2)) with m the median distance between rows.
    """
    pair.check_live()
    x, y = sampled(pair)
    gram_x, gram_y = (_centred(gaussian_gram(rows, bandwidth)) for rows in (x, y))
    size = float(np.linalg.norm(gram_x) * np.linalg.norm(gram_y))
    return float(np.clip(np.vdot(gram_x, gram_y) / size, 0.0, 1.0)) if size > 0 else float("nan")


def sampled(pair: Pair) -> tuple[Array, Array]:
    """Return the pair's sampled rows; InputError when it was collected without."""
    if pair.rows is None:
        raise InputError(f"{pair.caller} needs sampled rows; compute it through Comparison.")
    return pair.rows()


def squared_distances(rows: Array) -> Array:
    """Return the (n, n) squared Euclidean distances between rows."""
    values = rows.astype(np.float64)
    values -= values.mean(axis=0)
    squares = np.einsum("ij,ij->i", values, values)
    distances = squares[:, None] + squares[None, :] - 2.0 * (values @ values.T)
    np.fill_diagonal(distances, 0.0)
    return np.asarray(np.maximum(distances, 0.0))


def gaussian_gram(rows: Array, bandwidth: float) -> Array:
    """Return the (n, n) Gaussian kernel; `bandwidth` is in units of the median distance."""
    distances = squared_distances(rows)
    median = float(np.median(distances))
    if not median > 0:
        positive = distances[distances > 0]
        median = float(np.median(positive)) if positive.size else 1.0
    return np.asarray(np.exp(-distances / (2.0 * bandwidth**2 * median)))


def _centred(gram: Array) -> Array:
    rows = gram.mean(axis=0)
    return np.asarray(gram - rows[:, None] - rows[None, :] + rows.mean())


MEASURE = Measure(
    name="cka-rbf",
    summary="CKA with a Gaussian kernel, on a bounded sample of data points",
    compute=gaussian_alignment,
    value_range=(0.0, 1.0),
    paper="Kornblith et al. 2019, section 3",
    definition="CKA with Gaussian kernels; bandwidth in units of the median distance, on a "
    "seeded sample of data points",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    source="rows",
    is_biased_on_rows=True,
    options={"bandwidth": 0.5},
)
