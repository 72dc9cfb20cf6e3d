"""`tfprune table`: a run, or all cells of a sweep, as one table."""

from __future__ import annotations

from pathlib import Path

import click

from tfprune_cli.completion import complete_run


@click.command()
@click.argument("run", metavar="RUN|SWEEP", shell_complete=complete_run)
@click.option("--format", "format", type=click.Choice(["csv", "parquet"]), default="csv",
              show_default=True, help="parquet needs --out")  # fmt: skip
@click.option("--levels", is_flag=True, help="a row per seed and level instead of layers")
@click.option("--floors", is_flag=True,
              help="also dense networks compared with each other")  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False), metavar="FILE",
              help="the file to write  [default: print]")  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def table(
    run: str,
    format: str,
    levels: bool,
    floors: bool,
    out: str | None,
    tracking_uri: str | None,
    experiment: str | None,
) -> None:
    """Print or write one table of a run or a sweep: a row per seed, level, layer and measure.

    Of a sweep, the first columns are the cell and its settings of the grid.
    """
    from tfprune.disk import write_text_whole, write_whole
    from tfprune.sweeps.opened import table_of

    if format == "parquet" and out is None:
        raise click.UsageError("parquet is not text: give --out FILE.parquet.")
    if levels and floors:
        raise click.UsageError("--floors is for the table of layers. Leave out --levels.")
    found = table_of(
        run, levels=levels, floors=floors, tracking_uri=tracking_uri, experiment=experiment
    )
    if out is None:
        click.echo(found.to_csv(index=False, lineterminator="\n"), nl=False)
    elif format == "csv":
        write_text_whole(Path(out), found.to_csv(index=False, lineterminator="\n"))
    else:
        write_whole(Path(out), found.to_parquet(index=False, engine="pyarrow"), durable=False)
    if out is not None:
        click.echo(out)
