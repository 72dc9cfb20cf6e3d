"""The result of a run as a table on the terminal, 80 columns wide and plain when piped."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.report.answer import answer
from tfprune.report.collapse import collapse_notes
from tfprune.report.depth import (
    Profile,
    fewer_seeds,
    measures_of,
    profiles,
    seed_floor,
    training_floor,
)
from tfprune.report.labels import is_distance, percent, printable, shorten
from tfprune.report.levels import LevelSummary, balance_line, level_summaries
from tfprune.report.notes import first_notes, similarity_notes
from tfprune.report.shifted import shift_table
from tfprune.report.spoken import layers_legend, spoken
from tfprune.report.summary import result_json as result_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tfprune.results import RunResult

WIDTH = 80
_BLOCKS, _ASCII = "▁▂▃▄▅▆▇█", "_.-:=+*#"
_ABSENT = "-"
_COMPACT = 65  # characters that the compact table takes beside its sparklines


def sparkline(
    values: Iterable[float | None],
    *,
    low: float = 0.0,
    high: float = 1.0,
    ascii_only: bool = False,
) -> str:
    """Return one character per value, its height the place between `low` and `high`.

    Values outside are shown at the ends, missing ones (None, NaN) as a space. The scale is
    fixed, not fitted, so that the lines of two levels can be compared.
    """
    if not low < high:
        raise ValueError(f"low must be below high, got low={low}, high={high}")
    ramp = _ASCII if ascii_only else _BLOCKS
    marks = []
    for value in values:
        if value is None or math.isnan(value):
            marks.append(" ")
            continue
        share = min(max((value - low) / (high - low), 0.0), 1.0)
        marks.append(ramp[min(int(share * len(ramp)), len(ramp) - 1)])
    return "".join(marks)


def level_table(result: RunResult, *, width: int = WIDTH, ascii_only: bool = False) -> Table:
    """Return the table of a result: sparsity, accuracies, and similarity by its first measure.

    Accuracies are medians of the replicates that did not collapse, and a level at which one did
    carries a star; similarities are means over replicates. Every layer has its column where all
    fit into `width` characters; where they don't, the table shows the first, the least similar and
    the last layer, and the whole depth as a sparkline.
    """
    measures = measures_of(result.similarities)
    rows = spoken(result.levels, result.similarities)
    lines = profiles(rows, measure=measures[0]) if measures else ()
    summaries = level_summaries(result.levels)
    table = _every_layer(summaries, lines)
    if _width(table) > width:
        distance = is_distance(measures[0])
        table = _ends_of_depth(
            summaries, lines, distance=distance, width=width, ascii_only=ascii_only
        )
    return table


def print_result(result: RunResult, console: Console) -> None:
    """Print the table, each measure's line over depth, the answer and where the report lies."""
    from rich.text import Text

    ascii_only = console.options.ascii_only
    measures = measures_of(result.similarities)
    seeds = sorted({row.seed for row in result.levels})
    title = printable(result.name)
    if len(seeds) > 1:
        title += f" ({len(seeds)} replicates)"
    console.print(Text(title, style="bold"))
    console.print(level_table(result, width=min(console.width, 100), ascii_only=ascii_only))
    if measures:
        legend = layers_legend(result.similarities, measures[0])
        if len(seeds) > 1:
            legend += " Accuracies: medians, similarities: means."
            lines = profiles(spoken(result.levels, result.similarities), measure=measures[0])
            legend = " ".join(filter(None, (legend, fewer_seeds(lines))))
        console.print(Text(legend, style="dim"))
    for line in shift_table(result.levels, width=min(console.width, 100)):
        console.print(Text(line), soft_wrap=True)
    for note in collapse_notes(result.levels):
        console.print(Text(f"* {note}", style="yellow"))
    for measure in measures:
        drawn = _depth_line(result, measure, ascii_only=ascii_only)
        if drawn:
            console.print(Text(drawn), soft_wrap=True)
    console.print(Text(printable(str(answer(result.levels, result.similarities)))))
    balance = balance_line(result.levels)
    if balance:
        console.print(Text(balance))
    for line in first_notes(similarity_notes(result.similarities)):
        console.print(Text(line, style="yellow"))
    if result.report:
        console.print(Text(f"Report: {printable(result.report)}"), soft_wrap=True)


