"""Orthogonal Procrustes as an angle, which is a metric (Williams et al. 2021)."""

from __future__ import annotations

import math
from dataclasses import replace

from tfprune.similarity.measures.procrustes import MEASURE as SIMILARITY
from tfprune.similarity.measures.procrustes import rotated_alignment
from tfprune.similarity.pair import Pair


def rotated_angle(pair: Pair) -> float:
    """Return arccos of the Procrustes similarity, in [0, pi/2] radians; it is a metric."""
    return math.acos(rotated_alignment(pair))


MEASURE = replace(
    SIMILARITY,
    name="procrustes-distance",
    also_called="",
    paper="Schonemann 1966; Williams et al. 2021; Ding et al. 2021",
    summary="angle that the best rotation leaves, in radians",
    compute=rotated_angle,
    value_range=(0.0, math.pi / 2),
    definition="arccos of the Procrustes similarity (angular Procrustes distance)",
    larger_is_more_similar=False,
    identical=0.0,
)
