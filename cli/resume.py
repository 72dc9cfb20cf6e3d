"""`tfprune resume`."""

from __future__ import annotations

import click

from tfprune_cli.completion import complete_unfinished_run
from tfprune_cli.output import output_options, watched


@click.command()
@click.argument("run", shell_complete=complete_unfinished_run)
@output_options
def resume(run: str, as_json: bool, quiet: bool) -> int:
    """Go on with the interrupted run RUN (its key, MLflow id or name) from its last checkpoint.

    The result is bit for bit what the uninterrupted run would have given.
    """
    from tfprune.runs.run import resume as resume_experiment

    return watched(
        lambda watch, tell: resume_experiment(run, watch=watch, tell=tell),
        as_json=as_json,
        quiet=quiet,
    )
