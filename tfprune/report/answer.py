"""The question of a run and its answer: a few statements, each made only where it holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from tfprune.report.depth import LevelValues, floor_matrix, level_values, measures_of, profiles
from tfprune.report.labels import (
    is_distance,
    listed,
    round_percent,
    sparsity_by_level,
)
from tfprune.report.levels import accuracy_statement, untrained_statement
from tfprune.report.spoken import speaks_of_share, spoken, spoken_label
from tfprune.results import SAME_INIT, SEED_FLOOR, LevelResult, SimilarityResult
from tfprune.similarity.claims import ALPHA, Claim, claims, holm, seeds_needed

QUESTION = "What changes inside the network when it is pruned?"


@dataclass(frozen=True)
class Statement:
    """One sentence, what it is about, and the layers and seeds that it names or counts.

    kind: 'nothing', 'ranking', 'missing', 'died', 'null', 'training floor', 'seed floor' or
    'accuracy'.
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

    Layers are ranked where their intervals, or all seeds, keep them apart (`set_apart`); they are
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
        _ranking(values, label, sparsity_by_level(levels).get(values.level)),
        _missing(values),
        _died(values, speaks_of_share(taken, measure)),
        _null(values),
        _floor(taken, similarities, values, SAME_INIT),
        _floor(taken, similarities, values, SEED_FLOOR),
        accuracy_statement(levels, level=values.level),
    ]
    made = [Statement(*parts) for parts in found if parts is not None]
    return Answer(QUESTION, tuple(made))


Parts = tuple[str, str, tuple[str, ...], tuple[int, ...]]


def _names(values: LevelValues, chosen: Sequence[int]) -> tuple[str, ...]:
    return tuple(values.layers[i] for i in chosen)


