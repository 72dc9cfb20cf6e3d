"""What `tfprune dissect` prints: a line for every layer, and which concepts its units know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

    from tfprune.runs.dissect import DissectResult


def print_dissection(result: DissectResult) -> None:
    """Print a line for every layer: its detectors, their concepts, and what became of units."""
    from rich.console import Console
    from rich.text import Text

    from tfprune.report.labels import printable

    console = Console()
    console.print(
        Text(
            f"{printable(result.title)}: {result.n_concepts} concepts in {result.n_images} images "
            f"({printable(result.source)})"
        )
    )
    if result.told:
        _print_told(result, console)
    else:
        _print_detectors(result, console)


def _print_told(result: DissectResult, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from tfprune.report.labels import printable, shorten

    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    for heading in ("units", "dead", "real", "unique", "AUC", "selectivity"):
        table.add_column(heading, justify="right")
    for layer in result.told:
        live = layer.live
        table.add_row(
            Text(shorten(printable(layer.layer), 20)),
            str(len(layer.units)),
            str(len(layer.units) - len(live)),
            str(len(layer.beyond_chance)),
            str(len(layer.concepts())),
            _mean([unit.auc for unit in live]),
            _mean([unit.selectivity for unit in live]),
        )
    console.print(table)
    _print_names([(one.layer, one.concepts) for one in result.told], console)
    console.print(
        Text(
            "AUC: how well a unit's largest activation tells images with its best label from "
            "others; selectivity: how much larger its mean is there; means over units that are "
            "not dead. real: above the AUC of any label when labels are permuted; unique: "
            "different labels of these"
        )
    )


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{sum(known) / len(known):.2f}" if known else "-"


def _print_names(
    layers: Sequence[tuple[str, Callable[[], list[tuple[str, int]]]]], console: Console
) -> None:
    """Print of every layer the concepts that most of its units know."""
    from rich.text import Text

    from tfprune.report.labels import printable

    for layer, concepts in layers:
        if found := concepts():
            named = ", ".join(f"{printable(name)} {n}" for name, n in found[:6])
            more = f" and {len(found) - 6} more" if len(found) > 6 else ""
            console.print(Text(f"{printable(layer)}: {named}{more}"))


def _print_detectors(result: DissectResult, console: Console) -> None:
    from rich.table import Table
    from rich.text import Text

    from tfprune.report.labels import printable, shorten

    table = Table(box=None, pad_edge=False)
    table.add_column("layer")
    headings = ["units", "dead", "detectors", "real", "unique"]
    followed = ("kept", "changed", "lost", "died", "new") if result.followed else ()
    for heading in (*headings, *followed):
        table.add_column(heading, justify="right")
    for layer in result.layers:
        fates = layer.fates()
        table.add_row(
            Text(shorten(printable(layer.layer), 20)),
            str(len(layer.units)),
            str(int(layer.dead.sum())),
            str(len(layer.detectors)),
            str(len(layer.beyond_chance)),
            str(len(layer.concepts())),
            *(str(fates[name]) for name in followed),
        )
    console.print(table)
    _print_names([(one.layer, one.concepts) for one in result.layers], console)
    console.print(
        Text(
            f"detectors: intersection over union above {result.threshold:g}; real: above that with "
            "any concept when the masks are permuted, too; unique: different concepts"
        )
    )
    if result.followed:
        console.print(Text("kept, changed, lost, died, new: since the run's dense network"))
