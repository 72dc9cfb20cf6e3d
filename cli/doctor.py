"""`tfprune doctor`."""

from __future__ import annotations

import click


@click.command()
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
def doctor(tracking_uri: str | None) -> int:
    """Check whether this machine is ready for a run, and explain what is missing.

    Checks GPUs and whether TensorFlow can use them, memory, disk and the MLflow store. Nothing is
    written. The exit status is 1 if a run cannot start.
    """
    from tfprune.runs.doctor import examine

    blocked = False
    for finding in examine(tracking_uri=tracking_uri):
        click.echo(f"{finding.what:<11} {finding.found}")
        if finding.remedy:
            click.echo(f"{'':<11} -> {finding.remedy}")
        blocked = blocked or finding.blocks
    return int(blocked)
