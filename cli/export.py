"""`tfprune export`."""

from __future__ import annotations

import click

from tfprune.config.words import EXPORT_FORMATS
from tfprune_cli.completion import complete_run_or_file


@click.command()
@click.argument("run", shell_complete=complete_run_or_file)
@click.option("--format", "format", default="keras", show_default=True,
              type=click.Choice(list(EXPORT_FORMATS)),
              help="keras and h5 are written by the Keras that the model came from")  # fmt: skip
@click.option("--out", type=click.Path(), help="the file to write  [default: run and level]")
@click.option("--quantize", is_flag=True, help="8-bit weights, for tflite")
@click.option("--shrink", is_flag=True,
              help="remove channels that carry nothing: smaller, computes the same")  # fmt: skip
@click.option("--trust-model", is_flag=True, help="load a model file although it may run code")
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
def export(
    run: str,
    format: str,
    out: str | None,
    quantize: bool,
    shrink: bool,
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
        tracking_uri=tracking_uri, experiment=experiment,
        tell=lambda message: click.echo(message, err=True),
    )  # fmt: skip
    click.echo(f"file         {report.path}  ({report.format}, read by {report.library})")
    click.echo(f"size         {report.n_bytes:,} bytes, {report.n_bytes_gzip:,} by gzip")
    click.echo(f"sparsity     {report.sparsity:.2%} of the kernels, read back from the file")
    click.echo(f"predictions  differ by at most {report.max_abs_difference:.1e} from the network's")
