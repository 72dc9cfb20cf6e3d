"""A result averaged over replicates, and as the JSON that `--json` prints."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from tfprune.experiment.results import LevelResult, RunResult
from tfprune.report.accuracy_statements import collapsed_seeds, standing
from tfprune.report.answer import answer

#: version of the schema in docs/reference/json.md; grows when a field changes its meaning
SCHEMA = 1


@dataclass(frozen=True)
class LevelSummary:
    """One level over its replicates; shares and accuracies lie in [0, 1].

    What is called a median is that of the replicates that did not collapse (of all where all
    did): one at 96% and one that fell to 10% are not 53%. `collapsed` are the others' seeds, by
    the rule of `accuracy_statements`. All else are means over all replicates.
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
    rows, whole = [r for r in levels if r.level == level], standing(levels, level=level)
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
    """Return fact -> level -> mean over the replicates that know it; {} where none were taken."""
    found: dict[str, dict[int, list[float]]] = {}
    for row in levels:
        for name, value in row.facts.items():
            if math.isfinite(value):
                found.setdefault(name, {}).setdefault(row.level, []).append(value)
    return {
        name: {level: _mean(values) for level, values in sorted(by_level.items())}
        for name, by_level in found.items()
    }


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def result_json(result: RunResult) -> dict[str, Any]:
    """Return the result as plain values for `--json`; docs/reference/json.md has the schema.

    What is not a finite number becomes null, as JSON has no other word for it.
    """
    document = {
        "schema": SCHEMA,
        "name": result.name,
        "run_id": result.run_id,
        "key": result.key,
        "report": result.report,
        "answer": str(answer(result.levels, result.similarities)),
        "summary": [asdict(row) for row in level_summaries(result.levels)],
        "levels": [asdict(row) for row in result.levels],
        "similarities": [asdict(row) for row in result.similarities],
        "controls": [asdict(row) for row in result.controls],
        "overlaps": [asdict(row) for row in result.overlaps],
    }
    return {key: plain(value) for key, value in document.items()}


def plain(value: Any) -> Any:
    """Return `value` as JSON can hold it: lists for tuples, numbers for NumPy's, null for NaN."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item") and not getattr(value, "shape", ()):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
