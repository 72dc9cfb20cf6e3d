"""Canonical correlation and what is made of it: CCA, SVCCA, PWCCA, linear regression.

Sources: Hotelling 1936; Raghu et al. 2017 (SVCCA); Morcos et al. 2018 (PWCCA); Kornblith et al.
2019, section 3 (regression); Wachter 1980 (what chance gives).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array, clipped
from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.derivatives import Change, Derivatives, Expanded, trace_of
from tfprune.similarity.derivatives_cca import expand_kept_correlation, expand_mean_correlation
from tfprune.similarity.lost import Bend
from tfprune.similarity.measure import SUMMARY, Measure
from tfprune.similarity.pair import Pair, correlations_of


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


def mean_correlation(pair: Pair) -> float:
    """Return mean(rho_1 .. rho_c), c the smaller rank of the two sides, in [0, 1]."""
    return float(pair.correlations.mean())


def _bend(pair: Pair, whitened: Array) -> Bend:
    root = float(np.sqrt(pair.n_samples))
    return Bend(whitened, lambda normal: normal / root, scale=1 / min(whitened.shape))


def bend_of_mean(pair: Pair) -> Bend:
    """Return the mean correlation as a sum of singular values."""
    return _bend(pair, pair.whitened_cross)


CCA = Measure(
    name="cca",
    summary=SUMMARY["cca"],
    label="Mean CCA similarity",
    compute=mean_correlation,
    value_range=(0.0, 1.0),
    paper="Hotelling 1936; as a similarity: Raghu et al. 2017",
    definition="mean of the canonical correlations over live directions",
    invariances=frozenset(
        {"translation", "scaling", "orthogonal", "permutation", "invertible-linear"}
    ),
    samples="n > d1 + d2",
    whitens=True,
    expand=expand_mean_correlation,
    null=null_cca,
    bend=bend_of_mean,
)


def kept_directions(pair: Pair, variance: float) -> tuple[Array, Array]:
    """Return the fewest directions of each side, (d, k), that hold `variance` of its variance.

    Shares are of squared singular values of the centred data: variance, as the paper says.
    """
    pair.check_live()
    kept_x, kept_y = pair.x.principal(variance), pair.y.principal(variance)
    directions = (kept_x.shape[1], kept_y.shape[1])
    pair.check_samples(directions, "kept", " or lower the variance")
    return kept_x, kept_y


def kept_cross(pair: Pair, variance: float) -> Array:
    """Return the cross-products (k1, k2) of both sides' kept directions, computed once."""
    if variance not in pair.kept:
        kept_x, kept_y = kept_directions(pair, variance)
        pair.kept[variance] = kept_x.T @ pair.cross @ kept_y
    return pair.kept[variance]


def mean_kept_correlation(pair: Pair, *, variance: float) -> float:
    """Return the mean canonical correlation of the kept directions, in [0, 1]."""
    return float(correlations_of(kept_cross(pair, variance)).mean())


def kept_ranks(pair: Pair, *, variance: float) -> tuple[int, int]:
    """Return how many directions of x and of y are kept."""
    return pair.x.principal(variance).shape[1], pair.y.principal(variance).shape[1]


def null_kept(pair: Pair, *, variance: float) -> float:
    """Return the mean correlation expected of unrelated layers of as many kept directions."""
    return null_mean_correlation(*kept_ranks(pair, variance=variance), pair.n_samples)


def bend_of_kept(pair: Pair, *, variance: float) -> Bend:
    """Return the mean correlation of the kept directions as a sum of singular values."""
    return _bend(pair, kept_cross(pair, variance))


SVCCA = Measure(
    name="svcca",
    summary=SUMMARY["svcca"],
    label="SVCCA similarity",
    compute=mean_kept_correlation,
    value_range=(0.0, 1.0),
    paper="Raghu et al. 2017, SVCCA",
    definition="mean of the canonical correlations over the fewest principal directions that "
    "reach the share `variance` of each side's variance",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    samples="n > k1 + k2",
    expand=expand_kept_correlation,
    directions=kept_ranks,
    null=null_kept,
    options={"variance": 0.99},
    bend=bend_of_kept,
)


def projection_weighted(pair: Pair) -> float:
    """Return sum_i alpha_i rho_i, alpha_i proportional to sum_j |<h_i, x_j>|, in [0, 1].

    h_i are the canonical variates of x and x_j its centred channels (section 2 of the paper).
    """
    rho, rotation = pair.weighing
    weights = np.abs(rotation.T @ pair.own_x()).sum(axis=1)
    return float(weights @ rho / weights.sum())


def bend_of_weighted(pair: Pair) -> Bend:
    """Return PWCCA as a sum of singular values, weighted by x's projections."""
    own = pair.own_x()

    def weights(left: Array, right: Array) -> Array:
        sizes = np.abs(left.T @ own).sum(axis=1)
        return np.asarray(sizes / sizes.sum())

    return _bend(pair, pair.whitened_cross)._replace(weights=weights)


