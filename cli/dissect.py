"""`tfprune dissect`."""

from __future__ import annotations

import click

from tfprune.config.words import NORMALIZATIONS
from tfprune_cli.completion import complete_dataset, complete_folder, complete_run_or_file


@click.command()
@click.argument("run", shell_complete=complete_run_or_file)
@click.option("--concepts", default="shapes", show_default=True,
              metavar="shapes|images|labels|FOLDER|FILE|tfds:NAME|MODULE:FUNCTION",
              help="where concepts come from. shapes: synthetic images of textured shapes; images: "
                   "colours and edges of the network's own test images; labels: their classes; "
                   "FOLDER: images/NAME and masks/CATEGORY/CONCEPT/NAME; FILE: boxes as COCO's "
                   ".json, or a .csv of boxes or labels; tfds:NAME: masks, boxes or labels of a "
                   "TFDS set")  # fmt: skip
@click.option("--images", "n_images", type=click.IntRange(min=2), default=500, show_default=True,
              help="number of images to search for concepts")  # fmt: skip
@click.option("--threshold", type=float, default=0.04, show_default=True, metavar="F",
              help="intersection over union above which a unit is a detector")  # fmt: skip
@click.option("--dataset", metavar="NAME|PATH|MODULE:FUNCTION", shell_complete=complete_dataset,
              help="data set whose images the network takes  [default: the run's]")  # fmt: skip
@click.option("--data-dir", metavar="DIR", shell_complete=complete_folder,
              help="folder of prepared TFDS data")  # fmt: skip
@click.option("--normalization", type=click.Choice(["auto", *NORMALIZATIONS]),
              help="normalization of images  [default: the run's; what suits a file]")  # fmt: skip
@click.option("--trust-model", is_flag=True, help="load a model file even if it may run code")
@click.option("--experiment", metavar="NAME", help="MLflow experiment  [default: tfprune]")
@click.option("--tracking-uri", metavar="URI", help="MLflow store  [default: sqlite in ./mlruns]")
@click.option("--out", type=click.Path(), help="folder for units.csv")
@click.option("--csv", "as_csv", is_flag=True, help="print CSV, one row per unit")
def dissect(
    run: str,
    concepts: str,
    n_images: int,
    threshold: float,
    trust_model: bool,
    experiment: str | None,
    tracking_uri: str | None,
    out: str | None,
    as_csv: bool,
    **data: str | None,
) -> None:
    """Show which units of a network detect which concept, layer by layer.

    RUN is a run (its last level), RUN:LEVEL, RUN:LEVEL:SEED, or a model file. The units of a
    level are followed from the run's dense network.
    """
    from tfprune.runs.dissect import dissect as dissect_network
    from tfprune.runs.dissect_print import print_dissection

    result = dissect_network(
        run, concepts=concepts, n_images=n_images, threshold=threshold,
        data={name: value for name, value in data.items() if value is not None},
        trust=trust_model, experiment=experiment, tracking_uri=tracking_uri, out=out,
        tell=lambda message: click.echo(message, err=True),
    )  # fmt: skip
    if as_csv:
        click.echo(result.csv(), nl=False)
        return
    print_dissection(result)
    if out is not None:
        click.echo(f"files   {out}")
