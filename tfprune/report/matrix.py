"""Two networks compared, every layer against every layer: a heat map and a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.disk import make_folder, write_whole
from tfprune.report.charts.pairs import comparison_chart
from tfprune.report.labels import measure_label, printable, shorten

if TYPE_CHECKING:
    from rich.console import Console

    from tfprune.experiment.comparison import ComparisonResult
    from tfprune.similarity import Score


def save_matrix_figures(folder: Path, result: ComparisonResult) -> Path:
    """Write one map per measure into `folder`, network a down, b across; return the folder."""
    from tfprune.report.figures import draw

    make_folder(folder)
    for measure, values in result.values.items():
        chart = comparison_chart(
            values,
            measure=measure,
            a=(result.a, result.layers_a),
            b=(result.b, result.layers_b),
            key=f"matrix-{measure}",
        )
        write_whole(folder / f"{chart.key}.png", draw(chart, "png"), durable=False)
    return folder


def print_matrices(result: ComparisonResult, console: Console) -> None:
    """Print each measure's matrix; columns are numbered, and listed below with their names."""
    from rich.table import Table
    from rich.text import Text

    console.print(Text(f"{printable(result.a)} (rows) against {printable(result.b)} (columns)"))
    for measure, values in result.values.items():
        table = Table(title=measure_label(measure), title_justify="left", box=None, pad_edge=False)
        table.add_column("layer")
        for j in range(len(result.layers_b)):
            table.add_column(str(j), justify="right")
        for i, name in enumerate(result.layers_a):
            scores = [result.scores[name, other, measure] for other in result.layers_b]
            cells = [f"{value:.2f}{_null(s)}" for value, s in zip(values[i], scores, strict=True)]
            table.add_row(Text(f"{i} {shorten(printable(name))}"), *cells)
        console.print(table)
    names = ", ".join(f"{j} {printable(name)}" for j, name in enumerate(result.layers_b))
    console.print(Text(f"columns: {names}"))
    if any(score.null is not None for score in result.scores.values()):
        console.print(Text("in brackets: what unrelated layers of this size would show"))
    console.print(Text(f"{result.n_images} probe images, layout {result.layout}"))
    if result.attribution:
        _print_attribution(result, console)
    warnings = list(dict.fromkeys(w for score in result.scores.values() for w in score.warnings))
    for warning in warnings[:3]:
        console.print(Text(f"warning: {warning}"))


def _null(score: Score) -> str:
    return "" if score.null is None else f" ({score.null:.2f})"


def _print_attribution(result: ComparisonResult, console: Console) -> None:
    """Print per layer what a linear map of b still gives of a, and what is lost."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"What is left of {printable(shorten(result.a, 30))}",
        title_justify="left", box=None, pad_edge=False,
    )  # fmt: skip
    table.add_column("layer")
    for heading in (
        "CCA",
        "held out",
        "variance kept",
        "effective rank",
        "directions lost",
        "channels lost",
    ):
        table.add_column(heading, justify="right")
    for row in result.attribution:
        found, name = row.attribution, Text(shorten(printable(row.layer)))
        if found is None or row.fitted is None or row.held_out is None:
            table.add_row(name, *["-"] * 6)
            continue
        directions, channels = found.lost_directions(), found.lost_channels()
        table.add_row(
            name,
            f"{row.fitted:.2f}",
            f"{row.held_out:.2f}",
            f"{found.kept_variance:.0%}",
            f"{found.effective_rank_a:.1f} > {found.effective_rank_b:.1f}",
            _lost(len(directions), float(found.direction_variance[directions].sum())),
            _lost(len(channels), float(found.channel_variance[channels].sum())),
        )
    console.print(table)
    console.print(
        Text(
            "lost: less than half of its variance is a linear function of the other layer's "
            "channels; in brackets the share of the layer's variance that was in it"
        )
    )
    for row in result.attribution:
        if row.note:
            console.print(Text(f"{shorten(printable(row.layer))}: {row.note}"))


def _lost(count: int, variance: float) -> str:
    return f"{count} ({variance:.0%})" if count else "0"
