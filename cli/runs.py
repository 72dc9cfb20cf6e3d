"""`tfprune runs` and `tfprune show`: what runs there are, and one of them told again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from tfprune_cli.completion import complete_run

if TYPE_CHECKING:
    from rich.table import Table

    from tfprune.runs.listing import RunLine

_WIDE = 10_000  # a pipe's lines are not folded: programs read them


@click.command()
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--json", "as_json", is_flag=True, help="print the list as JSON")
def runs(tracking_uri: str | None, experiment: str | None, as_json: bool) -> None:
    """List the runs of the store, newest first."""
    from dataclasses import asdict

    from tfprune.runs.listing import list_runs

    found = list_runs(tracking_uri=tracking_uri, experiment=experiment)
    if as_json:
        click.echo(json.dumps([asdict(run) for run in found], indent=2))
        return
    if not found:
        click.echo("There are no runs yet. Start one with: tfprune run")
        return
    from rich.console import Console

    from tfprune.report.labels import printable

    console = Console()
    if not console.is_terminal:
        console.width = _WIDE
    console.print(_table(found))
    if any(run.collapsed for run in found):
        click.echo("* Seeds that collapsed at the last level are left out of the accuracy.")
    for run in found:
        if run.status == "not-uploaded":
            name = printable(run.name)
            click.echo(f"Not all of {name} is in MLflow yet: tfprune sync {run.key}")


def _table(found: list[RunLine]) -> Table:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from tfprune.report.labels import percent, printable
    from tfprune.tracking.candidates import date_of

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("name", overflow="fold")
    for heading in ("when", "data", "model", "strategy"):
        table.add_column(heading, overflow="fold")
    table.add_column("levels", justify="right")
    table.add_column("test", justify="right")
    table.add_column("status")
    names = [run.name for run in found]
    told_apart = len(set(names)) < len(names)
    if told_apart:
        table.add_column("id")
    for run in found:
        cells = [
            run.name,
            date_of(run.began),
            run.dataset or "-",
            run.model or "-",
            run.strategy or "-",
            "-" if run.levels is None else str(run.levels),
            ("-" if run.accuracy_test is None else percent(run.accuracy_test))
            + "*" * bool(run.collapsed),
            run.status,
        ]
        if told_apart:  # as every command takes it
            cells.append((run.run_id or run.key or "-")[:8])
        table.add_row(*(Text(printable(cell)) for cell in cells))
    return table


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--out", type=click.Path(file_okay=False), metavar="FOLDER",
              help="also write levels.csv and similarity.csv to this folder")  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
def show(
    run: str, out: str | None, tracking_uri: str | None, experiment: str | None, as_json: bool
) -> None:
    """Print the results table and the answer of the finished run RUN, and where its files are."""
    from tfprune.runs.finished import open_run
    from tfprune_cli.run import print_result_json

    result = open_run(run, tracking_uri=tracking_uri, experiment=experiment)
    written = [] if out is None else result.write_tables(out)
    if as_json:
        print_result_json(result)
        return
    from rich.console import Console

    from tfprune.report.tables import print_result

    print_result(result, Console())
    for path in written:
        click.echo(f"Table:  {path}")
    click.echo(f"\nrun     {result.run_id}")
    if out is None:
        click.echo(f"next    tfprune show {run} --out FOLDER   (its tables as CSV)")
