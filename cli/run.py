"""`tfprune run` and `tfprune resume`: remarks and progress on stderr, the result on stdout."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tfprune_cli.completion import complete_preset, complete_unfinished_run
from tfprune_cli.options import GroupedCommand, given_settings, run_options

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.experiment.comparison import ComparisonResult
    from tfprune.experiment.events import Watch
    from tfprune.results import RunResult

Command = TypeVar("Command", bound=Callable[..., Any])


Experiment = Callable[["Watch", Callable[[str], None]], "RunResult"]


def output_options(command: Command) -> Command:
    """Give a command --json and --quiet."""
    command = click.option("--quiet", is_flag=True, help="do not show progress on stderr")(command)
    return click.option("--json", "as_json", is_flag=True, help="print the result as JSON")(command)


@click.command(cls=GroupedCommand)
@click.option("--preset", metavar="NAME|FILE", shell_complete=complete_preset,
              help="a named configuration (see 'tfprune presets') or a YAML file; options "
              "override it")  # fmt: skip
@run_options
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--tracking-uri", metavar="URI",
              help="MLflow store  [default: sqlite in ./mlruns]")  # fmt: skip
@click.option("--name", metavar="NAME", help="name of the run  [default: from its settings]")
@click.option(
    "--dry-run", is_flag=True, help="show what would be pruned at every level, without training"
)
@click.option("--checkpoint-every", type=click.IntRange(min=0), default=1, metavar="N",
              help="write a checkpoint every N epochs; 0: never  [default: 1]")  # fmt: skip
@click.option("--register", metavar="NAME",
              help="register the last level's network in MLflow's model registry")  # fmt: skip
@click.option("--fresh", is_flag=True, help="start a new run even if the same run was interrupted")
@click.option("--deterministic", is_flag=True,
              help="bit-identical results on any number of cores; slower (see the page on "
                   "promises)"
              )  # fmt: skip
@output_options
def run(
    preset: str | None,
    experiment: str | None,
    tracking_uri: str | None,
    name: str | None,
    dry_run: bool,
    checkpoint_every: int,
    fresh: bool,
    register: str | None,
    deterministic: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> int:
    """Train a network, prune it level by level, and compare every level with the dense network.

    Each level removes a fraction of the surviving weights, rewinds the others to an early state
    and trains again. Every hidden layer is then compared with that of the dense network on a
    fixed probe set. Results are printed to stdout and logged to MLflow.
    """
    from tfprune.config import from_dict, load_preset, override

    nested = override(load_preset(preset) if preset else {}, given_settings(values))
    config = from_dict(nested)
    if dry_run:
        return _print_plan(
            config,
            name=name,
            experiment=experiment,
            tracking_uri=tracking_uri,
            register=register,
            deterministic=deterministic,
        )
    from tfprune.runs.run import run as run_experiment

    return watched(
        lambda watch, tell: run_experiment(
            config,
            name=name,
            experiment=experiment,
            tracking_uri=tracking_uri,
            watch=watch,
            tell=tell,
            checkpoint_every=checkpoint_every,
            fresh=fresh,
            register=register,
            deterministic=deterministic,
            progress=False,
        ),
        as_json=as_json,
        quiet=quiet,
    )


def _print_plan(config: RunConfig, **options: Any) -> int:
    from rich.console import Console

    from tfprune.runs.run import dry_run
    from tfprune_cli.plan import print_plan

    print_plan(dry_run(config, **options), Console())
    return 0


@click.command()
@click.argument("run", shell_complete=complete_unfinished_run)
@output_options
def resume(run: str, as_json: bool, quiet: bool) -> int:
    """Resume the interrupted run RUN (its key, MLflow id or name) from its last checkpoint.

    The results are bit for bit those of an uninterrupted run.
    """
    from tfprune.runs.run import resume as resume_experiment

    return watched(
        lambda watch, tell: resume_experiment(run, watch=watch, tell=tell, progress=False),
        as_json=as_json,
        quiet=quiet,
    )


def watched(experiment: Experiment, *, as_json: bool, quiet: bool) -> int:
    """Run an experiment under a progress bar, print its result; return the exit status.

    Status 1 says that records wait for a store that does not answer.
    """
    from tfprune.runs.progress import Progress

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
        print_result_json(result)
        return
    from rich.console import Console

    from tfprune.report.tables import print_result

    print_result(result, Console())
    print_run(result)
    click.echo(
        "next    tfprune ui" if not result.undelivered else f"next    tfprune sync {result.key}"
    )


def print_result_json(result: RunResult) -> None:
    """Print a result as JSON; docs/reference/json.md has the schema."""
    import json

    from tfprune.report.tables import result_json

    click.echo(json.dumps(result_json(result), indent=2))


def print_run(result: RunResult | ComparisonResult) -> None:
    """Print the id by which MLflow and tfprune know a run; before MLflow has one, its key."""
    click.echo(f"\nrun     {result.run_id or f'{result.key}  (not in MLflow yet)'}")
