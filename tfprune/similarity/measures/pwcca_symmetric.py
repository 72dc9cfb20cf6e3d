"""PWCCA without a side: the mean of both (Morcos et al. 2018 leave the side to the reader)."""

from __future__ import annotations

from dataclasses import replace

from tfprune.similarity.measures.pwcca import MEASURE as ONE_SIDED
from tfprune.similarity.measures.pwcca import projection_weighted
from tfprune.similarity.pair import Pair


def symmetric_projection_weighted(pair: Pair) -> float:
    """Return the mean of PWCCA weighted by x and weighted by y, in [0, 1]."""
    return (projection_weighted(pair) + projection_weighted(pair.swapped())) / 2


MEASURE = replace(
    ONE_SIDED,
    name="pwcca-symmetric",
    summary="mean of the two one-sided PWCCAs",
    compute=symmetric_projection_weighted,
    definition="mean of PWCCA weighted by side a and PWCCA weighted by side b",
    is_symmetric=True,
    bends_at_chance=True,
)
