"""The question of a run and its answer: a few statements, each made only where it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.report.collapse import untrained_statement
from tfprune.report.depth import LevelValues, floor_matrix, level_values, measures_of, profiles
from tfprune.report.labels import (
    in_seeds,
    is_distance,
    listed,
    sparsity_by_level,
)
from tfprune.report.levels import accuracy_statement
from tfprune.report.ranking import ranking, span
from tfprune.report.shifted import shift_statement
from tfprune.report.spoken import speaks_of_share, spoken, spoken_label
from tfprune.results import SAME_INIT, SEED_FLOOR, LevelResult, SimilarityResult
from tfprune.similarity.claims import ALPHA, Claim, claims, holm, seeds_needed
from tfprune.similarity.measure import MEASURES, find_measure

QUESTION = "What changes inside the network when it is pruned?"


@dataclass(frozen=True)
class Statement:
    """One sentence, what it is about, and the layers and seeds that it names or counts.

    kind: 'nothing', 'ranking', 'missing', 'died', 'null', 'training floor', 'seed floor',
    'accuracy' or 'shift'.
    """

    kind: str
    text: str
    layers: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The statements in the order in which they are read."""

    question: str
    statements: tuple[Statement, ...]

    def __str__(self) -> str:
        return " ".join(statement.text for statement in self.statements)


def answer(
    levels: Sequence[LevelResult],
    similarities: Sequence[SimilarityResult],
    *,
    measure: str | None = None,
) -> Answer:
    """Return what may be said of the last level by `measure` (the run's first where not given).

    Layers are ranked where their intervals, or all seeds, keep them apart (`ranking`); they are
    told from unrelated layers by a test over random pairings of images, in every seed, with Holm's
    correction over layers, and from the floors by a test over seeds with Holm's correction over
    layers and measures (`similarity.claims`). Layers that could not be compared are named, and
    seeds whose accuracy collapsed, of which nothing else is said; of the CCA family the share of
    the dense layer's directions is spoken of (`spoken`).
    """
    taken, similarities = similarities, spoken(levels, similarities)
    known = measures_of(similarities)
    measure = measure or (known[0] if known else "")
    lines = profiles(similarities, measure=measure)
    if not lines:
        nothing = Statement("nothing", "No pruned level was compared with the dense network.")
        return Answer(QUESTION, (nothing,))
    values = level_values(similarities, measure=measure, level=lines[-1].level)
    untrained = untrained_statement(levels)
    if untrained is not None:
        return Answer(QUESTION, (Statement(*untrained),))
    label = spoken_label(taken, measure)
    found = [
        ranking(values, label, sparsity_by_level(levels).get(values.level)),
        _missing(values),
        _died(values, speaks_of_share(taken, measure)),
        _null(values),
        _floor(taken, similarities, values, SAME_INIT),
        _floor(taken, similarities, values, SEED_FLOOR),
        accuracy_statement(levels, level=values.level),
        shift_statement(levels, level=values.level),
    ]
    made = [Statement(*parts) for parts in found if parts is not None]
    return Answer(QUESTION, tuple(made))


Parts = tuple[str, str, tuple[str, ...], tuple[int, ...]]


def _names(values: LevelValues, chosen: Sequence[int]) -> tuple[str, ...]:
    return tuple(values.layers[i] for i in chosen)


def _missing(values: LevelValues) -> Parts | None:
    """Name the layers that are dead, and those of which nothing could be compared."""
    unknown = ~np.isfinite(values.value) & ~values.dead
    texts = []
    for gone, start, end in (
        (values.dead, "Dead, so that nothing of the dense layer is left: ", ""),
        (unknown, "Nothing could be compared of ", ": not finite, or dead in the dense network"),
    ):
        parts = [
            values.layers[i] + in_seeds(values.seeds, gone[:, i])
            for i in np.flatnonzero(gone.any(axis=0))
        ]
        if parts:
            texts.append(f"{start}{listed(parts, most=len(parts))}{end}.")
    layers = np.flatnonzero((unknown | values.dead).any(axis=0)).tolist()
    return ("missing", " ".join(texts), _names(values, layers), ()) if texts else None


