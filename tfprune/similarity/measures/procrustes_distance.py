"""Orthogonal Procrustes as an angle, which is a metric (Williams et al. 2021)."""

from __future__ import annotations

import math
from dataclasses import replace

from tfprune.similarity.blocks import BlockMoments
from tfprune.similarity.expansion import Derivatives, Expanded
from tfprune.similarity.measures.procrustes import MEASURE as SIMILARITY
from tfprune.similarity.measures.procrustes import expand_alignment, rotated_alignment
from tfprune.similarity.pair import Pair


def rotated_angle(pair: Pair) -> float:
    """Return arccos of the Procrustes similarity, in [0, pi/2] radians; it is a metric."""
    return math.acos(rotated_alignment(pair))


def expand_angle(pair: Pair, whole: Pair) -> Expanded:
    """Return the angle, expanded: its derivative in the similarity s is -1 / sqrt(1 - s^2)."""
    cosine, derivatives = expand_alignment(pair, whole)
    cosine = min(1.0, cosine)
    sine = math.sqrt(max(1.0 - cosine**2, 1e-300))

    def at(blocks: BlockMoments) -> Derivatives:
        first, second, _ = derivatives(blocks)
        return Derivatives(-first / sine, -second / sine - cosine * first**2 / sine**3)

    return Expanded(math.acos(cosine), at)


MEASURE = replace(
    SIMILARITY,
    name="procrustes-distance",
    also_called="",
    paper="Schonemann 1966; Williams et al. 2021; Ding et al. 2021",
    summary="angle that the best rotation leaves, in radians",
    compute=rotated_angle,
    expand=expand_angle,
    value_range=(0.0, math.pi / 2),
    definition="arccos of the Procrustes similarity (angular Procrustes distance)",
    larger_is_more_similar=False,
    identical=0.0,
    bends_at_chance=True,
)
