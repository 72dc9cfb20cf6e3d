"""`tfprune doctor`."""

from __future__ import annotations

import click


@click.command()
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
def doctor(tracking_uri: str | None) -> int:
    """Say what this machine offers a run, and what is missing and why.

    GPUs and whether TensorFlow can use them, memory and disk, the store. Nothing is written. The
    status is 1 where a run can't start.
    """
    from tfprune.runs.doctor import examine

    blocked = False
    for finding in examine(tracking_uri=tracking_uri):
        click.echo(f"{finding.what:<11} {finding.found}")
        if finding.remedy:
            click.echo(f"{'':<11} -> {finding.remedy}")
        blocked = blocked or finding.blocks
    return int(blocked)
