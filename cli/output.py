"""What a run prints: progress and remarks on stderr, the result on stdout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tfprune.experiment.comparison import ComparisonResult
    from tfprune.experiment.events import Watch
    from tfprune.results import RunResult

Command = TypeVar("Command", bound=Callable[..., Any])
Experiment = Callable[["Watch", Callable[[str], None]], "RunResult"]


def output_options(command: Command) -> Command:
    """Give a command --json and --quiet."""
    command = click.option("--quiet", is_flag=True, help="no progress on stderr")(command)
    return click.option("--json", "as_json", is_flag=True, help="print the result as JSON")(command)


def watched(experiment: Experiment, *, as_json: bool, quiet: bool) -> int:
    """Run an experiment under a progress bar, print its result; return the exit status.

    Status 1 says that records wait for a store that does not answer.
    """
    from tfprune_cli.progress import Progress

    progress = Progress(quiet=quiet)
    try:
        result = experiment(progress, progress.tell)
    finally:
        progress.stop()
    print_outcome(result, as_json=as_json)
    return 1 if result.undelivered else 0


def print_outcome(result: RunResult, *, as_json: bool) -> None:
    """Print a result as JSON, or as tables with the likely next command."""
    if as_json:
        import json

        from tfprune.report.tables import result_json

        click.echo(json.dumps(result_json(result), indent=2))
        return
    from rich.console import Console

    from tfprune.report.tables import print_result

    print_result(result, Console())
    print_run(result)
    click.echo(
        "next    tfprune ui" if not result.undelivered else f"next    tfprune sync {result.key}"
    )


def print_run(result: RunResult | ComparisonResult) -> None:
    """Print the id by which MLflow and tfprune know a run; before MLflow has one, its key."""
    click.echo(f"\nrun     {result.run_id or f'{result.key}  (not in MLflow yet)'}")
