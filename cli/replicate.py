"""`tfprune replicate`: a published experiment, run again, and a verdict on each of its claims."""

from __future__ import annotations

import click

from tfprune_cli.completion import complete_replication


@click.command()
@click.argument("name", required=False, shell_complete=complete_replication)
@click.option("--list", "listing", is_flag=True, help="list the replications and their sizes")
@click.option("--size", default="smallest", show_default=True, metavar="SIZE",
              help="scale to run it at: smallest, small, reduced or full; see --list")  # fmt: skip
@click.option("--data-dir", type=click.Path(), metavar="PATH",
              help="folder of the data set  [default: that of tensorflow-datasets]")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False), default="results", show_default=True,
              metavar="FOLDER", help="where the page, its tables and figures go")  # fmt: skip
@click.option("--tracking-uri", metavar="URI",
              help="MLflow store to log to  [default: sqlite in ./mlruns]")  # fmt: skip
@click.option("--so-far", is_flag=True,
              help="train nothing; judge the seeds that unfinished runs in this folder have"
              )  # fmt: skip
@click.option("--quiet", is_flag=True, help="no progress on stderr")
def replicate(
    name: str | None,
    listing: bool,
    size: str,
    data_dir: str | None,
    out: str,
    tracking_uri: str | None,
    so_far: bool,
    quiet: bool,
) -> None:
    """Run a published experiment again and judge its claims.

    Every arm of it is a run of its own. What has finished is not trained again, and what was
    interrupted goes on. At the smallest size operators are deterministic: apart from times, the
    page is the same on any number of cores.
    """
    from tfprune.replications import REPLICATIONS

    if listing:
        width = max(len(entry.name) for entry in REPLICATIONS)
        for entry in REPLICATIONS:
            sizes = ", ".join(one.name for one in REPLICATIONS.get(entry.name).sizes)
            click.echo(f"{entry.name:{width}} {entry.summary}  [{sizes}]")
        return
    if name is None:
        raise click.UsageError("NAME is missing; 'tfprune replicate --list' shows them all.")
    from tfprune.replications.page import write_page
    from tfprune.replications.perform import replicate as perform

    judged = perform(
        name, size=size, data_dir=data_dir, tracking_uri=tracking_uri,
        tell=lambda message: click.echo(message, err=True), progress=not quiet,
        so_far=so_far, deterministic=size == "smallest",
    )  # fmt: skip
    for claim, verdict in judged.verdicts:
        click.echo(f"{verdict.answer}: {claim.text}")
        click.echo(f"    {verdict.why}")
    click.echo(f"Page: {write_page(judged, out)[0]}")
