"""Each level over its replicates: accuracy and facts, with every seed that collapsed named."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np

from tfprune.report.collapse import Standing, collapsed_seeds, not_collapsed, untrained_seeds
from tfprune.report.labels import listed, percent
from tfprune.results import LevelResult


def accuracy_statement(
    levels: Sequence[LevelResult], *, level: int
) -> tuple[str, str, tuple[str, ...], tuple[int, ...]] | None:
    """Return the statement of test accuracy from the dense network to a level.

    Of several seeds the median and the range; collapsed ones are named with their own numbers and
    are not in either.
    """
    dense = {row.seed: row for row in levels if row.level == 0}
    pruned = {row.seed: row for row in levels if row.level == level}
    seeds = sorted(set(dense) & set(pruned))
    if not seeds:
        return None
    collapsed = [seed for seed in collapsed_seeds(levels, level=level) if seed in seeds]
    whole = [seed for seed in seeds if seed not in collapsed]
    parts = []
    if whole:
        before, after = (
            _of([side[seed].accuracy_test for seed in whole]) for side in (dense, pruned)
        )
        left = f" in {len(whole)} of {len(seeds)} seeds" if collapsed else ""
        parts.append(f"test accuracy goes from {before} to {after}{left}")
    if collapsed:
        untrained = [seed for seed in untrained_seeds(levels) if seed in collapsed]
        fallen = [seed for seed in collapsed if seed not in untrained]
        first, now = (
            {seed: Standing.of(row) for seed, row in side.items()} for side in (dense, pruned)
        )
        if fallen:
            each = [f"{first[s].shown} to {now[s].shown} in seed {s}" for s in fallen]
            what = first[fallen[0]].name
            parts.append(f"{what} collapsed from {listed(each, most=len(each))}")
        if untrained:
            each = [f"seed {s} ({first[s].shown})" for s in untrained]
            parts.append(f"the dense network failed to train in {listed(each, most=len(each))}")
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