PWCCA = Measure(
    name="pwcca",
    summary=SUMMARY["pwcca"],
    label="PWCCA similarity",
    compute=projection_weighted,
    value_range=(0.0, 1.0),
    paper="Morcos et al. 2018, Insights on representational similarity",
    definition="canonical correlations weighted by the projections of x's (side a's) channels; "
    "x is the dense network in a run",
    is_symmetric=False,
    invariances=frozenset({"translation", "scaling", "permutation"}),
    samples="n > d1 + d2",
    is_basis_free=False,
    whitens=True,
    null=null_cca,
    bend=bend_of_weighted,
)


def symmetric_projection_weighted(pair: Pair) -> float:
    """Return the mean of PWCCA weighted by x and weighted by y, in [0, 1]."""
    return (projection_weighted(pair) + projection_weighted(pair.swapped())) / 2


def bend_of_both_weighted(pair: Pair) -> Bend:
    """Return the mean of both PWCCAs as one sum: each singular value has both sides' weight."""
    of_x, of_y = bend_of_weighted(pair), bend_of_weighted(pair.swapped())

    def weights(left: Array, right: Array) -> Array:
        assert of_x.weights is not None
        assert of_y.weights is not None
        return np.asarray((of_x.weights(left, right) + of_y.weights(right, left)) / 2)

    return of_x._replace(weights=weights)


PWCCA_SYMMETRIC = replace(
    PWCCA,
    name="pwcca-symmetric",
    summary=SUMMARY["pwcca-symmetric"],
    label="PWCCA similarity (symmetric)",
    compute=symmetric_projection_weighted,
    definition="mean of PWCCA weighted by side a and PWCCA weighted by side b",
    is_symmetric=True,
    bend=bend_of_both_weighted,
)


def explained_variance(pair: Pair) -> float:
    """Return ||Q_y' X||_F^2 / ||X||_F^2, the share of x's variance linear in y, in [0, 1]."""
    pair.check_live()
    rank = pair.ranks[1]
    if pair.n_samples <= rank + 1 and not pair.allow_few_samples:
        raise InputError(
            f"{pair.caller} needs more samples than directions of {pair.names[1]}: "
            f"n_samples={int(pair.n_samples)}, directions={rank}. Add probe images, or use a "
            "measure without this limit, such as cka-debiased."
        )
    on_y = pair.x_on_y()
    return clipped(float((on_y * on_y).sum()) / pair.x.trace, 0.0, 1.0)


def expand_variance(pair: Pair, whole: Pair) -> Expanded:
    """Return the share, expanded: ||C||^2 / ||X||^2 with C = X'Y W, W whitening y.

    As C changes by G and the whitened scatter of y by F, ||C||^2 becomes
    ||C||^2 + 2 <C, G> - <C, C F> + ||G - C F||^2.
    """
    rank = pair.y.whitening.rank
    if pair is not whole and rank != whole.y.whitening.rank:
        raise InputError("directions that are active on all images are silent on half of them")
    own = np.eye(pair.x.width)
    right = pair.y.whitening.directions(np.eye(rank), pair.y.width)
    c = pair.cross @ right
    explained, total = float((c * c).sum()), pair.x.trace

    def at(blocks: BlockMoments) -> Derivatives:
        g, cf = blocks.xy.seen(own, right), c @ blocks.yy.seen(right, right)
        rest_x, rest_y = blocks.xy.rests(own, right)
        first = np.einsum("ij,bij->b", c, 2 * g - cf)
        fitted = rest_y @ c.T
        second = ((g - cf) ** 2).sum(axis=(1, 2))
        second += (fitted * (fitted - 2 * rest_x)).sum(axis=1) / blocks.n
        change = Change(first, second).log(explained)
        change += trace_of(blocks.xx, pair.x.width, blocks.n).log(total) * -1.0
        return change.exp(explained / total).derivatives

    return Expanded(explained / total, at)


def null_regression(pair: Pair) -> float:
    """Return rank(y) / (n - 1), the mean R2 over all pairings of the rows: exact."""
    return min(1.0, pair.ranks[1] / (pair.n_samples - 1))


LINEAR_REGRESSION = Measure(
    name="linear-regression",
    summary=SUMMARY["linear-regression"],
    label="Linear regression R²",
    compute=explained_variance,
    value_range=(0.0, 1.0),
    paper="Kornblith et al. 2019, equation 5",
    definition="share of side a's variance that a linear map of side b explains (R2, not "
    "cross-validated)",
    is_symmetric=False,
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    samples="n > d2",
    whitens=True,
    expand=expand_variance,
    null=null_regression,
)
