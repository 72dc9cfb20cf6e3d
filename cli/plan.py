"""What `tfprune run --dry-run` prints: tensors, rates and what every level would keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.report.labels import printable, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tfprune.experiment.workbench import DryRun

_ACROSS = 5  # levels whose columns fit 80 characters
_MOST_LEVELS = 20  # in blocks one below the other


def print_plan(dry: DryRun, console: Console) -> None:
    """Print the plan of an experiment: its layers, each level's density, the time it takes."""
    from rich.text import Text

    plan, projection = dry.plan, dry.plan.projection
    last = len(projection.n_kept) - 1
    shown = _levels(last)
    for start in range(0, max(len(shown), 1), _ACROSS):
        console.print(_table(dry, shown[start : start + _ACROSS]))
    if len(shown) < last:
        console.print(Text(f"{last - len(shown)} of {last} levels are not shown."))
    unit = projection.unit.name
    if projection.note:
        console.print(Text(f"Note: {projection.note}"))
    if unit != "weight":
        console.print(Text(f"Counts are of {unit}s, which go whole."))
    for note in plan.notes:
        console.print(Text(note))
    if plan.left_out:
        left = ", ".join(printable(name) for name in plan.left_out)
        console.print(Text(f"Not pruned, for tfmot can't wrap them: {left}."))
    names = {tensor.name for tensor in plan.tensors}
    hidden = ", ".join(printable(layer.name) for layer in plan.hidden)
    console.print(
        Text(
            f"{plan.n_parameters:,} parameters, {sum(t.size for t in plan.tensors):,} prunable "
            f"weights in {len(names)} layers. Compared: {hidden}; on up to {len(plan.probe)} "
            "probe images."
        )
    )
    steps, seconds = plan.total_steps, dry.training_seconds
    console.print(
        Text(
            f"Training: {steps:,} steps at about {1000 * dry.per_step:.1f} ms, "
            f"{dry.first_step:.1f} s for the first: about {_duration(seconds)}. Evaluation, "
            "comparison and logging come on top."
        )
    )


def _levels(last: int) -> list[int]:
    """Return up to _MOST_LEVELS levels from 1 to the last, evenly spread, ends included."""
    if last <= _MOST_LEVELS:
        return list(range(1, last + 1))
    step = (last - 1) / (_MOST_LEVELS - 1)
    return sorted({round(1 + i * step) for i in range(_MOST_LEVELS)})


def _table(dry: DryRun, shown: list[int]) -> Table:
    from rich.table import Table
    from rich.text import Text

    projection = dry.plan.projection
    table = Table(box=None, pad_edge=False, title="Density kept at each level, planned",
                  title_justify="left")  # fmt: skip
    table.add_column("layer")
    for heading in (f"{projection.unit.name}s", "rate", *(f"level {level}" for level in shown)):
        table.add_column(heading, justify="right")
    for layer in projection.layers:
        densities = [layer.density(level) for level in shown]
        table.add_row(
            Text(shorten(printable(layer.tensor.name), 20)),
            f"{layer.n_units:,}",
            f"{layer.rate:.0%}",
            *("?" if density is None else f"{density:.1%}" for density in densities),
        )
    total = [f"{projection.density(level):.2%}" for level in shown]
    table.add_row("all", f"{projection.n_kept[0]:,}", "", *total, style="bold")
    return table


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
