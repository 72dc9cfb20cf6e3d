"""Each level over its replicates: accuracy and facts, with every seed that collapsed named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from tfprune.report.labels import listed, percent
from tfprune.results import LevelResult

COLLAPSED = 0.5  # of what its own dense network is better than chance, at most
UNTRAINED = 0.25  # of what the best dense network is better than chance, at most


def chance(row: LevelResult) -> float:
    """Return the accuracy of always naming the largest class; 0 where a run did not keep it."""
    return row.facts.get("majority_share", 0.0)


def untrained_seeds(levels: Sequence[LevelResult]) -> tuple[int, ...]:
    """Return the seeds whose dense network never trained.

    It is better than chance by at most a quarter of what the best seed's is; or hardly better at
    all: by half of chance, and by a twentieth of what chance leaves.
    """
    dense = [row for row in levels if row.level == 0]
    best = max((row.accuracy_test - chance(row) for row in dense), default=0.0)
    found = []
    for row in dense:
        above, by_chance = row.accuracy_test - chance(row), chance(row)
        hardly = by_chance > 0 and above <= min(0.5 * by_chance, 0.05 * (1 - by_chance))
        if hardly or (best > 0 and above <= UNTRAINED * best):
            found.append(row.seed)
    return tuple(found)


def collapsed_seeds(levels: Sequence[LevelResult], *, level: int) -> tuple[int, ...]:
    """Return the seeds of which a level says nothing about pruning.

    At `level` they are better than chance by half of what their own dense network is, or less; or
    that never trained (`untrained_seeds`). Chance is the share of the largest class.
    """
    dense = {row.seed: row for row in levels if row.level == 0}
    untrained = untrained_seeds(levels)
    found = []
    for row in levels:
        if row.level != level or row.seed not in dense:
            continue
        least = COLLAPSED * (dense[row.seed].accuracy_test - chance(dense[row.seed]))
        fell = level > 0 and row.accuracy_test - chance(row) <= least
        if row.seed in untrained or (fell and least > 0):
            found.append(row.seed)
    return tuple(found)


def not_collapsed(levels: Sequence[LevelResult], *, level: int) -> list[LevelResult]:
    """Return a level's rows without those of collapsed seeds; all of them where all collapsed."""
    rows = [row for row in levels if row.level == level]
    collapsed = collapsed_seeds(levels, level=level)
    return [row for row in rows if row.seed not in collapsed] or rows


def collapse_notes(levels: Sequence[LevelResult]) -> tuple[str, ...]:
    """Return a sentence for each level at which seeds collapsed, with their own accuracies."""
    notes = []
    for level in sorted({row.level for row in levels}):
        seeds = collapsed_seeds(levels, level=level)
        test = {row.seed: row.accuracy_test for row in levels if row.level == level}
        if not seeds:
            continue
        named = listed([f"seed {s} ({percent(test[s])})" for s in seeds], most=len(seeds))
        left = (
            "all did, so that the medians are of them" if len(seeds) == len(test)
            else "left out of medians and means, with its similarities" if len(seeds) == 1
            else "left out of medians and means, with their similarities"
        )  # fmt: skip
        notes.append(f"Collapsed at level {level}: {named}; {left}.")
    return tuple(notes)


def untrained_statement(
    levels: Sequence[LevelResult],
) -> tuple[str, str, tuple[str, ...], tuple[int, ...]] | None:
    """Return the statement that no seed's dense network trained, None where one did."""
    dense = {row.seed: row for row in levels if row.level == 0}
    seeds = untrained_seeds(levels)
    if not dense or len(seeds) < len(dense):
        return None
    each = [f"{percent(dense[s].accuracy_test)} in seed {s}" for s in seeds]
    text = (
        f"The dense network never trained: its test accuracy is {listed(each)}, and always naming "
        f"the largest class gives {percent(max(chance(row) for row in dense.values()))}. So there "
        "is nothing that pruning could change."
    )
    return "untrained", text, (), seeds


def accuracy_statement(
    levels: Sequence[LevelResult], *, level: int
) -> tuple[str, str, tuple[str, ...], tuple[int, ...]] | None:
    """Return the statement of test accuracy from the dense network to a level.

    Of several seeds the median and the range; collapsed ones are named with their own numbers and
    are not in either.
    """
    dense = {row.seed: row.accuracy_test for row in levels if row.level == 0}
    pruned = {row.seed: row.accuracy_test for row in levels if row.level == level}
    seeds = sorted(set(dense) & set(pruned))
    if not seeds:
        return None
    collapsed = [seed for seed in collapsed_seeds(levels, level=level) if seed in seeds]
    whole = [seed for seed in seeds if seed not in collapsed]
    parts = []
    if whole:
        before, after = (_of([side[seed] for seed in whole]) for side in (dense, pruned))
        left = f" in {len(whole)} of {len(seeds)} seeds" if collapsed else ""
        parts.append(f"test accuracy goes from {before} to {after}{left}")
    if collapsed:
        untrained = [seed for seed in untrained_seeds(levels) if seed in collapsed]
        fallen = [seed for seed in collapsed if seed not in untrained]
        if fallen:
            each = [f"{percent(dense[s])} to {percent(pruned[s])} in seed {s}" for s in fallen]
            parts.append(f"accuracy collapsed from {listed(each, most=len(each))}")
        if untrained:
            each = [f"seed {s} ({percent(dense[s])})" for s in untrained]
            parts.append(f"the dense network never trained in {listed(each, most=len(each))}")
    text = "; ".join(parts)
    return "accuracy", f"{text[0].upper()}{text[1:]}.", (), tuple(seeds)


