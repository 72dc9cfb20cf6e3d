"""`tfprune report`, `tfprune figure`, `tfprune ui` and `tfprune sync`: what was logged, shown."""

from __future__ import annotations

import click

from tfprune.report import FIGURES, FORMATS
from tfprune_cli.completion import complete_figure, complete_run, complete_run_or_comparison

_KINDS = ", ".join(f"{kind}MEASURE" if kind.endswith("-") else kind for kind in FIGURES)


@click.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN|SWEEP [RUN...]",
                shell_complete=complete_run)  # fmt: skip
@click.option("--out", type=click.Path(dir_okay=False), default="report.html", show_default=True,
              help="the file to write")  # fmt: skip
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def report(
    runs: tuple[str, ...], out: str, tracking_uri: str | None, experiment: str | None
) -> None:
    """Write the HTML report of a run or a sweep, or one report that compares several runs."""
    from tfprune.runs.reporting import write_again
    from tfprune.sweeps.opened import find_sweep

    if len(runs) == 1 and (sweep := find_sweep(runs[0])) is not None:
        from tfprune.sweeps.report import write_report_of

        click.echo(write_report_of(sweep, out))
        return
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
    """Write the figures of a run in publication quality, or figures that compare several runs.

    For several runs: accuracy over sparsity and similarity over depth, with one line per run.
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
              help="port on 127.0.0.1; 0: any free port")  # fmt: skip
@click.option("--no-browser", is_flag=True, help="do not open a browser")
def ui(tracking_uri: str | None, experiment: str | None, port: int, no_browser: bool) -> int:
    """Start MLflow's web interface for the store, on this machine only, until Ctrl-C.

    It prints the address of the page that lists the experiment's runs, and opens it.
    """
    from tfprune.tracking import resolve_store
    from tfprune.tracking.server import serve_ui

    def ready(address: str) -> None:
        click.echo(address)
        click.echo("Press Ctrl-C to stop the server.", err=True)
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
@click.argument("run", shell_complete=complete_run_or_comparison)
@click.option("--to", metavar="URI",
              help="upload the whole run to this MLflow store, its store from then on")  # fmt: skip
@click.option("--experiment", metavar="NAME",
              help="with --to: the experiment in that store  [default: the run's]")  # fmt: skip
@click.option("--check", is_flag=True,
              help="then compare all that the store has of it with what was logged")  # fmt: skip
def sync(run: str, to: str | None, experiment: str | None, check: bool) -> int:
    """Upload records that a run could not log while its MLflow store was unavailable.

    RUN is the run's key, as printed by the run, or its first characters.

    With --to, everything that the run has logged is uploaded, to a new store or to one that
    already has part of it: metrics, params, tags, files and the runs of all levels, each once.
    Only the run's folder is needed, so a lost database can be restored.

    With --check, every point, param, tag, status and file in the store is compared with the run's
    folder: a damaged database may open and return something else. What was changed in MLflow by
    hand is listed too. The exit status is 1 if anything differs.
    """
    from tfprune.runs.sync import check as check_run
    from tfprune.runs.sync import sync as sync_run
    from tfprune.tracking.store_problem import refill

    if experiment is not None and to is None:
        raise click.UsageError("--experiment is for --to: a run's own store knows its experiment.")
    try:
        delivery = sync_run(run, to=to, experiment=experiment)
    except KeyboardInterrupt:
        click.echo(f"Nothing is lost. Upload the rest with: tfprune sync {run}", err=True)
        raise
    if delivery.damage:
        click.echo(f"Error: {delivery.damage}", err=True)
    click.echo(f"uploaded {delivery.delivered}, left {delivery.left}, refused {delivery.rejected}")
    if delivery.rejected:
        click.echo(
            "Error: what the store refused is kept in rejected.jsonl of the run's folder.", err=True
        )
    status = 1 if delivery.left or delivery.damage or delivery.rejected else 0
    if not check:
        return status
    found = check_run(run)
    for difference in found.differences:
        click.echo(difference, err=True)
    if found.differences:
        n, n_lost = len(found.differences), len(found.lost)
        said = (
            f"Error: {n} of {found.n} things that run {run} logged are not in the store as they "
            "were logged"
        )
        if n_lost:
            said += f", or not in its folder ({n_lost}), so that the folder can't restore them"
        if n > n_lost:
            said += f". A new one is filled from the folder of the run: {refill(run, 'URI')}"
        click.echo(said if n > n_lost else f"{said}.", err=True)
        return 1
    click.echo(f"checked {found.n}, all as logged")
    return status