#: of the dense layer's directions, the share whose loss is spoken of
MANY_LOST = 0.25


def _died(values: LevelValues, has_directions: bool) -> Parts | None:
    before, after = np.nan_to_num(values.silent_a), np.nan_to_num(values.silent_b)
    channels = np.flatnonzero((after > before).any(axis=0)).tolist()
    known = np.isfinite(values.value)
    lost = known & (values.rank_b <= (1 - MANY_LOST) * values.rank_a)
    directions = np.flatnonzero(lost.all(axis=0)).tolist() if has_directions else []
    texts = []
    if channels:
        parts = _counts(values, channels, after, values.width, dense=before)
        texts.append(f"Channels without signal, more than in the dense network: {parts}.")
    if directions:
        parts = _counts(values, directions, values.rank_b, values.rank_a)
        texts.append(f"Directions that are left: {parts}.")
    named = [i for i in range(len(values.layers)) if i in channels or i in directions]
    return ("died", " ".join(texts), _names(values, named), ()) if texts else None


def _counts(
    values: LevelValues,
    layers: Sequence[int],
    some: np.ndarray,
    whole: np.ndarray,
    *,
    dense: np.ndarray | None = None,
) -> str:
    """Return 'conv2 9 of 24 and conv3 5 to 7 of 32': the fewest and the most over seeds.

    As many as the dense network had before, where it had any, follow: '(dense: 2)'.
    """

    def counted(of: np.ndarray) -> str:
        fewest, most = int(np.nanmin(of)), int(np.nanmax(of))
        return f"{most}" if fewest == most else f"{fewest} to {most}"

    parts = []
    for i in layers:
        text = f"{values.layers[i]} {counted(some[:, i])} of {counted(whole[:, i])}"
        if dense is not None and dense[:, i].any():
            text += f" (dense: {counted(dense[:, i])})"
        parts.append(text)
    return listed(parts)


def _null(values: LevelValues) -> Parts | None:
    """Tell layers from unrelated ones: in every seed, with Holm's correction over layers.

    Of a layer without a value or random pairings in some seed the question can't be asked.
    """
    known = np.isfinite(values.null) & np.isfinite(values.value)
    layers = np.flatnonzero(known.any(axis=0))
    if not len(layers):
        return None
    null = span(np.where(known, values.null, np.nan)[:, layers])
    unrelated = f"unrelated layers of this level ({null})"
    named = _names(values, layers.tolist())
    tested = known & np.isfinite(values.null_p)
    if not tested.any():
        text = f"Without random pairings of images no layer can be told from {unrelated}."
        return "null", text, named, ()
    asked = [int(i) for i in np.flatnonzero(tested.all(axis=0))]
    unasked = _unasked(values, ~tested, values.seeds)
    if not asked:
        text = f"No layer can be told from {unrelated} in every seed: {unasked}."
        return "null", text, named, ()
    p_values = holm([float(values.null_p[:, i].max()) for i in asked])
    above = [i for i, p in zip(asked, p_values, strict=True) if p <= ALPHA]
    untold = [i for i in asked if i not in above]
    parts = [f"{listed(_names(values, untold))} can't be told from {unrelated}"] if untold else []
    if above:
        verb = "is" if len(above) == 1 else "are"
        who = f"{listed(_names(values, above))} {verb}"
        if 1 < len(above) == len(values.layers):
            who = "Every layer is"
        parts.append(f"{who} more similar" + ("" if untold else f" than {unrelated}"))
    if unasked:
        parts.append(unasked)
    return "null", f"{'; '.join(parts)}.", named, ()


def _unasked(values: LevelValues, gone: np.ndarray, seeds: Sequence[int]) -> str:
    """Return 'conv2 can't be asked in seed 0', of layers for which `gone` is true in some seed."""
    where = {name: in_seeds(seeds, gone[:, i])
             for i, name in enumerate(values.layers) if gone[:, i].any()}  # fmt: skip
    if len(set(where.values())) == 1:
        return f"{listed(where)} can't be asked{next(iter(where.values()))}"
    return f"{listed(name + seeds for name, seeds in where.items())} can't be asked" * bool(where)


