"""The question of a run and its answer in two sentences, made from the numbers alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.experiment.results import LevelResult, SimilarityResult
from tfprune.report.depth import Profile, measures_of, null_of_level, profiles, seed_floor
from tfprune.report.labels import (
    is_distance,
    listed,
    measure_label,
    percent,
    round_percent,
    sparsity_by_level,
)

QUESTION = "What changes inside the network when it is pruned?"
_EVEN = 0.05  # a smaller range over depth is not worth telling layers apart


@dataclass(frozen=True)
class Answer:
    """Two sentences: which layers keep to the dense network, and what floors say of it."""

    question: str
    similarity: str
    floor: str

    def __str__(self) -> str:
        return f"{self.similarity} {self.floor}"


def answer(
    levels: Sequence[LevelResult],
    similarities: Sequence[SimilarityResult],
    *,
    measure: str | None = None,
) -> Answer:
    """Return the answer for the last level by `measure` (the run's first where not given).

    A layer 'stays most alike' in the upper third of the range that similarity spans over depth,
    and 'changes most' in the lower third; where the range is under 0.05 no layer is singled out.
    A layer is above the seed floor when its whole interval lies above every pair of dense
    networks, and below it when its whole interval lies below all of them.
    """
    known = measures_of(similarities)
    measure = measure or (known[0] if known else "")
    lines = profiles(similarities, measure=measure)
    if not lines:
        return Answer(QUESTION, "No pruned level was compared with the dense network.", "")
    last = lines[-1]
    sparsity = sparsity_by_level(levels).get(last.level)
    share = f", {round_percent(sparsity)} of the weights pruned" if sparsity is not None else ""
    start = f"At level {last.level}{share}, "
    return Answer(
        QUESTION,
        start + _by_depth(last, measure),
        _against_floor(last, similarities, measure) + _accuracy(levels, last.level),
    )


def _by_depth(line: Profile, measure: str) -> str:
    known = np.isfinite(line.mean)
    names = [name for name, there in zip(line.layers, known, strict=True) if there]
    values = line.mean[known]
    label = measure_label(measure)
    if not names:
        return f"no layer could be compared by {label}."
    low, high = float(values.min()), float(values.max())
    if len(names) == 1:
        return f"{names[0]} has {label} {low:.2f} with its dense counterpart."
    if high - low < _EVEN:
        return (
            f"all {len(names)} layers keep about as much of the dense network "
            f"({label} {low:.2f} to {high:.2f})."
        )
    third = (high - low) / 3
    upper = [(n, v) for n, v in zip(names, values, strict=True) if v >= high - third]
    lower = [(n, v) for n, v in zip(names, values, strict=True) if v <= low + third]
    alike, changed = (lower, upper) if is_distance(measure) else (upper, lower)
    return (
        f"{_named(alike)} {'stays' if len(alike) == 1 else 'stay'} most alike to the dense "
        f"network ({label} {_range(alike)}), while {_named(changed)} "
        f"{'changes' if len(changed) == 1 else 'change'} most ({_range(changed)})."
    )


def _named(layers: list[tuple[str, float]]) -> str:
    return listed(name for name, _ in layers)


def _range(layers: list[tuple[str, float]]) -> str:
    low, high = (f"{end(value for _, value in layers):.2f}" for end in (min, max))
    return low if low == high else f"{low} to {high}"


def _against_floor(line: Profile, similarities: Sequence[SimilarityResult], measure: str) -> str:
    floor = seed_floor(similarities, measure=measure)
    if floor is not None:
        return _against_seeds(line, floor, measure)
    null = null_of_level(similarities, measure=measure, level=line.level)
    if null is None:
        return "No floor was measured, so the numbers only compare layers with one another"
    low, high = _interval(line)
    above = high < null if is_distance(measure) else low > null
    word = "Every layer is" if above.all() else f"{int(above.sum())} of {len(null)} layers are"
    return (
        f"{word} more alike than unrelated layers of the same size would be "
        "(no second seed was trained, so there is no seed floor)"
    )


def _interval(line: Profile) -> tuple[np.ndarray, np.ndarray]:
    """Return both ends of the interval, the number itself where there is none."""
    low, high = (np.where(np.isfinite(end), end, line.mean) for end in (line.low, line.high))
    return low, high


def _against_seeds(line: Profile, floor: Profile, measure: str) -> str:
    low, high = _interval(line)
    floor_low, floor_high = _interval(floor)
    above, below = low > floor_high, high < floor_low
    if is_distance(measure):
        above, below = below, above
    closer, farther = (
        [name for name, there in zip(line.layers, chosen, strict=True) if there]
        for chosen in (above, below)
    )
    start = "Against the floor of dense networks that differ by seed alone, "
    if len(closer) == len(line.layers):
        return f"{start}every layer is closer to its dense network than another seed's is"
    if len(farther) == len(line.layers):
        return f"{start}every layer is farther from its dense network than another seed's is"
    parts = []
    total = len(line.layers)
    if closer:
        parts.append(f"{_who(closer, total)} closer to the dense network")
    if farther:
        parts.append(
            f"{_who(farther, total)} farther from {'it' if closer else 'the dense network'}"
        )
    if not parts:
        return f"{start}no layer can be told from another seed's"
    rest = total - len(closer) - len(farther)
    if rest:
        parts.append(f"{rest} of {total} can't be told from another seed's")
    return start + ", ".join(parts)


def _who(names: list[str], total: int) -> str:
    if len(names) > 4:
        return f"{len(names)} of {total} layers are"
    return f"{listed(names)} {'is' if len(names) == 1 else 'are'}"


def _accuracy(levels: Sequence[LevelResult], level: int) -> str:
    then, now = (
        [row.accuracy_test for row in levels if row.level == wanted] for wanted in (0, level)
    )
    if not then or not now:
        return "."
    before, after = float(np.mean(then)), float(np.mean(now))
    return f"; test accuracy goes from {percent(before)} to {percent(after)}."
