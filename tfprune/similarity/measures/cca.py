"""Mean canonical correlation over the live directions."""

from __future__ import annotations

from tfprune.similarity.expansion_cca import expand_mean_correlation
from tfprune.similarity.measure import Measure
from tfprune.similarity.null import null_cca
from tfprune.similarity.pair import Pair


def mean_correlation(pair: Pair) -> float:
    """Return mean(rho_1 .. rho_c), c the smaller rank of the two sides, in [0, 1]."""
    return float(pair.correlations.mean())


MEASURE = Measure(
    name="cca",
    summary="mean canonical correlation over the live directions",
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
    bends_at_chance=True,
)
