"""The networks of a finished run compared once more, in a layout that the run did not use.

Nothing is trained: the networks are read from the store.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.results import DENSE, SEED_FLOOR, SimilarityResult

if TYPE_CHECKING:
    from tfprune.activations import HiddenLayer
    from tfprune.config import RunConfig
    from tfprune.runs.finished import FinishedRun
    from tfprune.similarity import Score


def compare_again(
    run: FinishedRun, config: RunConfig, layout: str
) -> tuple[tuple[SimilarityResult, ...], dict[tuple[str, str], str]]:
    """Return a run's networks compared in a layout, and (layer, measure) -> why there is nothing.

    The last level of each seed beside its dense network, and every dense network beside those of
    all earlier seeds, on the run's own probe images, by its own measures; no intervals over images
    and no nulls. A measure that means nothing for two of the networks is left out for all of them.
    `config` is what the run was trained with. Raises InputError where its networks are not in the
    store.
    """
    from tfprune.activations import ActivationReader
    from tfprune.experiment.comparing import similarity_record
    from tfprune.experiment.plan import make_plan, normalization_of

    plan = make_plan(config)
    rows: list[SimilarityResult] = []
    refused: dict[tuple[str, str], str] = {}
    for layer in plan.hidden:
        n = plan.n_probe[layer.name]
        for measure in config.comparison.measures:
            if why := _too_few(measure, layer, n, layout):
                refused[layer.name, measure] = why

    def read(level: int, seed: int) -> dict[str, np.ndarray]:
        reader = ActivationReader(
            run.model(level, seed=seed), normalization=normalization_of(plan, seed)
        )
        batches = list(reader.batches(plan.probe.images, n_images=plan.n_probe))
        layers = [layer.name for layer in plan.hidden]
        return {
            name: _laid_out(np.concatenate([b[name] for b in batches if name in b]), layout, name)
            for name in layers
        }

    def compare(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], **of: Any) -> None:
        for layer in plan.hidden:
            left = [one for one in config.comparison.measures if (layer.name, one) not in refused]
            scores, why = _scores(layer.name, a[layer.name], b[layer.name], left)
            refused.update({(layer.name, measure): text for measure, text in why.items()})
            rows.extend(
                replace(similarity_record(layer, measure, score, **of), layout=layout)
                for measure, score in scores.items()
            )

    dense: dict[int, dict[str, np.ndarray]] = {}
    for seed in config.seeds:
        own = read(0, seed)
        compare(own, read(config.pruning.levels, seed), seed=seed, level=config.pruning.levels,
                against=DENSE)  # fmt: skip
        for other, values in dense.items():
            compare(values, own, seed=seed, level=0, against=SEED_FLOOR, against_seed=other)
        dense[seed] = own
    return tuple(row for row in rows if (row.layer, row.measure) not in refused), refused


def _too_few(measure: str, layer: HiddenLayer, n_images: int, layout: str) -> str:
    """Return why a measure means nothing on so many images; empty where it may."""
    from tfprune.similarity import check_probe_size

    try:
        check_probe_size(
            [measure], {layer.name: layer.width}, n_images, layout=layout,
            map_sizes={layer.name: layer.n_pixels},
        )  # fmt: skip
    except InputError as error:
        return str(error)
    return ""


def _laid_out(activations: np.ndarray, layout: str, name: str) -> np.ndarray:
    """Return activations as (data points, features) of the layout.

    Of more features than points, coordinates in which the points lie alike. What is compared on
    those takes no notice of which axes there are: `_too_few` refuses whatever does.
    """
    from tfprune.similarity.arrays import as_rows, check_layout
    from tfprune.similarity.factorizations import gram_coordinates

    rows, _ = as_rows(activations, check_layout(layout), name)
    return gram_coordinates(rows) if rows.shape[1] > rows.shape[0] else rows


def _scores(
    layer: str, a: np.ndarray, b: np.ndarray, measures: Sequence[str]
) -> tuple[dict[str, Score], dict[str, str]]:
    """Return measure -> score, and of measures that mean nothing on these data, why."""
    from tfprune.similarity import Comparison

    engine = Comparison([(layer, layer)], measures=measures, blocks=0, null=False, n_images=len(a))
    engine.update({layer: a}, {layer: b})
    try:
        return {measure: score for (_, _, measure), score in engine.scores().items()}, {}
    except InputError as error:
        if len(measures) == 1:
            return {}, {measures[0]: str(error)}
    scores: dict[str, Score] = {}
    refused: dict[str, str] = {}
    for measure in measures:  # which it was
        own, why = _scores(layer, a, b, [measure])
        scores |= own
        refused |= why
    return scores, refused
