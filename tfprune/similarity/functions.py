"""The measures most used, as functions of two (n_samples, n_features) arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import (
    Array,
    as_matrix,
    check_same_rows,
    divided,
    excess,
    exponent_of_span,
)
from tfprune.similarity.measure import Measure, find_measure
from tfprune.similarity.parallel import blas_threads
from tfprune.similarity.rows import pair_from_rows
from tfprune.similarity.samples import MinibatchSums


def mean_cca(x: Array, y: Array, *, allow_few_samples: bool = False) -> float:
    """Return the mean canonical correlation of x (n, p) and y (n, q), in [0, 1].

    Columns are centred. The mean is over live directions: dead, constant and dependent columns
    are left out by rank (pivoted Cholesky on the correlation scale, QR where that would lose
    digits), so it is over min(rank x, rank y) correlations. Unrelated data score above 0:
    E[mean rho^2] = max(p, q) / (n - 1).

    Raises InputError when the rows don't match, values aren't finite, nothing varies, or n is at
    most rank x + rank y: there CCA is 1 for some directions whatever the data. For the number
    all the same, pass `allow_few_samples=True`. Source: Hotelling 1936; Raghu et al. 2017.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 3))
    >>> round(mean_cca(x, x @ [[2.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 3.0, 5.0]]), 6)
    1.0
    """
    return _score("cca", "mean_cca", x, y, allow_few_samples)


def svcca(x: Array, y: Array, *, variance: float = 0.99, allow_few_samples: bool = False) -> float:
    """Return the mean canonical correlation of the main directions of x and y, in [0, 1].

    Of each centred side the fewest singular directions are kept whose squared singular values
    reach the share `variance`, in (0, 1], of their sum; then mean CCA over those. Raises
    InputError, and takes `allow_few_samples`, as `mean_cca` does, with n against the directions
    kept. Source: Raghu et al. 2017.

    Directions of little variance don't count, where each does in `mean_cca`:

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> common = rng.normal(size=(500, 2))
    >>> x, y = (np.hstack([common, 0.01 * rng.normal(size=(500, 3))]) for _ in range(2))
    >>> round(svcca(x, y), 2), round(mean_cca(x, y), 2)
    (1.0, 0.44)
    """
    if not 0 < variance <= 1:
        raise InputError(f"svcca: variance must lie in (0, 1], got {variance}.")
    measure = find_measure("svcca").with_options(variance=float(variance))
    return _score(measure, "svcca", x, y, allow_few_samples)


def pwcca(x: Array, y: Array, *, allow_few_samples: bool = False) -> float:
    """Return the projection-weighted CCA of x and y, weighted by x, in [0, 1].

    sum_i alpha_i rho_i with alpha_i proportional to sum_j |<h_i, x_j>|, h_i the canonical
    variates of x. Not symmetric: x weighs, whichever side has fewer directions; the measure
    `pwcca-symmetric` is the mean of both ways. Raises InputError, and takes `allow_few_samples`,
    as `mean_cca` does. Source: Morcos et al. 2018, section 2.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(500, 3))
    >>> y = np.hstack([x[:, :1], rng.normal(size=(500, 2))])  # the first channel is shared
    >>> round(pwcca(x, y), 2), round(pwcca([10, 1, 1] * x, y), 2)
    (0.29, 0.79)
    """
    return _score("pwcca", "pwcca", x, y, allow_few_samples)


def linear_cka(x: Array, y: Array, *, debiased: bool = False) -> float:
    """Return the linear centred kernel alignment of x and y, in [0, 1] ([-1, 1] if debiased).

    ||Y'X||_F^2 / (||X'X||_F ||Y'Y||_F) of centred columns, in feature or Gram space, whichever
    is smaller. `debiased` uses the unbiased HSIC_1 of Song et al. 2007: about 0 for unrelated
    data, where the biased form is about width / (n + width). float32 input is multiplied in
    float32 and summed in float64 (relative error about 1e-7). Raises InputError when the rows
    don't match, values aren't finite or nothing varies. Source: Kornblith et al. 2019.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> x, unrelated = rng.normal(size=(2, 100, 20))
    >>> rotation, _ = np.linalg.qr(rng.normal(size=(20, 20)))
    >>> round(linear_cka(x, 3 * x @ rotation), 6)
    1.0
    >>> round(linear_cka(x, unrelated), 2), abs(linear_cka(x, unrelated, debiased=True)) < 0.02
    (0.16, True)
    """
    return _score("cka-debiased" if debiased else "cka", "linear_cka", x, y)


def similarity_of(measure: str | Measure, x: Array, y: Array) -> float:
    """Return any registered measure of x (n, p) and y (n, q), by name or as a `Measure`.

    Measures of all distances between rows (cka-rbf, rsa) take n^2 memory here; `Comparison`
    bounds it by a sample. Raises InputError as the measure's own function would.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(100, 4))
    >>> [round(similarity_of(name, x, 2 * x), 6) for name in ("cka", "procrustes", "rsa")]
    [1.0, 1.0, 1.0]
    """
    found = find_measure(measure)
    return _score(found, found.name, x, y)


def _score(
    measure: str | Measure, caller: str, x: Array, y: Array, allow_few_samples: bool = False
) -> float:
    found = find_measure(measure)
    x, y = as_matrix(x, "x", caller), as_matrix(y, "y", caller)
    check_same_rows(x, y, caller)
    dtype = np.result_type(x, y).type if found.takes_float32 else np.float64
    if "scaling" in found.invariances:
        x, y = (divided(rows, excess(exponent_of_span(rows), dtype)) for rows in (x, y))
    extra: dict[str, Any] = {}
    if found.source == "rows":
        extra["rows"] = lambda: (x, y)
    if found.source == "minibatches":
        sums = MinibatchSums()
        sums.add(x, y, 1)
        extra["minibatches"] = sums.values()
    with blas_threads(max(x.shape[1], y.shape[1])):
        pair = pair_from_rows(
            x,
            y,
            caller=caller,
            dtype=dtype,
            gram=found.is_basis_free,
            allow_few_samples=allow_few_samples,
            **extra,
        )
        return found(pair)
