"""`tfprune report`, `tfprune figure`, `tfprune ui` and `tfprune sync`: what was logged, shown."""

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
@click.argument("runs", nargs=-1, required=True, metavar="RUN [RUN...]",
                shell_complete=complete_run)  # fmt: skip
@click.option("--kind", "kinds", metavar="NAME", multiple=True, shell_complete=complete_figure,
              help=f"{_KINDS}; repeatable  [default: all]")  # fmt: skip
@click.option("--format", "formats", type=click.Choice(FORMATS), multiple=True,
              default=("pdf",), show_default=True, help="repeatable")  # fmt: skip
@click.option("--out", type=click.Path(file_okay=False), default="figures", show_default=True,
              help="the folder to write to")  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def figure(
    runs: tuple[str, ...],
    kinds: tuple[str, ...],
    formats: tuple[str, ...],
    out: str,
    tracking_uri: str | None,
    experiment: str | None,
) -> None:
    """Write a run's figures in publication quality, or figures that hold several runs.

    Of several runs there are accuracy over sparsity and similarity over depth, a line for each.
    """
    from tfprune.runs.reporting import write_figures

    for path in write_figures(
        runs, out, kinds=kinds, formats=formats, tracking_uri=tracking_uri, experiment=experiment
    ):
        click.echo(path)


store_options_help = "MLflow store  [default: sqlite in ./mlruns]"


@click.command()
@click.option("--tracking-uri", metavar="URI", help=store_options_help)
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--port", type=click.IntRange(0, 65535), default=5000, show_default=True,
              help="port on 127.0.0.1; 0 takes a free one")  # fmt: skip
@click.option("--no-browser", is_flag=True, help="don't open a browser")
def ui(tracking_uri: str | None, experiment: str | None, port: int, no_browser: bool) -> int:
    """Serve MLflow's UI on the store in use, on this machine only, until Ctrl-C.

    The address that it prints and opens is the page of the experiment's runs.
    """
    from tfprune.tracking import resolve_store
    from tfprune.tracking.server import serve_ui

    def ready(address: str) -> None:
        click.echo(address)
        click.echo("Ctrl-C ends the server.", err=True)
        if not no_browser:
            open_browser(address)

    return serve_ui(resolve_store(tracking_uri, experiment), port=port, on_ready=ready)


def open_browser(address: str) -> None:
    """Open the address where there is a screen to show it on."""
    import os
    import sys
    import webbrowser

    if sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(address)


@click.command()
@click.argument("run", shell_complete=complete_run)
@click.option("--to", metavar="URI",
              help="deliver all of the run to this MLflow store, its own from then on")  # fmt: skip
@click.option("--experiment", metavar="NAME",
              help="with --to: the experiment in it  [default: the run's]")  # fmt: skip
def sync(run: str, to: str | None, experiment: str | None) -> int:
    """Deliver what a run could not log while its MLflow store did not answer.

    RUN is the run's key, as the run printed it, or the beginning of it.

    With --to everything that the run has logged is delivered, to a new store or to one that has
    it already: metrics, params, tags, files and the runs of all levels, each once. The run's
    folder suffices, so a lost database can be filled anew.
    """
    from tfprune.runs.run import sync as sync_run

    if experiment is not None and to is None:
        raise click.UsageError("--experiment is for --to: a run's own store knows its experiment.")
    delivery = sync_run(run, to=to, experiment=experiment)
    if delivery.damage:
        click.echo(f"Error: {delivery.damage}", err=True)
    click.echo(f"delivered {delivery.delivered}, left {delivery.left}, refused {delivery.rejected}")
    return 1 if delivery.left or delivery.damage else 0
