"""Projection-weighted CCA (Morcos et al. 2018)."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.measure import Measure
from tfprune.similarity.null import null_cca
from tfprune.similarity.pair import Pair


def projection_weighted(pair: Pair) -> float:
    """Return sum_i alpha_i rho_i, alpha_i proportional to sum_j |<h_i, x_j>|, in [0, 1].

    h_i are the canonical variates of x and x_j its centred channels (section 2 of the paper).
    """
    rho, rotation = pair.weighing
    weights = np.abs(rotation.T @ pair.own_x()).sum(axis=1)
    return float(weights @ rho / weights.sum())


MEASURE = Measure(
    name="pwcca",
    summary="canonical correlations weighted by how much of x each one carries",
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
    bends_at_chance=True,
)
