"""What pruning did to accuracy, with every seed that collapsed named instead of averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.experiment.results import LevelResult
from tfprune.report.labels import listed, percent

COLLAPSED = 0.5  # of the best dense network's accuracy, at most


def collapsed_seeds(levels: Sequence[LevelResult], *, level: int) -> tuple[int, ...]:
    """Return the seeds whose accuracy at `level` is half of the best dense network's or less.

    The best of all seeds: a seed whose dense network never trained counts from level 0 on.
    """
    dense = [row.accuracy_test for row in levels if row.level == 0]
    least = COLLAPSED * max(dense, default=0.0)
    found = (row for row in levels if row.level == level)
    return tuple(row.seed for row in found if least > 0 and row.accuracy_test <= least)


def standing(levels: Sequence[LevelResult], *, level: int) -> list[LevelResult]:
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
            else "not in the medians, but in the means of similarity"
        )  # fmt: skip
        notes.append(f"Collapsed at level {level}: {named}; {left}.")
    return tuple(notes)


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
        untrained = [seed for seed in collapsed_seeds(levels, level=0) if seed in collapsed]
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
