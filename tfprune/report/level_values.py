"""What is known of one level by one measure: a value per seed and layer, and what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.experiment.results import DENSE, SAME_INIT, SEED_FLOOR, SimilarityResult
from tfprune.report.depth import layers_of
from tfprune.report.labels import is_distance


@dataclass(frozen=True, eq=False)
class LevelValues:
    """Arrays (seeds, layers), NaN where nothing is known; layers input side first.

    `value` is the measure itself; `low` and `high` its interval over images; `null` what unrelated
    layers show at this level; `share` how much of the dense layer's directions is left (CCA
    family). `silent` counts channels that carry nothing and did in the dense network.
    """

    measure: str
    level: int
    seeds: tuple[int, ...]
    layers: tuple[str, ...]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    null: np.ndarray
    share: np.ndarray
    silent: np.ndarray
    width: np.ndarray

    @property
    def closeness(self) -> np.ndarray:
        """The value with the sign by which larger is closer."""
        return -self.value if is_distance(self.measure) else self.value

    @property
    def has_share(self) -> bool:
        """Whether the share of the dense layer's directions is known wherever a value is."""
        known = np.isfinite(self.value)
        return bool(known.any() and np.isfinite(self.share[known]).all())

    def headline(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the number that is spoken of, and its interval: (seeds, layers) each.

        Where directions of the dense layer can be lost without the mean over those left showing
        it, this is their share; its interval is the measure's, made smaller by the same factor.
        """
        if not self.has_share:
            return self.value, self.low, self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            factor = np.where(self.value != 0, self.share / self.value, np.nan)
        known = np.isfinite(self.value)
        return np.where(known, self.share, np.nan), self.low * factor, self.high * factor


def level_values(
    similarities: Sequence[SimilarityResult], *, measure: str, level: int
) -> LevelValues:
    """Return what is known of a level by a measure."""
    of_measure = [r for r in similarities if r.measure == measure and r.against == DENSE]
    rows = [row for row in of_measure if row.level == level]
    layers, seeds = layers_of(of_measure), tuple(sorted({row.seed for row in rows}))

    def array(read: Callable[[SimilarityResult], float | None]) -> np.ndarray:
        found = np.full((len(seeds), len(layers)), np.nan)
        for row in rows:
            value = read(row)
            if value is not None:
                found[seeds.index(row.seed), layers.index(row.layer)] = value
        return found

    return LevelValues(
        measure=measure,
        level=level,
        seeds=seeds,
        layers=layers,
        value=array(lambda row: row.similarity),
        low=array(lambda row: row.low),
        high=array(lambda row: row.high),
        null=array(lambda row: row.null),
        share=array(lambda row: row.dense_share),
        silent=array(lambda row: _silent(row)),
        width=array(lambda row: row.width),
    )


def _silent(row: SimilarityResult) -> int:
    before = row.dead_a + row.constant_a + row.masked_a
    return max(0, row.dead_b + row.constant_b + row.masked_b - before)


def floor_matrix(
    similarities: Sequence[SimilarityResult],
    *,
    measure: str,
    layer: str,
    seeds: Sequence[int],
    against: str,
) -> np.ndarray:
    """Return what each seed is set against by each other: (R, R), NaN where it is not known.

    For 'seed' entry [i, j] is the similarity of the dense networks of seeds i and j; for
    'same-init' that of seed j's dense network and itself trained again.
    """
    assert against in (SEED_FLOOR, SAME_INIT)
    found = np.full((len(seeds), len(seeds)), np.nan)
    place = {seed: index for index, seed in enumerate(seeds)}
    for row in similarities:
        if (row.measure, row.layer, row.against) != (measure, layer, against):
            continue
        if row.seed not in place:
            continue
        if against == SAME_INIT:
            found[:, place[row.seed]] = row.similarity
            continue
        other = seeds[0] if row.against_seed is None else row.against_seed  # runs of before
        if other in place:
            i, j = place[row.seed], place[other]
            found[i, j] = found[j, i] = row.similarity
    return found
