"""`tfprune compare` and `tfprune export`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from tfprune.config.words import DESCRIPTIONS, EXPORT_FORMATS, LAYOUTS, NORMALIZATIONS
from tfprune_cli.completion import (
    complete_dataset,
    complete_folder,
    complete_measure,
    complete_run_or_file,
)
from tfprune_cli.run import print_run

if TYPE_CHECKING:
    from tfprune.models.files.metadata import ImageInputs


@click.command()
@click.argument("a", shell_complete=complete_run_or_file)
@click.argument("b", required=False, shell_complete=complete_run_or_file)
@click.option("--all", "every", is_flag=True,
              help="compare all networks of the sweep A with each other, on this machine's "
              "cores")  # fmt: skip
@click.option("--workers", type=click.IntRange(min=1), metavar="N",
              help="with --all: processes on this machine")  # fmt: skip
@click.option("--scheduler", metavar="ADDRESS",
              help="with --all: a running Dask cluster, such as tcp://HOST:8786")  # fmt: skip
@click.option("--measure", "measures", multiple=True, default=("cka",), show_default=True,
              metavar="NAME", shell_complete=complete_measure,
              help="similarity measure, repeatable")  # fmt: skip
@click.option("--layout", type=click.Choice(LAYOUTS), default="mean",
              show_default=True, help="how a convolutional layer becomes a matrix")  # fmt: skip
@click.option("--probe-size", type=click.IntRange(min=2),
              help="test images on which layers are compared  [default: 500, or all if there are "
                   "fewer]")  # fmt: skip
@click.option("--attribution", is_flag=True,
              help="report what the layers of B have lost compared with the layers of A of the "
                   "same name")  # fmt: skip
@click.option("--describe", multiple=True, type=click.Choice(list(DESCRIPTIONS)),
              help="also describe every layer of each network by itself, repeatable")  # fmt: skip
@click.option("--dataset", metavar="NAME|PATH|MODULE:FUNCTION", shell_complete=complete_dataset,
              help="data set  [default: the run's]")  # fmt: skip
@click.option("--data-dir", metavar="DIR", shell_complete=complete_folder,
              help="folder of prepared TFDS data")  # fmt: skip
@click.option(
    "--train-split", metavar="SPLIT", help="split from which the normalization is computed"
)
@click.option("--test-split", metavar="SPLIT", help="split from which the probe set is drawn")
@click.option("--test-fraction", type=float, metavar="F",
              help="fraction of your own images that is the test split")  # fmt: skip
@click.option(
    "--image-size", type=click.IntRange(min=1), help="size in pixels to which images are resized"
)
@click.option("--normalization", type=click.Choice(["auto", *NORMALIZATIONS]),
              help="normalization of images  [default: the run's; what suits a file]")  # fmt: skip
@click.option("--trust-model", is_flag=True, help="load a model file even if it may run code")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--out", type=click.Path(), help="folder for the matrix as CSV and heat maps")
@click.option("--csv", "as_csv", is_flag=True, help="print CSV, one row per pair of layers")
def compare(
    a: str,
    b: str | None,
    every: bool,
    workers: int | None,
    scheduler: str | None,
    measures: tuple[str, ...],
    layout: str,
    probe_size: int | None,
    attribution: bool,
    describe: tuple[str, ...],
    trust_model: bool,
    experiment: str | None,
    tracking_uri: str | None,
    out: str | None,
    as_csv: bool,
    **data: str | int | None,
) -> int:
    """Compare network A with network B, every layer with every layer.

    Each is a run (its last level), RUN:LEVEL, RUN:LEVEL:SEED, or a model file. The
    architectures may differ. The matrix is printed and logged as a separate run.
    """
    from tfprune.runs.compare import compare as compare_networks
    from tfprune.similarity.measure import MEASURES

    measures = tuple(MEASURES.check(name) for name in measures)
    if every:
        given = {
            "B": b, "--attribution": attribution, "--csv": as_csv, "--out": out,
            "--trust-model": trust_model, "--describe": describe,
            **{f"--{name.replace('_', '-')}": value for name, value in data.items()},
        }  # fmt: skip
        if wrong := [name for name, value in given.items() if value]:
            raise click.UsageError(
                f"--all compares the networks of one sweep; leave out {wrong[0]}."
            )
        return _compare_all(a, measures, layout, probe_size, workers, scheduler)
    if b is None:
        raise click.UsageError("Missing argument 'B'.")
    if workers is not None or scheduler is not None:
        raise click.UsageError("--workers and --scheduler are for --all.")
    result = compare_networks(
        a,
        b,
        data={name: value for name, value in data.items() if value is not None},
        measures=measures,
        layout=layout,
        probe_size=probe_size,
        attribution=attribution,
        describe=tuple(dict.fromkeys(describe)),
        trust=trust_model,
        experiment=experiment,
        tracking_uri=tracking_uri,
        tell=lambda message: click.echo(message, err=True),
        out=out,
    )
    status = 1 if result.undelivered else 0
    if as_csv:
        click.echo(result.csv(), nl=False)
        return status
    from rich.console import Console

    from tfprune.report.matrix import print_matrices

    print_matrices(result, Console())
    print_run(result)
    if result.folder is not None:
        click.echo(f"files   {result.folder}")
    return status


def lines_on(inputs: ImageInputs) -> list[str]:
    """Return what to say of the images that a network takes, and of its classes."""
    said = [f"images       {inputs.sentence()}"]
    if not inputs.takes_stored:
        said.append("             (with --with-preprocessing the network does this itself)")
    names = ", ".join(inputs.class_names[:10]) + (", ..." if inputs.class_names[10:] else "")
    return [*said, f"classes      {len(inputs.class_names)}: {names}"]


def _compare_all(
    sweep: str,
    measures: tuple[str, ...],
    layout: str,
    probe_size: int | None,
    workers: int | None,
    scheduler: str | None,
) -> int:
    """Compare all networks of a sweep; print how much alike they are, and where the tables are."""
    from tfprune.sweeps.compare_all import compare_all, summary

    found, pairs, folder = compare_all(
        sweep,
        measures=measures,
        layout=layout,
        probe_size=probe_size,
        workers=workers,
        scheduler=scheduler,
        tell=lambda message: click.echo(message, err=True),
    )
    for line in summary(pairs):
        click.echo(line)
    click.echo(f"files   {folder}")
    click.echo(f"next    tfprune report {found.key}")
    return 0


@click.command()
@click.argument("run", shell_complete=complete_run_or_file)
@click.option("--format", "format", type=click.Choice(list(EXPORT_FORMATS)),
              help="keras: Keras 3 if possible; tf_keras: Keras 2, for tfmot and older versions "
                   "of TensorFlow  [default: by the ending of --out, else keras]")  # fmt: skip
@click.option(
    "--out", type=click.Path(), help="the file to write  [default: named after run and level]"
)
@click.option("--quantize", is_flag=True, help="8-bit weights, for tflite")
@click.option("--shrink", is_flag=True,
              help="remove channels that carry no information: a smaller network that computes "
                   "the same")  # fmt: skip
@click.option("--with-preprocessing", is_flag=True,
              help="include the normalization in the network, which then takes images as they "
                   "are stored")  # fmt: skip
@click.option("--trust-model", is_flag=True, help="load a model file although it may run code")
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def export(
    run: str,
    format: str | None,
    out: str | None,
    quantize: bool,
    shrink: bool,
    with_preprocessing: bool,
    trust_model: bool,
    tracking_uri: str | None,
    experiment: str | None,
) -> None:
    """Export the network of RUN (RUN:LEVEL, RUN:LEVEL:SEED, or a model file) to a file.

    Without tfmot's wrappers and with pruned weights at 0; the file is read back and verified.
    """
    from tfprune.runs.export import export as export_network

    report = export_network(
        run, out, format=format, quantize=quantize, shrink=shrink, trust=trust_model,
        with_preprocessing=with_preprocessing, tracking_uri=tracking_uri, experiment=experiment,
        tell=lambda message: click.echo(message, err=True),
    )  # fmt: skip
    click.echo(f"file         {report.path}  ({report.format}, read by {report.library})")
    click.echo(f"size         {report.n_bytes:,} bytes, {report.n_bytes_gzip:,} by gzip")
    click.echo(f"sparsity     {report.sparsity:.2%} of the kernels, read back from the file")
    click.echo(f"predictions  differ by at most {report.max_abs_difference:.1e} from the network's")
    if report.inputs is not None:
        click.echo("\n".join(lines_on(report.inputs)))
    click.echo(f"load         {report.load}")