_AGAINST = {
    SAME_INIT: ("training floor", "the dense network trained again in another order"),
    SEED_FLOOR: ("seed floor", "dense networks of other seeds"),
}


def _floor(
    taken: Sequence[SimilarityResult],
    similarities: Sequence[SimilarityResult],
    values: LevelValues,
    against: str,
) -> Parts | None:
    """Set every layer against a floor by a test over all layers and measures at once."""
    kind, name = _AGAINST[against]
    seeds = values.seeds
    if not any(row.against == against for row in taken):
        if against == SAME_INIT:
            return None
        return kind, "No second seed was trained, so there is no seed floor.", (), ()
    if against == SEED_FLOOR and _is_one_network(similarities):
        text = "All seeds share the same dense network, so there is no seed floor."
        return kind, text, (), ()
    if against == SAME_INIT:
        with_floor = {row.seed for row in similarities if row.against == against}
        seeds = tuple(seed for seed in seeds if seed in with_floor)
        if not seeds:
            return kind, f"Against {name}: it failed to train, so there is no such floor.", (), ()
    held = [values.seeds.index(seed) for seed in seeds]
    own, floors, keys = [], [], []
    for measure in measures_of(similarities):
        of = level_values(similarities, measure=measure, level=values.level)
        sign = -1 if is_distance(measure) else 1
        for i, layer in enumerate(of.layers):
            matrix = floor_matrix(
                similarities, measure=measure, layer=layer, seeds=seeds, against=against
            )
            if of.seeds == values.seeds:
                keys.append((measure, layer))
                own.append(of.closeness[held, i])
                floors.append(sign * matrix)
    found = dict(zip(keys, claims(own, floors), strict=True))
    spoken = {layer: found.get((values.measure, layer), Claim()) for layer in values.layers}
    asked = [claim for claim in found.values() if claim.p_value is not None]
    height = _height(similarities, values.measure, against)
    start = f"Against {name}{height}, "
    enough = seeds_needed(len(asked) or len(keys))
    if len(seeds) < enough or not asked:
        text = f"{start}too few seeds to tell: {len(seeds)}, where {enough} would do."
        if len(seeds) >= enough:
            text = f"{start}nothing can be told: values are missing."
        return kind, text, values.layers, seeds
    parts = []
    for direction in ("closer", "farther"):
        there = [layer for layer, claim in spoken.items() if claim.direction == direction]
        if there:
            verb = "is" if len(there) == 1 else "are"
            parts.append(f"{listed(there)} {verb} {direction}")
    rest = [n for n, claim in spoken.items() if claim.p_value is not None and not claim.direction]
    if rest:
        parts.append(f"{listed(rest)} can't be told apart")
    unasked = np.array([spoken[name].p_value is None for name in values.layers])
    if unasked.any():
        lost = ~np.isfinite(values.value[held])
        lost[:, ~lost.any(axis=0)] = True  # its floor has no value
        parts.append(f"{_unasked(values, lost & unasked, seeds)}, for want of a value")
    text = f"{start}{', '.join(parts)} (test over {len(seeds)} seeds, {ALPHA:.0%} for all layers)."
    return kind, text, values.layers, seeds


def _is_one_network(similarities: Sequence[SimilarityResult]) -> bool:
    """Return whether the dense networks of all seeds are equal, as where they come trained."""
    floor = [row for row in similarities if row.against == SEED_FLOOR]
    known = [row for row in floor if np.isfinite(row.similarity) and row.measure in MEASURES]
    return bool(known) and all(
        abs(row.similarity - find_measure(row.measure).identical) < 1e-6 for row in known
    )


def _height(similarities: Sequence[SimilarityResult], measure: str, against: str) -> str:
    """Return ' (low to high)', the floor over layers: medians over its pairs; '' of none."""
    by_layer: dict[str, list[float]] = {}
    for row in similarities:
        if (row.measure, row.against) == (measure, against) and np.isfinite(row.similarity):
            by_layer.setdefault(row.layer, []).append(row.similarity)
    medians = [float(np.median(found)) for found in by_layer.values()]
    if not medians:
        return ""
    low, high = f"{min(medians):.2f}", f"{max(medians):.2f}"
    return f" ({low})" if low == high else f" ({low} to {high})"