def _span(numbers: np.ndarray, *, digits: int = 2) -> str:
    """Return 'low to high' of the medians over seeds."""
    known = [np.median(c[np.isfinite(c)]) for c in numbers.T if np.isfinite(c).any()]
    low, high = f"{min(known):.{digits}f}", f"{max(known):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def seeds_to_rank(n_layers: int) -> int:
    """Return how many seeds rank layers that are all alike in at most 5% of experiments.

    A given group of g out of L layers lies below all others in one seed with probability
    1 / C(L, g), so one of the groups that `set_apart` looks at, on either side and in all of R
    seeds, with at most the sum of C(L, g)^(1 - R) over them.

    >>> [seeds_to_rank(n) for n in (2, 3, 4, 7, 20)]
    [6, 5, 4, 3, 3]
    """
    sides = [
        (1 if 2 * g == n_layers else 2, comb(n_layers, g)) for g in range(1, n_layers // 2 + 1)
    ]
    n_seeds = 2
    while sum(side * groups ** (1.0 - n_seeds) for side, groups in sides) > 0.05:
        n_seeds += 1
    return n_seeds


def _ranking(values: LevelValues, label: str, sparsity: float | None) -> Parts:
    share = "" if sparsity is None else f", {round_percent(sparsity)} of the weights pruned"
    start = f"At level {values.level}{share}, "
    number, low, high = values.value, values.low, values.high
    known = np.flatnonzero(np.isfinite(number).any(axis=0))
    if not len(known):
        return "ranking", f"{start}no layer could be compared by {label}.", (), values.seeds
    if len(values.layers) == 1:
        text = f"{start}{values.layers[0]} has {_span(number)} ({label})."
        return "ranking", text, values.layers, values.seeds
    distance = is_distance(values.measure)
    ends = (-high, -low) if distance else (low, high)
    most, least = set_apart(-number if distance else number, *ends)
    rest = [int(i) for i in known if i not in most and i not in least]
    groups = [number[:, chosen] for chosen in (most, least, rest) if chosen]
    digits = 2  # as many as groups that stand apart need to show it
    while digits < 4 and len({_span(group, digits=digits) for group in groups}) < len(groups):
        digits += 1

    def span(chosen: list[int]) -> str:
        return _span(number[:, chosen], digits=digits)

    parts = []
    if most:
        parts.append(f"{listed(_names(values, most))} changed most ({span(most)})")
    if least:
        verb = "" if most else "changed "
        parts.append(f"{listed(_names(values, least))} {verb}least ({span(least)})")
    needed = seeds_to_rank(len(known))
    if not parts and 1 < len(values.seeds) < needed:
        few = f"{len(values.seeds)} seeds are too few to rank the layers, {needed} would do"
        text = f"{few}: {_span(number[:, known])} ({label})"
    elif not parts:
        text = f"no layer stands apart from the others: {_span(number[:, known])} ({label})"
    else:
        text = " and ".join(parts)
        if rest:
            text += f", {listed(_names(values, rest))} {span(rest)}"
        text += f": {label}"
    several = len(values.seeds) > 1
    text += f", medians of {len(values.seeds)} seeds." if several else "."
    return "ranking", start + text, _names(values, [int(i) for i in known]), values.seeds


def _missing(values: LevelValues) -> Parts | None:
    gone = ~np.isfinite(values.value)
    layers = np.flatnonzero(gone.any(axis=0))
    if not len(layers):
        return None
    parts = []
    for i in layers:
        seeds = [str(seed) for seed, lost in zip(values.seeds, gone[:, i], strict=True) if lost]
        everywhere = len(seeds) == len(values.seeds)
        where = "" if everywhere else f" in seed{'s' * (len(seeds) > 1)} {listed(seeds)}"
        parts.append(f"{values.layers[i]}{where}")
    text = f"Nothing could be compared of {listed(parts)}: dead, or not finite."
    return "missing", text, _names(values, layers.tolist()), ()


#: of the dense layer's directions, the share whose loss is spoken of
MANY_LOST = 0.25


def _died(values: LevelValues, has_directions: bool) -> Parts | None:
    silent = np.nan_to_num(values.silent)
    channels = np.flatnonzero(silent.max(axis=0, initial=0) > 0).tolist()
    known = np.isfinite(values.value)
    lost = known & (values.rank_b <= (1 - MANY_LOST) * values.rank_a)
    directions = np.flatnonzero(lost.all(axis=0)).tolist() if has_directions else []
    texts = []
    if channels:
        parts = _counts(values, channels, silent, values.width)
        texts.append(f"Channels that carry nothing any more: {parts}.")
    if directions:
        parts = _counts(values, directions, values.rank_b, values.rank_a)
        texts.append(f"Directions that are left: {parts}.")
    named = [i for i in range(len(values.layers)) if i in channels or i in directions]
    return ("died", " ".join(texts), _names(values, named), ()) if texts else None


def _counts(values: LevelValues, layers: Sequence[int], some: np.ndarray, whole: np.ndarray) -> str:
    """Return 'conv2 9 of 24 and conv3 5 to 7 of 32': the fewest and the most over seeds."""
    parts = []
    for i in layers:
        fewest, most = (int(end(some[:, i])) for end in (np.min, np.max))
        count = f"{most}" if fewest == most else f"{fewest} to {most}"
        parts.append(f"{values.layers[i]} {count} of {int(np.nanmax(whole[:, i]))}")
    return listed(parts)


def _null(values: LevelValues) -> Parts | None:
    """Tell layers from unrelated ones: in every seed, with Holm's correction over layers."""
    known = np.isfinite(values.null) & np.isfinite(values.value)
    layers = np.flatnonzero(known.any(axis=0))
    if not len(layers):
        return None
    null = _span(np.where(known, values.null, np.nan)[:, layers])
    unrelated = f"unrelated layers of this level ({null})"
    tested = known & np.isfinite(values.null_p)
    asked = [int(i) for i in layers if (tested[:, i] == known[:, i]).all()]
    if not asked:
        text = f"Without random pairings of images no layer can be told from {unrelated}."
        return "null", text, _names(values, layers.tolist()), ()
    p_values = holm([float(values.null_p[tested[:, i], i].max()) for i in asked])
    above = [i for i, p in zip(asked, p_values, strict=True) if p <= ALPHA]
    alike = [int(i) for i in layers if i not in above]
    if not alike:
        every = "Every layer is" if len(layers) == len(values.layers) else "Every other layer is"
        who = every if len(layers) > 1 else f"{values.layers[layers[0]]} is"
        text = f"{who} more alike than {unrelated}."
    else:
        text = f"{listed(_names(values, alike))} can't be told from {unrelated}"
        if above:
            verb = "is" if len(above) == 1 else "are"
            text += f"; {listed(_names(values, above))} {verb} more alike"
        text += "."
    return "null", text, _names(values, layers.tolist()), ()


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
    own, floors, keys = [], [], []
    for measure in measures_of(similarities):
        of = level_values(similarities, measure=measure, level=values.level)
        sign = -1 if is_distance(measure) else 1
        for i, layer in enumerate(of.layers):
            matrix = floor_matrix(
                similarities, measure=measure, layer=layer, seeds=seeds, against=against
            )
            if of.seeds == seeds:
                keys.append((measure, layer))
                own.append(of.closeness[:, i])
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
    unasked = [n for n, claim in spoken.items() if claim.p_value is None]
    if unasked:
        parts.append(f"{listed(unasked)} can't be asked, for want of a value")
    text = f"{start}{', '.join(parts)} (test over {len(seeds)} seeds, {ALPHA:.0%} for all layers)."
    return kind, text, values.layers, seeds


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


def set_apart(
    closeness: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[list[int], list[int]]:
    """Return the layers that changed most and those that changed least; [] where none stand apart.

    closeness, low, high: (seeds, layers), larger is closer. A group stands apart where, in every
    seed, the intervals of its layers lie wholly on one side of all others'. Where there are no
    intervals at all the values are compared, if there are several seeds: one value without an
    interval ranks nothing. With one seed the groups are those of its two networks; a few seeds
    rank nothing (`seeds_to_rank`): all alike, layers stand apart by chance. A layer whose interval
    could not be had, while others have one, may lie anywhere. The smallest group of at most half
    the layers is returned. Layers with a missing value are left out.
    """
    known = np.flatnonzero(np.isfinite(closeness).all(axis=0))
    if len(known) < 2 or not len(closeness):
        return [], []
    if 1 < len(closeness) < seeds_to_rank(len(known)):
        return [], []
    bounded = np.isfinite(low) & np.isfinite(high)
    if len(closeness) < 2 and not bounded[:, known].all():
        return [], []
    if bounded.any():
        low, high = np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf)
    else:
        low = high = closeness
    order = known[np.argsort(np.median(closeness[:, known], axis=0), kind="stable")]
    most: list[int] = []
    least: list[int] = []
    for size in range(1, len(order) // 2 + 1):
        below, above = order[:size], order[size:]
        if not most and (high[:, below].max(axis=1) < low[:, above].min(axis=1)).all():
            most = sorted(int(i) for i in below)
        below, above = order[:-size], order[-size:]
        if not least and (high[:, below].max(axis=1) < low[:, above].min(axis=1)).all():
            least = sorted(int(i) for i in above)
    return most, least
