"""Similarity over depth: profiles of levels, the floors, and every seed's own values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.report.labels import is_distance, listed
from tfprune.results import DENSE, SAME_INIT, SEED_FLOOR, SimilarityResult
from tfprune.similarity.intervals import NO_INTERVAL, why_never
from tfprune.similarity.measure import MEASURES, find_measure


@dataclass(frozen=True, eq=False)
class Profile:
    """One value per layer, input side first, NaN where a layer was not compared.

    `mean` is taken over replicates, of which `n_known` have a number. `dead` is true of a layer of
    which nothing is left in any, so that it has no number, or 0. `low` and `high` are the interval
    over images where there is one replicate, and the lowest and highest replicate where there are
    more.
    """

    level: int
    layers: tuple[str, ...]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_replicates: int
    n_known: np.ndarray
    dead: np.ndarray


def measures_of(similarities: Iterable[SimilarityResult]) -> tuple[str, ...]:
    """Return the measures in the order in which the run took them."""
    return tuple(dict.fromkeys(row.measure for row in similarities))


def layers_of(similarities: Iterable[SimilarityResult]) -> tuple[str, ...]:
    """Return the compared layers, input side first."""
    first: dict[str, int] = {}
    for row in similarities:
        first[row.layer] = min(row.layer_index, first.get(row.layer, row.layer_index))
    return tuple(sorted(first, key=lambda name: first[name]))


def _pair(row: SimilarityResult) -> tuple[int, int]:
    """Return the seeds of a record's two networks, the later one first; -1 where there is one."""
    return row.seed, -1 if row.against_seed is None else row.against_seed


def _profile(rows: Sequence[SimilarityResult], layers: tuple[str, ...], level: int) -> Profile:
    pairs = sorted({_pair(row) for row in rows})
    place = {name: j for j, name in enumerate(layers)}
    value, low, high = (np.full((len(pairs), len(layers)), np.nan) for _ in range(3))
    dead = np.zeros(value.shape, bool)
    for row in rows:
        at = pairs.index(_pair(row)), place[row.layer]
        value[at] = row.similarity
        low[at] = np.nan if row.low is None else row.low
        high[at] = np.nan if row.high is None else row.high
        dead[at] = row.rank_b == 0 and row.rank_a > 0
    if len(pairs) > 1:
        low = high = value
    return Profile(
        level=level,
        layers=layers,
        mean=_over_replicates(np.mean, value),
        low=_over_replicates(np.min, low),
        high=_over_replicates(np.max, high),
        n_replicates=len(pairs),
        n_known=np.isfinite(value).sum(axis=0),
        dead=np.asarray(dead.all(axis=0)),
    )


def _over_replicates(reduce: Callable[[np.ndarray], float], values: np.ndarray) -> np.ndarray:
    """Reduce every column over its finite entries; NaN where there are none."""
    columns = (column[np.isfinite(column)] for column in values.T)
    return np.array([reduce(c) if c.size else np.nan for c in columns])


def profiles(similarities: Iterable[SimilarityResult], *, measure: str) -> tuple[Profile, ...]:
    """Return one profile per pruned level, in order; level 0 would be compared with itself."""
    rows = [row for row in similarities if row.measure == measure and row.against == DENSE]
    layers = layers_of(rows)
    levels = sorted({row.level for row in rows if row.level > 0})
    return tuple(_profile([r for r in rows if r.level == n], layers, n) for n in levels)


def fewer_seeds(lines: Iterable[Profile]) -> str:
    """Return the sentence that names means over fewer seeds than their level's; '' of none."""
    parts = [
        f"{layer} at level {line.level} ({known} of {line.n_replicates})"
        for line in lines
        for layer, known in zip(line.layers, line.n_known.tolist(), strict=True)
        if 0 < known < line.n_replicates
    ]
    if not parts:
        return ""
    return f"Means of fewer seeds, because the layer has no number in the others: {listed(parts)}."


def seed_floor(similarities: Iterable[SimilarityResult], *, measure: str) -> Profile | None:
    """Return how similar dense networks of different seeds are; None where no two were compared.

    Its replicates are pairs of seeds: R(R - 1)/2 for R seeds.
    """
    return _floor(similarities, measure, SEED_FLOOR)


def training_floor(similarities: Iterable[SimilarityResult], *, measure: str) -> Profile | None:
    """Return how similar the dense network is to itself, trained again in another order.

    None where the control same-init was not trained.
    """
    return _floor(similarities, measure, SAME_INIT)


def _floor(similarities: Iterable[SimilarityResult], measure: str, against: str) -> Profile | None:
    taken = [row for row in similarities if row.measure == measure]
    rows = [row for row in taken if row.against == against]
    return _profile(rows, layers_of(taken), 0) if rows else None


def null_of_level(
    similarities: Iterable[SimilarityResult], *, measure: str, level: int
) -> np.ndarray | None:
    """Return what unrelated layers show at that level, (layers,), in the order of `profiles`.

    A level's null is its own: of the ranks and the statistics that its layers have left. It is the
    mean over replicates, NaN for a layer of which it is not known; None where it is known of none.
    The dense level is compared with itself, so it has none, whatever an older file says.
    """
    rows = [row for row in similarities if row.measure == measure and row.against == DENSE]
    nulls: dict[str, list[float]] = {name: [] for name in layers_of(rows)}
    for row in rows:
        if row.level == level and row.null is not None and np.isfinite(row.null):
            nulls[row.layer].append(row.null)
    if level == 0 or not any(nulls.values()):
        return None
    return np.array([np.mean(known) if known else np.nan for known in nulls.values()])


@dataclass(frozen=True, eq=False)
class LevelValues:
    """Arrays (seeds, layers), NaN where nothing is known; layers input side first.

    `value` is the number that is spoken of, `low` and `high` its interval over images; `null` what
    unrelated layers show at this level, and `null_p` how probable it is that they come as near.
    `silent_a` and `silent_b` count channels that carry nothing, `rank_a` and `rank_b` directions:
    of the dense layer and of the level's. `refused` is true where a measure that has intervals
    could not give one of these images.
    """

    measure: str
    level: int
    seeds: tuple[int, ...]
    layers: tuple[str, ...]
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    null: np.ndarray
    null_p: np.ndarray
    silent_a: np.ndarray
    silent_b: np.ndarray
    width: np.ndarray
    rank_a: np.ndarray
    rank_b: np.ndarray
    refused: np.ndarray

    @property
    def closeness(self) -> np.ndarray:
        """The value with the sign by which larger is closer."""
        return -self.value if is_distance(self.measure) else self.value

    @property
    def dead(self) -> np.ndarray:
        """Whether nothing is left of a layer that had directions: it lies below all others."""
        nothing = ~np.isfinite(self.value) | (self.value == 0)
        return nothing & (self.rank_b == 0) & (self.rank_a > 0)


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
        null_p=array(lambda row: row.null_p),
        silent_a=array(lambda row: row.dead_a + row.constant_a + row.masked_a),
        silent_b=array(lambda row: row.dead_b + row.constant_b + row.masked_b),
        width=array(lambda row: row.width),
        rank_a=array(lambda row: row.rank_a),
        rank_b=array(lambda row: row.rank_b),
        refused=array(_refused) == 1,
    )


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


def _refused(row: SimilarityResult) -> bool:
    """Return whether an interval was asked for and could not be had of these images."""
    if row.low is not None or NO_INTERVAL not in row.warnings or row.measure not in MEASURES:
        return False
    return why_never(find_measure(row.measure)) is None
