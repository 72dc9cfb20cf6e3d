"""What every layer of one network is like: activations in, records out."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.curving import curvatures, stepped_curvatures
from tfprune.experiment.dissecting import dissections
from tfprune.experiment.layer_reading import MOST_IMAGES, Found, Subject, activations_of
from tfprune.experiment.near_images import CURVED_IMAGES
from tfprune.results.descriptions import (
    QUANTITIES,
    DescriptionResult,
    UnitResult,
    profile_distance,
    profile_pairs,
    quantities_of,
)

if TYPE_CHECKING:
    from tfprune.activations import ActivationReader, HiddenLayer
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.results import Ledger

#: fact -> the quantity by which a level is set beside the dense network
_DISTANCES = {
    "curvature_distance": "curvature-sectional",
    "curvature_steps_distance": "curvature-steps-sectional",
}
_OnLayer = Callable[[str, str], object]


_Rows = Iterator[tuple["HiddenLayer", dict[str, Found]]]


@dataclass(frozen=True)
class Described:
    """What was found out about a network's layers, and about single units of them."""

    rows: tuple[DescriptionResult, ...] = ()
    units: tuple[UnitResult, ...] = ()


def describe_level(
    plan: Plan,
    trained: TrainedLevel,
    *,
    dense: dict[str, Any],
    dimensions: dict[str, int],
    on_layer: _OnLayer = lambda layer, kind: None,
) -> Described:
    """Return what was asked for of every hidden layer of a level; nothing where nothing was.

    `dense` keeps, from one level of a seed to the next, what its dense network's units stand for,
    `dimensions` in how many dimensions its layers' surfaces lie.
    """
    subject = Subject(
        trained.reader,
        plan.probe.images,
        memory=memory_of(plan),
        labels=plan.probe.labels,
        dense_reader=trained.dense_reader if trained.level else None,
        is_dense=trained.level == 0,
        dense=dense,
        dimensions=dimensions,
    )
    kinds = plan.config.comparison.describe
    return describe(subject, kinds, seed=trained.seed, level=trained.level, on_layer=on_layer)


def curvature_facts(ledger: Ledger, rows: Sequence[DescriptionResult]) -> dict[str, float]:
    """Return how far a level's curvature over depth lies from its dense network's; {} unless asked.

    Of the dense level itself there is none, nor where a layer has a value in only one of the two.
    """
    if not rows or rows[0].level == 0:
        return {}
    dense = [row for row in ledger.descriptions if (row.seed, row.level) == (rows[0].seed, 0)]
    found = {
        fact: profile_distance(profile_pairs(dense, rows, quantity))
        for fact, quantity in _DISTANCES.items()
    }
    return {fact: distance for fact, distance in found.items() if distance is not None}


def memory_of(plan: Plan) -> int:
    """Return the bytes that describing a network may keep at a time."""
    return int(plan.config.comparison.memory * 2**30 / 2)


def describe(
    subject: Subject,
    kinds: Sequence[str],
    *,
    seed: int = 0,
    level: int = 0,
    on_layer: _OnLayer = lambda layer, kind: None,
) -> Described:
    """Return the quantities of `kinds` for every layer of a network, input side first.

    Layers are read on the first images, MOST_IMAGES of them, or as many as leave a layer's
    activations within the subject's memory; as many layers at a time as fit. `on_layer` hears of
    every layer and kind before its turn.
    """
    places = {quantity.name: place for place, quantity in enumerate(QUANTITIES)}
    rows: list[DescriptionResult] = []
    for kind in kinds:
        for layer, quantities in _DESCRIBERS[kind](subject, on_layer):
            rows += (
                DescriptionResult(
                    seed=seed,
                    level=level,
                    layer_index=layer.index,
                    layer=layer.name,
                    quantity=quantity,
                    value=found.value,
                    low=found.low,
                    high=found.high,
                    n_images=found.n_images,
                    warnings=found.warnings,
                    floor=found.floor,
                )
                for quantity, found in quantities.items()
            )
    units = [dataclasses.replace(unit, seed=seed, level=level) for unit in subject.units]
    return Described(
        tuple(sorted(rows, key=lambda row: (row.layer_index, places[row.quantity]))), tuple(units)
    )


def _dimensions(subject: Subject, on_layer: _OnLayer) -> _Rows:
    for layer, x in activations_of(subject.reader, subject.images, subject.memory):
        on_layer(layer.name, "dimension")
        yield layer, _dimension(x)


def _dimension(x: np.ndarray) -> dict[str, Found]:
    from tfprune.geometry import Dimension, levina_bickel, two_nn

    found: dict[str, Found] = {}
    estimators: tuple[Callable[[np.ndarray], Dimension], ...] = (two_nn, levina_bickel)
    for quantity, estimate in zip(quantities_of("dimension"), estimators, strict=True):
        try:
            dimension = estimate(x)
        except InputError as error:  # too few distinct points, as of a layer that has died
            found[quantity.name] = Found(None, n_images=len(x), warnings=str(error))
            continue
        copies = len(x) - dimension.n_points
        note = f"{copies} of {len(x)} images repeat others to the bit" if copies else ""
        if not math.isfinite(dimension.value):
            found[quantity.name] = Found(
                None, n_images=len(x), warnings="all distances to neighbours are equal"
            )
            continue
        found[quantity.name] = Found(
            dimension.value, dimension.low, dimension.high, n_images=len(x), warnings=note
        )
    return found


_DESCRIBERS: dict[str, Callable[[Subject, _OnLayer], _Rows]] = {
    "dimension": _dimensions,
    "curvature": curvatures,
    "curvature-steps": stepped_curvatures,
    "dissection": dissections,
}


def seconds_to_describe(plan: Plan, reader: ActivationReader) -> float:
    """Return about how long describing all levels of an experiment takes, by a part of it.

    The time of neighbours grows with the square of the number of images, that of curvature with
    the number of images at which it is taken; dissection is timed whole.
    """
    n_images = min(len(plan.probe), MOST_IMAGES)
    few_curved = {"curvature": (2, 1), "curvature-steps": (2, 1)}
    parts = {"dimension": (n_images // 4, 2), **few_curved}  # images, and a power
    whole = dict.fromkeys(few_curved, min(len(plan.probe), CURVED_IMAGES)) | {"dimension": n_images}
    seconds = 0.0
    for kind in plan.config.comparison.describe:
        n, power = parts.get(kind, (len(plan.probe), 1))
        few = plan.probe.images[: max(n, 1)]
        if kind in parts:  # traced, and imported
            describe(Subject(reader, few[:1], memory=memory_of(plan)), (kind,))
        subject = Subject(reader, few, memory=memory_of(plan), labels=plan.probe.labels[: len(few)])
        started = time.perf_counter()
        describe(subject, (kind,))
        share = whole.get(kind, len(few)) / len(few)
        seconds += (time.perf_counter() - started) * share**power
    return seconds * plan.config.replicates * (plan.config.pruning.levels + 1)
