"""A run's result where a notebook shows it: its figures, and its table with answer and figure."""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.errors import InputError, check_path, unknown_name
from tfprune.report import FORMATS
from tfprune.report.answer import answer
from tfprune.report.collapse import collapse_notes
from tfprune.report.data import ReportData, control_row
from tfprune.report.depth import measures_of
from tfprune.report.summary import level_rows, rows_legend

if TYPE_CHECKING:
    from tfprune.report.charts.chart import Chart
    from tfprune.results import RunResult


@dataclass(frozen=True, eq=False)
class Figure:
    """One of a run's figures, as the report and `tfprune figure` draw it.

    A notebook shows it; `save` writes it, as wide as a column of a paper or as both.
    """

    kind: str
    chart: Chart = field(repr=False)

    def save(self, path: str | Path) -> Path:
        """Write the figure as PNG, PDF or SVG, by the ending of `path`; return the path.

        The same figure gives the same bytes. Raises InputError for another ending.
        """
        from tfprune.report.figures import draw

        check_path(path, "the file to write")
        path = Path(path)
        form = path.suffix[1:].lower()
        if form not in FORMATS:
            raise InputError(
                f"figures are saved as {', '.join(f'.{name}' for name in FORMATS)}; got "
                f"{path.name!r}."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw(self.chart, form))
        return path

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        from tfprune.report.figures import draw, width_on_screen

        png = draw(self.chart, "png")
        return png, {"width": width_on_screen(png)}


def figure_of(result: RunResult, kind: str | None = None) -> Figure:
    """Return a result's figure of a kind among `tfprune.report.FIGURES`.

    Without `kind` it is the similarity over depth by the run's first measure, or the accuracy
    where nothing was compared. Raises InputError for a kind that the result can't show, naming
    those that it can.
    """
    from tfprune.report.figures import charts_of

    data = ReportData.of(
        result,
        epochs=result.epochs,
        controls=tuple(control_row(row) for row in result.controls),
    )
    charts = charts_of(data)
    if kind is None:
        depths = [f"depth-{measure}" for measure in measures_of(result.similarities)]
        kind = next((name for name in depths if name in charts), "accuracy")
    if not isinstance(kind, str) or kind not in charts:
        raise unknown_name("figure", kind, charts)
    return Figure(kind, charts[kind])


_CELL = "padding: .15em .7em; text-align: right; white-space: nowrap"
_HEAD = f"{_CELL}; border-bottom: 1px solid"
_TABLE = "border-collapse: collapse; margin: .5em 0; font-variant-numeric: tabular-nums"


def result_html(result: RunResult) -> str:
    """Return a result for a notebook: its name, the answer, the table of levels, and a figure.

    It has styles of its own where a page has none for tables, and no colours: those of the page,
    light or dark, hold.
    """
    parts = [
        f"<p><b>{escape(result.name)}</b></p>",
        f'<p style="max-width: 46em">{escape(str(answer(result.levels, result.similarities)))}</p>',
    ]
    if result.levels and result.similarities:
        header, *rows = level_rows(result.levels, result.similarities)
        head = "".join(f'<th style="{_HEAD}">{escape(cell)}</th>' for cell in header)
        body = "".join(
            "<tr>" + "".join(f'<td style="{_CELL}">{escape(cell)}</td>' for cell in row) + "</tr>"
            for row in rows
        )
        parts.append(
            f'<table style="{_TABLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        )
        parts += [f"<p>* {escape(note)}</p>" for note in collapse_notes(result.levels)]
        parts.append(f"<p>{escape(rows_legend(result.levels, result.similarities))}</p>")
    if result.levels:
        figure = figure_of(result)
        png, size = figure._repr_png_()
        drawn = base64.b64encode(png).decode()
        parts.append(
            f'<img alt="{escape(figure.chart.title)}" width="{size["width"]}" '
            f'src="data:image/png;base64,{drawn}">'
        )
    return "\n".join(parts)
