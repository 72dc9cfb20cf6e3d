"""`tfprune models | datasets | measures | strategies | presets`: what there is to choose from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from tfprune.similarity.measure import Measure


def _print_rows(rows: Iterable[tuple[str, str]]) -> None:
    rows = list(rows)
    width = max(len(name) for name, _ in rows)
    for name, text in rows:
        click.echo(f"{name:<{width}}  {text}")


@click.command()
def models() -> None:
    """List the built-in models; --model also takes files, applications and factories."""
    from tfprune.models import MODELS

    _print_rows((entry.name, entry.summary) for entry in MODELS)
    click.echo()
    _print_rows(
        [
            ("FILE", "a saved Keras model: .keras, .h5 or a SavedModel folder"),
            ("applications/NAME", "a network of keras.applications, such as applications/ResNet50"),
            ("MODULE:FACTORY", "a function (input_shape, n_classes) that returns a Keras model"),
        ]
    )


@click.command()
def datasets() -> None:
    """List data sets; --dataset takes any image-classification data set of TFDS."""
    from tfprune.data.names import DATASETS

    _print_rows((entry.name, entry.summary) for entry in DATASETS)


@click.command()
def strategies() -> None:
    """List the pruning strategies that --strategy takes."""
    from tfprune.pruning.strategies import STRATEGIES

    _print_rows((entry.name, entry.summary) for entry in STRATEGIES)


@click.command()
def presets() -> None:
    """List the presets; --preset also takes a YAML file of your own."""
    from tfprune.config import preset_names

    _print_rows(preset_names().items())


def _also_called(measure: Measure) -> str:
    from tfprune.similarity.measure import MEASURES

    aliases = MEASURES.aliases(measure.name)
    typed = f"accepted as {', '.join(aliases)}" if aliases else ""
    called = f"also called {measure.also_called}" if measure.also_called else ""
    return ", ".join(part for part in (called, typed) if part)


@click.command()
def measures() -> None:
    """List the similarity measures with range, invariances, needs and paper."""
    from tfprune.similarity.measure import MEASURES, find_measure

    for entry in MEASURES:
        measure = find_measure(entry.name)
        low, high = (f"{bound:g}" for bound in measure.value_range)
        facts = [
            f"range {low} to {high}",
            "symmetric" if measure.is_symmetric else "not symmetric",
            "larger is more similar" if measure.larger_is_more_similar else "smaller is closer",
        ]
        click.secho(entry.name, bold=True)
        for label, text in (
            ("", measure.summary),
            *([("", also)] if (also := _also_called(measure)) else []),
            ("", ", ".join(facts)),
            ("unchanged by ", ", ".join(sorted(measure.invariances))),
            ("needs ", "any number of data points" if measure.samples == "any"
             else measure.samples),
            ("", measure.paper),
        ):  # fmt: skip
            click.echo(f"    {label}{text}")
