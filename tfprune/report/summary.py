"""A whole run summed up: as JSON for `--json`, and as the markdown note of its MLflow run."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from tfprune.report.answer import answer
from tfprune.report.collapse import collapse_notes
from tfprune.report.depth import fewer_seeds, measures_of, profiles
from tfprune.report.labels import percent, printable
from tfprune.report.levels import balance_line, level_summaries
from tfprune.report.shifted import MOST, set_summaries
from tfprune.report.spoken import layers_legend, spoken
from tfprune.results import LevelResult, RunResult, SimilarityResult

#: version of the schema in docs/reference/json.md; grows when a field changes its meaning
SCHEMA = 1


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
        "classes": [asdict(row) for row in result.classes],
        "class_names": list(result.class_names),
        "forgotten": [asdict(row) for row in result.forgotten],
        "descriptions": [asdict(row) for row in result.descriptions],
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


_MOST_LAYERS = 12
_WIDE = "&emsp; | "  # MLflow's cells have no margins


def level_rows(
    levels: Sequence[LevelResult], similarities: Sequence[SimilarityResult]
) -> list[list[str]]:
    """Return the table of all levels, its header first, several replicates in one row each.

    Accuracies are medians of the replicates that did not collapse; a level at which one did
    carries a star. Similarities are means, by the first measure; of many layers an even choice
    is shown. Further test sets stand beside the test set.
    """
    measures = measures_of(similarities)
    rows_of = spoken(levels, similarities)
    lines = {line.level: line for line in profiles(rows_of, measure=measures[0])}
    layers = next(iter(lines.values())).layers if lines else ()
    step = max(1, -(-len(layers) // _MOST_LAYERS))
    shown = range(0, len(layers), step)
    further = set_summaries(levels)[1 : MOST + 1]
    names = [printable(name) for name in (*(one.name for one in further), *layers[::step])]
    rows = [["level", "sparsity", "validation", "test", *names]]
    for row in level_summaries(levels):
        validation = row.accuracy_validation_median
        line = lines.get(row.level)
        rows.append(
            [
                f"{row.level}*" if row.collapsed else str(row.level),
                percent(row.sparsity),
                "" if validation is None else percent(validation),
                percent(row.accuracy_test_median),
                *(
                    percent(one.accuracy[row.level][0]) if row.level in one.accuracy else ""
                    for one in further
                ),
                *("dense" if line is None else f"{line.mean[i]:.3f}" for i in shown),
            ]
        )
    return rows


def rows_legend(levels: Sequence[LevelResult], similarities: Sequence[SimilarityResult]) -> str:
    """Return what the columns of `level_rows` that bear a layer's name hold."""
    legend = layers_legend(similarities, measures_of(similarities)[0])
    if len({row.seed for row in levels}) > 1:
        legend += " Accuracies are medians over seeds, similarities means."
        lines = profiles(spoken(levels, similarities), measure=measures_of(similarities)[0])
        legend = " ".join(filter(None, (legend, fewer_seeds(lines))))
    return legend


def markdown_note(levels: Sequence[LevelResult], similarities: Sequence[SimilarityResult]) -> str:
    """Return the answer, and the table of all levels (see `level_rows`), as markdown.

    The answer comes first because MLflow folds the note after a few lines.
    """
    header, *rows = level_rows(levels, similarities)
    header = [cell.replace("|", "/") for cell in header]
    rows = [[cell.replace("*", "\\*") for cell in row] for row in rows]
    lines_of_table = [f"| {_WIDE.join(cells)} |" for cells in (header, *rows)]
    lines_of_table.insert(1, "|" + " ---: |" * len(header))
    table = "\n".join(lines_of_table)
    notes = [f"\\* {note}" for note in collapse_notes(levels)]
    legend = "\n\n".join([*notes, rows_legend(levels, similarities)])
    told = "\n\n".join(filter(None, (str(answer(levels, similarities)), balance_line(levels))))
    return f"{told}\n\n{table}\n\n{legend}\n"
