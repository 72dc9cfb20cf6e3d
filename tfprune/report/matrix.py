"""Two networks compared, every layer against every layer: a heat map and a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.disk import make_folder, write_whole
from tfprune.report.charts.pairs import comparison_chart
from tfprune.report.labels import measure_label, printable, shorten
from tfprune.report.notes import first_notes, pair_notes
from tfprune.results.descriptions import (
    BY_CHANCE,
    profile_distance,
    profile_pairs,
    quantity_named,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from tfprune.experiment.comparison import ComparisonResult
    from tfprune.results.descriptions import DescriptionResult
    from tfprune.similarity import Score


_COUNTS = ("", "dissection")  # kinds of which a distance over depth means nothing
_COLUMNS = 4  # of a table of quantities, so that none is cut on a terminal of 80 columns


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
        console.print(Text("in brackets: the value for unrelated layers of this size"))
    console.print(Text(f"{result.n_images} probe images, layout {result.layout}"))
    if result.attribution:
        _print_attribution(result, console)
    _print_described(result, console)
    found = ((text, *pair) for pair, score in result.scores.items() for text in score.warnings)
    for line in first_notes(pair_notes(found)):
        console.print(Text(line))


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
            "channels; in brackets, the share of the layer's variance that it carried"
        )
    )
    for row in result.attribution:
        if row.note:
            console.print(Text(f"{shorten(printable(row.layer))}: {row.note}"))


def _print_described(result: ComparisonResult, console: Console) -> None:
    """Print what the layers of each network are like by themselves, tables for each kind."""
    from rich.table import Table
    from rich.text import Text

    both = (*result.described_a, *result.described_b)
    for title, rows in ((result.a, result.described_a), (result.b, result.described_b)):
        for kind in dict.fromkeys(quantity_named(row.quantity).kind for row in rows):
            here = [row for row in rows if quantity_named(row.quantity).kind == kind]
            console.print(Text(f"Layers of {printable(shorten(title, 30))}: {kind}", "italic"))
            found = {(row.layer, row.quantity): row for row in here}
            quantities = list(dict.fromkeys(row.quantity for row in here))
            for start in range(0, len(quantities), _COLUMNS):
                table = Table(box=None, pad_edge=False)
                table.add_column("layer")
                names = quantities[start : start + _COLUMNS]
                for name in names:
                    heading = name.removeprefix(f"{kind}-")
                    table.add_column(heading, justify="right", min_width=len(heading))
                for layer in dict.fromkeys(row.layer for row in here):
                    cells = [_described(found.get((layer, name))) for name in names]
                    table.add_row(Text(shorten(printable(layer))), *cells)
                console.print(table)
        for reason, of in _without_value(rows).items():
            console.print(Text(f"no value of {', '.join(map(printable, of))}: {reason}"))
    _print_distances(result, console)
    if any(row.low is not None for row in both):
        console.print(Text("after each value: its 95% interval over images"))
    with_floor = (row.quantity for row in both if row.floor is not None)
    for kind in dict.fromkeys(quantity_named(name).kind for name in with_floor):
        console.print(Text(f"by chance: with {BY_CHANCE.get(kind, 'chance alone')}"))


def _without_value(rows: Sequence[DescriptionResult]) -> dict[str, list[str]]:
    """Return why -> layers (and quantities, of which others have a value) that have none."""
    found: dict[str, list[str]] = {}
    for layer in dict.fromkeys(row.layer for row in rows):
        of = [row for row in rows if row.layer == layer]
        for kind in dict.fromkeys(quantity_named(row.quantity).kind for row in of):
            here = [row for row in of if quantity_named(row.quantity).kind == kind]
            for reason in dict.fromkeys(row.warnings for row in here if row.value is None):
                names = [row.quantity for row in here if row.value is None]
                what = kind if len(names) == len(here) else ", ".join(names)
                found.setdefault(reason, []).append(f"{layer} ({what})")
    return found


def _print_distances(result: ComparisonResult, console: Console) -> None:
    """Print how far the two lie apart over layers, in quantities that are no counts."""
    from rich.text import Text

    told: dict[int, list[str]] = {}
    missing: list[str] = []
    for name in dict.fromkeys(row.quantity for row in result.described_a):
        if quantity_named(name).kind in _COUNTS:
            continue
        pairs = profile_pairs(result.described_a, result.described_b, name, result.same_places)
        distance = profile_distance(pairs)
        if pairs is None:
            missing.append(name)
        elif distance is not None:
            told.setdefault(len(pairs), []).append(f"{name} {distance:.3g}")
    for n, known in told.items():
        layers = "1 layer" if n == 1 else f"{n} layers"
        console.print(Text(f"distance of the two over {layers}: {', '.join(known)}"))
    if missing:
        why = "a layer has a value in one of the two alone"
        console.print(Text(f"no distance over layers of {', '.join(missing)}: {why}"))


def _described(row: DescriptionResult | None) -> str:
    if row is None:  # a vector has no detectors
        return ""
    if row.value is None:
        return "-"
    chance = "" if row.floor is None else f", {row.floor:.3g} by chance"
    if row.low is None or row.high is None:
        return f"{row.value:.3g}{chance}"
    return f"{row.value:.3g} ({row.low:.3g} to {row.high:.3g}){chance}"


def _lost(count: int, variance: float) -> str:
    return f"{count} ({variance:.0%})" if count else "0"
