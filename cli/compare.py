"""`tfprune compare` and `tfprune export`."""

from __future__ import annotations

import click

from tfprune.config.words import EXPORT_FORMATS, LAYOUTS, NORMALIZATIONS
from tfprune_cli.completion import (
    complete_dataset,
    complete_folder,
    complete_measure,
    complete_run_or_file,
)
from tfprune_cli.run import print_run


@click.command()
@click.argument("a", shell_complete=complete_run_or_file)
@click.argument("b", shell_complete=complete_run_or_file)
@click.option("--measure", "measures", multiple=True, default=("cka",), show_default=True,
              metavar="NAME", shell_complete=complete_measure,
              help="similarity measure, repeatable")  # fmt: skip
@click.option("--layout", type=click.Choice(LAYOUTS), default="mean",
              show_default=True, help="how a convolutional layer becomes a matrix")  # fmt: skip
@click.option("--probe-size", type=click.IntRange(min=2), default=500, show_default=True,
              help="test images on which layers are compared")  # fmt: skip
@click.option("--attribution", is_flag=True,
              help="say what B's layers have lost of A's layers at the same place")  # fmt: skip
@click.option("--dataset", metavar="NAME|PATH|MODULE:FUNCTION", shell_complete=complete_dataset,
              help="data set  [default: the run's]")  # fmt: skip
@click.option("--data-dir", metavar="DIR", shell_complete=complete_folder,
              help="where prepared TFDS data lies")  # fmt: skip
@click.option("--train-split", metavar="SPLIT", help="what normalisation is taken from")
@click.option("--test-split", metavar="SPLIT", help="where the probe set is drawn from")
@click.option("--test-fraction", type=float, metavar="F",
              help="share of your own images that is the test split")  # fmt: skip
@click.option("--image-size", type=click.IntRange(min=1), help="pixels images are resized to")
@click.option("--normalization", type=click.Choice(["auto", *NORMALIZATIONS]),
              help="how images are prepared  [default: the run's; what suits a file]")  # fmt: skip
@click.option("--trust-model", is_flag=True, help="load a model file although it may run code")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--out", type=click.Path(), help="folder for the matrix as CSV and heat maps")
@click.option("--csv", "as_csv", is_flag=True, help="print CSV, one row per pair of layers")
def compare(
    a: str,
    b: str,
    measures: tuple[str, ...],
    layout: str,
    probe_size: int,
    attribution: bool,
    trust_model: bool,
    experiment: str | None,
    tracking_uri: str | None,
    out: str | None,
    as_csv: bool,
    **data: str | int | None,
) -> int:
    """Compare network A with network B, layer against layer.

    Each is a run (its last level), RUN:LEVEL, RUN:LEVEL:SEED, or a model file. The
    architectures may differ. The matrix is printed and logged as a run of its own.
    """
    from tfprune.runs.compare import compare as compare_networks
    from tfprune.similarity.measure import MEASURES

    measures = tuple(MEASURES.check(name) for name in measures)
    result = compare_networks(
        a,
        b,
        data={name: value for name, value in data.items() if value is not None},
        measures=measures,
        layout=layout,
        probe_size=probe_size,
        attribution=attribution,
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


@click.command()
@click.argument("run", shell_complete=complete_run_or_file)
@click.option("--format", "format", default="keras", show_default=True,
              type=click.Choice(list(EXPORT_FORMATS)),
              help="keras is Keras 3 wherever that can hold the network; tf_keras is Keras 2, for "
                   "tfmot and older TensorFlow")  # fmt: skip
@click.option("--out", type=click.Path(), help="the file to write  [default: run and level]")
@click.option("--quantize", is_flag=True, help="8-bit weights, for tflite")
@click.option("--shrink", is_flag=True,
              help="remove channels that carry nothing: smaller, computes the same")  # fmt: skip
@click.option("--with-preprocessing", is_flag=True,
              help="normalise images in the network, which then takes them as stored")  # fmt: skip
@click.option("--trust-model", is_flag=True, help="load a model file although it may run code")
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def export(
    run: str,
    format: str,
    out: str | None,
    quantize: bool,
    shrink: bool,
    with_preprocessing: bool,
    trust_model: bool,
    tracking_uri: str | None,
    experiment: str | None,
) -> None:
    """Write the network of RUN (RUN:LEVEL, RUN:LEVEL:SEED, or a model file) for use elsewhere.

    Stripped of tfmot, pruned weights at 0; the file is read back and checked.
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
    inputs = report.inputs
    if inputs is not None:
        click.echo(f"images       {inputs.sentence()}")
        if not inputs.takes_stored:
            click.echo("             (with --with-preprocessing the network does this itself)")
        names = ", ".join(inputs.class_names[:10]) + (", ..." if inputs.class_names[10:] else "")
        click.echo(f"classes      {len(inputs.class_names)}: {names}")
    click.echo(f"load         {report.load}")