def _new_table(*, gap: int = 2) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, gap - 1, 0, 0))
    for name in ("level", "sparsity", "val.", "test"):
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _first_cells(row: LevelSummary) -> list[str]:
    validation = row.accuracy_validation_median
    return [
        f"{row.level}*" if row.collapsed else f"{row.level}",
        percent(row.sparsity),
        _ABSENT if validation is None else percent(validation),
        percent(row.accuracy_test_median),
    ]


def _every_layer(summaries: Sequence[LevelSummary], lines: Sequence[Profile]) -> Table:
    from rich.text import Text

    table = _new_table()
    for name in lines[0].layers if lines else ():
        table.add_column(Text(shorten(printable(name), 10)), justify="right", no_wrap=True)
    by_level = {line.level: line for line in lines}
    for row in summaries:
        line = by_level.get(row.level)
        cells = [] if line is None else [_number(value) for value in line.mean]
        if not row.level and lines:
            cells = ["dense", *[""] * (len(lines[0].layers) - 1)]
        table.add_row(*_first_cells(row), *cells)
    return table


def _ends_of_depth(
    summaries: Sequence[LevelSummary],
    lines: Sequence[Profile],
    *,
    distance: bool,
    width: int,
    ascii_only: bool,
) -> Table:
    from rich.text import Text

    table = _new_table(gap=1)
    layers = lines[0].layers
    for name in ("first", "highest" if distance else "lowest", "in layer", "last", "over depth"):
        left = name in ("in layer", "over depth")
        table.add_column(name, justify="left" if left else "right", no_wrap=True)
    points = max(5, min(width - _COMPACT, len(layers)))
    by_level = {line.level: line for line in lines}
    for row in summaries:
        cells = _first_cells(row)
        line = by_level.get(row.level)
        if line is not None and np.isfinite(line.mean).any():
            gone = np.isnan(line.mean) & line.dead
            far = np.where(gone, np.inf, line.mean if distance else -line.mean)
            least = int(np.nanargmax(far))
            cells += [
                _number(line.mean[0]),
                "dead" if gone[least] else _number(line.mean[least]),
                shorten(printable(layers[least]), 16),
                _number(line.mean[-1]),
                sparkline(_thin(line.mean, points), ascii_only=ascii_only),
            ]
        table.add_row(*(Text(cell) for cell in cells))
    return table


def _thin(values: np.ndarray, n: int) -> list[float]:
    """Return `n` values: the mean of each of `n` stretches of depth."""
    parts = (part[np.isfinite(part)] for part in np.array_split(values, n))
    return [float(part.mean()) if part.size else math.nan for part in parts]


def _number(value: float) -> str:
    return f"{value:.3f}" if math.isfinite(value) else _ABSENT


def _width(table: Table) -> int:
    from rich.console import Console
    from rich.measure import Measurement

    console = Console(width=10_000)
    return Measurement.get(console, console.options, table).maximum


def _depth_line(result: RunResult, measure: str, *, ascii_only: bool) -> str:
    """Return one line: the last level's similarity over depth, and the seed floor's."""
    rows = spoken(result.levels, result.similarities)
    lines = profiles(rows, measure=measure)
    if not lines:
        return ""
    floors = {
        "other seed": seed_floor(rows, measure=measure),
        "trained again": training_floor(rows, measure=measure),
    }
    named = {"": lines[-1].mean} | {n: f.mean for n, f in floors.items() if f is not None}
    high = max(1.0, *(float(np.nanmax(v)) for v in named.values() if np.isfinite(v).any()), 1.0)
    drawn = {
        name: sparkline(_thin(v, min(len(v), 24)), high=high, ascii_only=ascii_only)
        for name, v in named.items()
    }
    text = f"{measure} over depth, level {lines[-1].level}: {drawn.pop('')}"
    return "".join([text, *(f"  {name}: {line}" for name, line in drawn.items())])
