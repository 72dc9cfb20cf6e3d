"""`tfprune run`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from tfprune_cli.completion import complete_preset
from tfprune_cli.options import given_settings, run_options
from tfprune_cli.output import output_options, watched

if TYPE_CHECKING:
    from tfprune.config import RunConfig


@click.command()
@click.option("--preset", metavar="NAME|FILE", shell_complete=complete_preset,
              help="a named configuration (see 'tfprune presets') or a YAML file; options "
              "override it")  # fmt: skip
@run_options
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--tracking-uri", metavar="URI",
              help="MLflow store  [default: sqlite in ./mlruns]")  # fmt: skip
@click.option("--name", metavar="NAME", help="name of the run  [default: what it is]")
@click.option("--dry-run", is_flag=True, help="show what would be pruned at every level, and stop")
@click.option("--checkpoint-every", type=click.IntRange(min=0), default=1, metavar="N",
              help="write the state to disk every N epochs, 0 for never  [default: 1]")  # fmt: skip
@click.option("--register", metavar="NAME",
              help="register the last level's network in MLflow's model registry")  # fmt: skip
@click.option("--fresh", is_flag=True, help="start anew where the same run was interrupted")
@click.option("--deterministic", is_flag=True,
              help="the same bits whatever the number of cores; slower (see the page on promises)"
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
    """Train a network, prune it level by level, and compare every level with the dense one.

    Each level removes a share of the surviving weights, sets the survivors back to an early
    state and trains again. Every hidden layer is then compared with the dense network's on a
    fixed probe set. Results go to stdout and to MLflow.
    """
    from tfprune.config import from_dict, load_preset, override

    nested = override(load_preset(preset) if preset else {}, given_settings(values))
    config = from_dict(nested)
    if dry_run:
        return _print_plan(config, experiment=experiment, tracking_uri=tracking_uri)
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
        ),
        as_json=as_json,
        quiet=quiet,
    )


def _print_plan(config: RunConfig, *, experiment: str | None, tracking_uri: str | None) -> int:
    from rich.console import Console

    from tfprune.runs.run import dry_run
    from tfprune_cli.plan import print_plan

    print_plan(dry_run(config, experiment=experiment, tracking_uri=tracking_uri), Console())
    return 0
