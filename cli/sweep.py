"""`tfprune sweep`: a grid of experiments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from tfprune_cli.completion import complete_preset
from tfprune_cli.options import GroupedCommand, given_settings, run_options

if TYPE_CHECKING:
    from tfprune.sweeps.grid import Axis, Grid
    from tfprune.sweeps.result import FinishedSweep


@click.command(cls=GroupedCommand)
@click.argument("file", required=False, type=click.Path(dir_okay=False), metavar="[FILE.yaml]")
@click.option("--grid", "grids", multiple=True, metavar="SETTING=V1,V2",
              help="values of a setting, repeatable: the cells are all combinations; a range such "
              "as 0..4 has both ends")  # fmt: skip
@click.option("--zip", "zips", multiple=True, metavar="SETTING=V1,V2",
              help="values of settings that change together, repeatable")  # fmt: skip
@click.option("--preset", metavar="NAME|FILE", shell_complete=complete_preset,
              help="a named configuration (see 'tfprune presets') or a YAML file; options "
              "override it")  # fmt: skip
@run_options
@click.option("--workers", type=click.IntRange(min=1), metavar="N",
              help="processes on this machine  [default: one per GPU or core, as memory "
              "allows]")  # fmt: skip
@click.option("--threads", type=click.IntRange(min=1), metavar="N",
              help="threads of each worker  [default: its share of the cores]")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="a running Dask cluster, such as tcp://HOST:8786, instead of this "
              "machine")  # fmt: skip
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--tracking-uri", metavar="URI",
              help="MLflow store  [default: sqlite in ./mlruns]")  # fmt: skip
@click.option("--name", metavar="NAME", help="name of the sweep  [default: from its grid]")
@click.option("--dry-run", is_flag=True,
              help="list the cells; estimate time and disk by a few timed steps")  # fmt: skip
@click.option("--checkpoint-every", type=click.IntRange(min=0), default=1, metavar="N",
              help="write a checkpoint every N epochs; 0: never  [default: 1]")  # fmt: skip
@click.option("--deterministic", is_flag=True,
              help="bit-identical results on any number of cores; slower (see the page on "
              "promises)")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
@click.option("--quiet", is_flag=True, help="do not show progress on stderr")
def sweep(
    file: str | None,
    grids: tuple[str, ...],
    zips: tuple[str, ...],
    preset: str | None,
    workers: int | None,
    threads: int | None,
    scheduler: str | None,
    experiment: str | None,
    tracking_uri: str | None,
    name: str | None,
    dry_run: bool,
    checkpoint_every: int,
    deterministic: bool,
    as_json: bool,
    quiet: bool,
    **values: Any,
) -> int:
    """Run every cell of a grid of settings as an experiment of its own.

    The grid is given by --grid and --zip, by FILE.yaml with 'grid:' and 'zip:', or by both. Cells
    that begin with the same dense network train it once. What was done before is not done again:
    repeat the command after an interrupt, or with more values.
    """
    from tfprune.sweeps.plan import plan_sweep
    from tfprune.sweeps.sweep import run_sweep

    grid, named = _grid(file, grids, zips, preset, values)
    planned = plan_sweep(
        grid,
        name=name or named,
        experiment=experiment,
        tracking_uri=tracking_uri,
        deterministic=deterministic,
        checkpoint_every=checkpoint_every,
    )
    if dry_run:
        from tfprune_cli.plan import print_sweep

        print_sweep(planned, workers=workers, threads=threads)
        return 0
    result = run_sweep(
        planned, workers=workers, threads=threads, scheduler=scheduler,
        tell=lambda message: click.echo(message, err=True), progress=not quiet,
    )  # fmt: skip
    print_sweep_outcome(result, as_json=as_json)
    return 1 if result.failed or result.undelivered else 0


def _grid(
    file: str | None,
    grids: Sequence[str],
    zips: Sequence[str],
    preset: str | None,
    values: dict[str, Any],
) -> tuple[Grid, str | None]:
    """Return the grid that file and options give, and the name of the sweep in the file."""
    from tfprune.config import flatten, load_preset, override
    from tfprune.sweeps.grid import Grid, axis, read_sweep, zipped

    axes: list[Axis] = [axis(*_named(text, "--grid")) for text in grids]
    if zips:
        axes.append(zipped(dict(_named(text, "--zip") for text in zips)))
    base = load_preset(preset) if preset else {}
    name = None
    if file is not None:
        given, name = read_sweep(file)
        base = override(base, flatten(given.base))
        axes = [*given.axes, *axes]
    return Grid(override(base, given_settings(values)), axes), name


def _named(text: str, option: str) -> tuple[str, str]:
    setting, equals, values = text.partition("=")
    if not equals or not setting.strip():
        raise click.BadParameter(
            f"expected SETTING=VALUE,VALUE such as seed=0..4; got {text!r}.",
            param_hint=f"'{option}'",
        )
    return setting.strip(), values


def print_sweep_outcome(result: FinishedSweep, *, as_json: bool) -> None:
    """Print how a sweep ended: its cells, what failed, and the likely next command."""
    if as_json:
        import json

        from tfprune.sweeps.result import as_json as told

        click.echo(json.dumps(told(result), indent=2))
        return
    steps = result.steps
    click.echo(f"{len(result.done)} of {len(result.cells)} cells done")
    for cell in result.failed:
        click.echo(f"failed: {cell.label}: {cell.error}")
    if steps.shared:
        click.echo(
            f"dense networks shared: {steps.saved:.0%} of {steps.alone:,} optimizer steps saved"
        )
    click.echo(f"\nsweep   {result.key}")
    if result.failed:
        click.echo(f"next    the same command, or mlruns/runs/{result.key}/failed")
    else:
        click.echo(f"next    tfprune report {result.key}")
