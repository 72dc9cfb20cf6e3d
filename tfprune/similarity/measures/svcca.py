"""Mean canonical correlation of the main directions of variance (Raghu et al. 2017)."""

from __future__ import annotations

from tfprune.similarity.arrays import Array
from tfprune.similarity.expansion_cca import expand_kept_correlation
from tfprune.similarity.measure import Measure
from tfprune.similarity.null import null_mean_correlation
from tfprune.similarity.pair import Pair, correlations_of


def kept_directions(pair: Pair, variance: float) -> tuple[Array, Array]:
    """Return the fewest directions of each side, (d, k), that hold `variance` of its variance.

    Shares are of squared singular values of the centred data: variance, as the paper says.
    """
    pair.check_live()
    kept_x, kept_y = pair.x.principal(variance), pair.y.principal(variance)
    directions = (kept_x.shape[1], kept_y.shape[1])
    pair.check_samples(directions, "kept", " or lower the variance")
    return kept_x, kept_y


def mean_kept_correlation(pair: Pair, *, variance: float) -> float:
    """Return the mean canonical correlation of the kept directions, in [0, 1]."""
    kept_x, kept_y = kept_directions(pair, variance)
    return float(correlations_of(kept_x.T @ pair.cross @ kept_y).mean())


def null_kept(pair: Pair, *, variance: float) -> float:
    """Return the mean correlation expected of unrelated layers of as many kept directions."""
    ranks = tuple(side.principal(variance).shape[1] for side in (pair.x, pair.y))
    return null_mean_correlation(ranks[0], ranks[1], pair.n_samples)


MEASURE = Measure(
    name="svcca",
    summary="mean canonical correlation of the directions that hold 99% of the variance",
    compute=mean_kept_correlation,
    value_range=(0.0, 1.0),
    paper="Raghu et al. 2017, SVCCA",
    definition="mean of the canonical correlations over the fewest principal directions that "
    "reach the share `variance` of each side's variance",
    invariances=frozenset({"translation", "scaling", "orthogonal", "permutation"}),
    samples="n > k1 + k2",
    expand=expand_kept_correlation,
    null=null_kept,
    options={"variance": 0.99},
    bends_at_chance=True,
)
