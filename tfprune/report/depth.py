"""Similarity over depth: one profile per level, averaged over replicates, and the floors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.experiment.results import DENSE, SAME_INIT, SEED_FLOOR, SimilarityResult


@dataclass(frozen=True, eq=False)
class Profile:
    """One value per layer, input side first, NaN where a layer was not compared.

    `mean` is taken over replicates. `low` and `high` are the bootstrap interval over images
    where there is one replicate, and the lowest and highest replicate where there are more.
    """

    level: int
    layers: tuple[str, ...]
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_replicates: int


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
    for row in rows:
        at = pairs.index(_pair(row)), place[row.layer]
        value[at] = row.similarity
        low[at] = np.nan if row.low is None else row.low
        high[at] = np.nan if row.high is None else row.high
    if len(pairs) > 1:
        low = high = value
    return Profile(
        level=level,
        layers=layers,
        mean=_over_replicates(np.mean, value),
        low=_over_replicates(np.min, low),
        high=_over_replicates(np.max, high),
        n_replicates=len(pairs),
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


def seed_floor(similarities: Iterable[SimilarityResult], *, measure: str) -> Profile | None:
    """Return how alike dense networks of different seeds are; None where no two were compared.

    Its replicates are pairs of seeds: R(R - 1)/2 for R seeds.
    """
    return _floor(similarities, measure, SEED_FLOOR)


def training_floor(similarities: Iterable[SimilarityResult], *, measure: str) -> Profile | None:
    """Return how alike the dense network and itself are, trained again in another order.

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