def _of(values: list[float]) -> str:
    median = percent(float(np.median(values)))
    if len(values) == 1:
        return median
    return f"{median} ({percent(min(values))} to {percent(max(values))})"


@dataclass(frozen=True)
class LevelSummary:
    """One level over its replicates; shares and accuracies lie in [0, 1].

    What is called a median is that of the replicates that did not collapse (of all where all
    did): one at 96% and one that fell to 10% are not 53%. `collapsed` are the others' seeds, by
    the rule of `collapsed_seeds`. All else are means over all replicates.
    """

    level: int
    n_replicates: int
    sparsity: float
    accuracy_validation: float | None
    accuracy_test: float
    accuracy_test_lowest: float
    accuracy_test_highest: float
    flips: float
    balanced_accuracy: float | None = None  # of the test images, where classes are uneven
    accuracy_validation_median: float | None = None
    accuracy_test_median: float = math.nan
    flips_median: float = math.nan
    balanced_accuracy_median: float | None = None
    collapsed: tuple[int, ...] = ()


def level_summaries(levels: Iterable[LevelResult]) -> tuple[LevelSummary, ...]:
    """Return one summary per level, dense first."""
    levels = list(levels)
    return tuple(_summary(level, levels) for level in sorted({row.level for row in levels}))


def _summary(level: int, levels: list[LevelResult]) -> LevelSummary:
    rows, whole = [r for r in levels if r.level == level], not_collapsed(levels, level=level)
    test = [row.accuracy_test for row in rows]
    validation, balanced = _validation(rows), _balanced(rows)
    return LevelSummary(
        level=level,
        n_replicates=len(rows),
        sparsity=_mean([row.sparsity for row in rows]),
        accuracy_validation=_mean(validation) if validation else None,
        accuracy_test=_mean(test),
        accuracy_test_lowest=min(test),
        accuracy_test_highest=max(test),
        flips=_mean([row.flips for row in rows]),
        balanced_accuracy=_mean(balanced) if balanced else None,
        accuracy_validation_median=median(_validation(whole)) if _validation(whole) else None,
        accuracy_test_median=median([row.accuracy_test for row in whole]),
        flips_median=median([row.flips for row in whole]),
        balanced_accuracy_median=median(_balanced(whole)) if _balanced(whole) else None,
        collapsed=collapsed_seeds(levels, level=level),
    )


def _validation(rows: list[LevelResult]) -> list[float]:
    return [r.accuracy_validation for r in rows if r.accuracy_validation is not None]


def _balanced(rows: list[LevelResult]) -> list[float]:
    return [r.facts["balanced_accuracy"] for r in rows if "balanced_accuracy" in r.facts]


def fact_means(levels: Iterable[LevelResult]) -> dict[str, dict[int, float]]:
    """Return fact -> level -> mean over the replicates that know it; {} where none were taken.

    Of seeds that did not collapse, as everywhere.
    """
    levels = list(levels)
    found: dict[str, dict[int, list[float]]] = {}
    kept = [r for n in {r.level for r in levels} for r in not_collapsed(levels, level=n)]
    for row in sorted(kept, key=lambda row: (row.seed, row.level)):
        for name, value in row.facts.items():
            if math.isfinite(value):
                found.setdefault(name, {}).setdefault(row.level, []).append(value)
    return {
        name: {level: _mean(values) for level, values in sorted(by_level.items())}
        for name, by_level in found.items()
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def balance_line(levels: Iterable[LevelResult]) -> str:
    """Return what the test accuracies hide where classes are uneven; empty where they are even.

    Of several seeds the medians of those that did not collapse, as the tables have them.
    """
    levels = list(levels)
    shares = fact_means(levels).get("majority_share", {})
    medians = {row.level: row.balanced_accuracy_median for row in level_summaries(levels)}
    balanced = {level: value for level, value in medians.items() if value is not None}
    if not balanced or not shares:
        return ""
    first, last = min(balanced), max(balanced)
    at = f"level {first} {percent(balanced[first])}"
    if last != first:
        at += f", level {last} {percent(balanced[last])}"
    return (
        f"Classes are uneven: the largest has {percent(shares[first])} of the test images, which "
        f"is the accuracy of always naming it. Balanced accuracy (mean over classes): {at}."
    )
