"""`tfprune prune`: progress on stderr as Keras shows it, what came of it on stdout."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tfprune.config.words import SCOPES
from tfprune_cli.compare import lines_on
from tfprune_cli.completion import complete_model, complete_strategy
from tfprune_cli.options import given_settings, options_for

if TYPE_CHECKING:
    from tfprune.runs.prune_file import PrunedFile

_SETTINGS = (
    "data.dataset", "data.data_dir", "data.train_split", "data.test_split", "data.test_fraction",
    "data.validation_fraction", "data.image_size", "data.resize", "data.stream",
    "data.normalization", "model.trust", "seed", "device",
)  # fmt: skip


@click.command()
@click.argument("model", shell_complete=complete_model)
@click.option("--sparsity", type=float, required=True, metavar="F",
              help="share of the prunable weights to remove, in (0, 1)")  # fmt: skip
@click.option("--out", type=click.Path(), required=True,
              help="the file to write, in the form in which the model came")  # fmt: skip
@click.option("--strategy", default="magnitude", show_default=True, metavar="NAME",
              shell_complete=complete_strategy,
              help="what is removed (see 'tfprune strategies')")  # fmt: skip
@click.option("--levels", type=click.IntRange(min=1), default=5, show_default=True,
              help="number of pruning levels, each followed by training")  # fmt: skip
@click.option("--epochs", type=click.IntRange(min=0), default=3, show_default=True,
              help="epochs of training at each level")  # fmt: skip
@click.option("--batch-size", type=click.IntRange(min=1), default=32, show_default=True,
              help="images in one optimizer step")  # fmt: skip
@click.option("--scope", type=click.Choice(SCOPES), default="global", show_default=True,
              help="rank the weights of all layers together (global) or within each layer"
              )  # fmt: skip
@click.option("--exclude", multiple=True, metavar="LAYER",
              help="layer not to prune, repeatable; patterns as 'stage1_*'")  # fmt: skip
@click.option("--optimizer", metavar="NAME",
              help="optimizer of Keras  [default: the file's, in its saved state; else adam]"
              )  # fmt: skip
@click.option("--learning-rate", type=click.FloatRange(min=0, min_open=True), metavar="F",
              help="constant learning rate  [default: the optimizer's]")  # fmt: skip
@click.option("--loss", metavar="NAME",
              help="loss of Keras  [default: the file's; else the cross-entropy for its outputs]"
              )  # fmt: skip
@click.option("--similarity", type=click.Path(dir_okay=False), metavar="FILE",
              help="compare every layer with the given model's, and write that as CSV")  # fmt: skip
@click.option("--with-preprocessing", is_flag=True,
              help="include the normalization in the network, which then takes images as they "
                   "are stored")  # fmt: skip
@options_for(_SETTINGS)
@click.option("--track", is_flag=True, help="log it as an MLflow run of kind 'prune'")
@click.option("--tracking-uri", metavar="URI",
              help="MLflow store to log to  [default with --track: sqlite in ./mlruns]"
              )  # fmt: skip
@click.option("--experiment", metavar="NAME",
              help="MLflow experiment to log to  [default with --track: tfprune]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="print the result as JSON")
@click.option("--quiet", is_flag=True, help="no progress on stderr")
def prune(
    model: str,
    sparsity: float,
    out: str,
    learning_rate: float | None,
    optimizer: str | None,
    loss: str | None,
    similarity: str | None,
    with_preprocessing: bool,
    as_json: bool,
    quiet: bool,
    strategy: str,
    levels: int,
    epochs: int,
    batch_size: int,
    scope: str,
    exclude: tuple[str, ...],
    track: bool,
    tracking_uri: str | None,
    experiment: str | None,
    **values: Any,
) -> int:
    """Make the network in the file MODEL sparse, train it on, and write it as it came.

    It is pruned in levels and trained after each by the optimizer, loss and metrics that the file
    names, on images of a data set or of your own. Nothing else is written, no run and no store,
    unless --track asks for it.
    """
    from tfprune.config import from_dict, override
    from tfprune.models.files.write import check_place
    from tfprune.runs.prune_file import prune_file

    config = from_dict(override({"model": {"name": model}}, given_settings(values)))
    if similarity is not None:
        check_place(Path(similarity))
    with contextlib.redirect_stdout(sys.stderr):  # where Keras shows its progress
        found = prune_file(
            config, out, sparsity=sparsity, optimizer=optimizer, learning_rate=learning_rate,
            loss=loss, similarity=similarity is not None,
            preprocessing=with_preprocessing, strategy=strategy, levels=levels,
            epochs=epochs, batch_size=batch_size, scope=scope, exclude=exclude, track=track,
            tracking_uri=tracking_uri, experiment=experiment,
            verbose=0 if quiet else "auto" if sys.stderr.isatty() else 2,
            tell=lambda message: click.echo(message, err=True),
        )  # fmt: skip
    if similarity is not None:
        _write_similarity(found, similarity)
    click.echo(_as_json(found) if as_json else _as_text(found))
    if found.result.run_id is not None and not as_json:
        click.echo(f"MLflow run   {found.result.run_id}")
    if similarity is not None and not as_json:
        click.echo(f"similarity   {similarity}")
    return 1 if found.result.undelivered else 0


def _write_similarity(found: PrunedFile, path: str) -> None:
    from tfprune.disk import write_whole
    from tfprune.results import similarity_csv

    write_whole(Path(path), similarity_csv(found.result.similarities).encode())


_EVALUATED = {"train": "training", "validation": "validation"}


def _as_text(found: PrunedFile) -> str:
    before, after = found.test
    last = found.result.levels[-1]
    tested = ", ".join(f"{name} {before[name]:.4g} -> {after[name]:.4g}" for name in after)
    return "\n".join(
        [
            f"Levels, evaluated on the {_EVALUATED[last.split]} images:",
            repr(found.result).partition("\n")[2],
            f"file         {found.path}  ({found.n_bytes:,} bytes)",
            f"sparsity     {last.sparsity:.2%}: {last.n_kept:,} of {last.n_weights:,} weights kept",
            f"test         {tested}",
            f"predictions  of the file as read back differ by at most "
            f"{found.max_abs_difference:.1e} from the network's",
            *lines_on(found.inputs),
        ]
    )


def _as_json(found: PrunedFile) -> str:
    before, after = found.test
    return json.dumps(
        {
            "file": str(found.path),
            "bytes": found.n_bytes,
            "levels": [
                {"level": row.level, "sparsity": row.sparsity, "n_kept": row.n_kept,
                 "n_weights": row.n_weights, "split": row.split, "metrics": dict(row.metrics)}
                for row in found.result.levels
            ],
            "test": {"before": dict(before), "after": dict(after)},
            **found.inputs.as_dict(),
            "run_id": found.result.run_id,
            "max_abs_difference": found.max_abs_difference,
            "notes": [*found.notes, *found.result.notes],
        },
        indent=2,
    )  # fmt: skip
