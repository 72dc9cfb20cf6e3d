"""`tfprune report` and `tfprune figure`."""

from __future__ import annotations

import click

from tfprune.report import FIGURES, FORMATS
from tfprune_cli.completion import complete_figure, complete_run

_KINDS = ", ".join(f"{kind}MEASURE" if kind.endswith("-") else kind for kind in FIGURES)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN...]",
                shell_complete=complete_run)  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False), default="report.html", show_default=True,
              help="the file to write")  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def report(
    runs: tuple[str, ...], out: str, tracking_uri: str | None, experiment: str | None
) -> None:
    """Write the HTML report of a run again, or of several runs side by side."""
    from tfprune.runs.reporting import write_again

    click.echo(write_again(runs, out, tracking_uri=tracking_uri, experiment=experiment))


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--kind", metavar="NAME", shell_complete=complete_figure,
              help=f"{_KINDS}  [default: all]")  # fmt: skip
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True,
              default=("pdf",), show_default=True, help="repeatable")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False), default="figures", show_default=True,
              help="the folder to write to")  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def figure(
    run: str,
    kind: str | None,
    formats: tuple[str, ...],
    out: str,
    tracking_uri: str | None,
    experiment: str | None,
) -> None:
    """Write a run's figures in publication quality."""
    from tfprune.runs.reporting import write_figures

    for path in write_figures(
        run, out, kind=kind, formats=formats, tracking_uri=tracking_uri, experiment=experiment
    ):
        click.echo(path)
