"""What `--dry-run` prints: an experiment's layers and levels, a sweep's cells, what they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tfprune.report.labels import printable, shorten

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from tfprune.experiment.workbench import DryRun
    from tfprune.sweeps.plan import Sweep

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
        console.print(Text(f"Not pruned, because tfmot cannot wrap them: {left}."))
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
    if asked := plan.config.comparison.describe:
        console.print(
            Text(f"Describing layers ({', '.join(asked)}): about {_duration(dry.describing)}.")
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


_MOST_CELLS = 40  # that are listed one by one


def print_sweep(sweep: Sweep, *, workers: int | None, threads: int | None) -> None:
    """Print the cells of a sweep, those that are done already, and what the others would take."""
    import click

    from tfprune.sweeps.cluster import size_for
    from tfprune.sweeps.estimate import estimate

    done = sweep.found().finished
    width = len(str(len(sweep.cells)))
    for at, cell in enumerate(sweep.cells[:_MOST_CELLS]):
        mark = f"   done: run {done[cell.key]}" if cell.key in done else ""
        click.echo(f"{at + 1:>{width}}  {printable(cell.label)}{mark}")
    if len(sweep.cells) > _MOST_CELLS:
        click.echo(f"... and {len(sweep.cells) - _MOST_CELLS} more")
    found = estimate(sweep)
    size = size_for(max(1, found.n_missing), workers=workers, threads=threads)
    click.echo(f"\n{len(sweep.cells)} cells, {found.n_missing} of them to run, on {size}.")
    if not found.n_missing:
        return
    share = found.saved_steps / found.steps if found.steps else 0.0
    click.echo(
        f"Training: {found.steps:,} steps, {share:.0%} of them saved by shared dense networks: "
        f"about {_hours(found.hours(size))}. Evaluation, comparison and reports come on top: "
        "10 s for each cell and more."
    )
    if found.n_timed < found.n_kinds:
        click.echo(
            f"{found.n_timed} of {found.n_kinds} kinds of cells were timed; the others are taken "
            "for their mean."
        )
    click.echo(f"Disk: about {_size(found.bytes)}.")


def _hours(hours: float) -> str:
    return _duration(3600 * hours) if hours < 2 else f"{hours:.1f} h"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:.0f} MB" if n_bytes < 2e9 else f"{n_bytes / 1e9:.1f} GB"
