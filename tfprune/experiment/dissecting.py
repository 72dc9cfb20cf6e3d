"""What the units of every layer of a network stand for, and what became of them by pruning."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.layer_reading import (
    COPIES,
    Found,
    Subject,
    activations_of,
    bytes_of,
    groups_of,
    strongest,
)
from tfprune.results.descriptions import UnitResult

if TYPE_CHECKING:
    from tfprune.activations import ActivationReader, HiddenLayer
    from tfprune.dissection import ConceptSet, Dissection

DISSECTED_IMAGES = 500  # of textured shapes
MOST_PIXELS = 64  # in height and width of the masks with which maps are compared
_PER_PIXEL = 64  # bytes of a synthetic image with its masks, while it is made
_BATCH = 25 * 32**2  # pixels of masks that are permuted, and of resized maps, at a time

_OnLayer = Callable[[str, str], object]


def dissections(
    subject: Subject, on_layer: _OnLayer
) -> Iterator[tuple[HiddenLayer, dict[str, Found]]]:
    """Yield the counts of detectors of every layer of maps, and how units tell classes, of all.

    The maps are read on synthetic images of textured shapes in the size of the subject's images,
    the answers to classes on the subject's own.
    """
    counts: dict[str, dict[str, Found]] = {layer.name: {} for layer in subject.reader.layers}
    concepts = shapes_like(subject.images, subject.memory)
    if concepts is not None:
        dense = _of_dense(subject, concepts)
        for layer, found, dead, n in dissected(subject.reader, concepts, subject.memory, on_layer):
            if subject.is_dense:
                dense[layer.name] = found
            before = dense.get(layer.name)
            counts[layer.name] = _counted(subject, layer, found, dead, before, n)
    if subject.labels is not None:
        for layer, x in activations_of(subject.reader, subject.images, subject.memory):
            on_layer(layer.name, "dissection")
            counts[layer.name] |= _classes(x, subject.labels[: len(x)])
    for layer in subject.reader.layers:
        yield layer, counts[layer.name]


def shapes_like(images: np.ndarray, memory: int) -> ConceptSet | None:
    """Return synthetic images in the size and range of others; None unless of 1 or 3 channels.

    As many as fit in `memory` bytes with their masks, at most DISSECTED_IMAGES.
    """
    from tfprune.dissection import textured_shapes

    if images.shape[-1] not in (1, 3):
        return None
    height, width, channels = images.shape[1:]
    shape = (height, width, channels)
    n = max(1, min(DISSECTED_IMAGES, memory // (_PER_PIXEL * height * width)))
    return textured_shapes(n, shape, largest=full_intensity(images))


def full_intensity(images: np.ndarray) -> float:
    """Return the value that stands for full intensity: 255 for bytes, else the largest there is."""
    return 255.0 if images.dtype == np.uint8 else float(images.max()) or 1.0


def dissected(
    reader: ActivationReader,
    concepts: ConceptSet,
    memory: int,
    on_layer: _OnLayer = lambda layer, kind: None,
) -> Iterator[tuple[HiddenLayer, Dissection, np.ndarray, int]]:
    """Yield every layer of maps, what its units stand for, which of them give one answer to all
    images, and how many images these were.

    Layers whose maps fit into `memory` bytes are read once and kept, as many at a time as fit; the
    maps of one that doesn't are read twice, batch by batch.
    """
    from tfprune.dissection.concepts import reduced
    from tfprune.dissection.units import dissect_layers

    maps = [layer for layer in reader.layers if len(layer.shape) == 3]
    if not maps:
        return
    n = len(concepts.images)
    concepts = reduced(concepts, n, MOST_PIXELS)
    step = max(1, _BATCH // (concepts.masks.shape[2] * concepts.masks.shape[3]))
    for group in groups_of(maps, {layer.name: n for layer in maps}, memory):
        for layer in group:
            on_layer(layer.name, "dissection")
        read = partial(_read, reader, concepts.images, group, step)
        if COPIES * n * sum(bytes_of(layer) for layer in group) <= memory:
            held = list(read())
            found = dissect_layers(partial(iter, held), concepts, memory=memory)
            held.clear()
        else:
            found = dissect_layers(read, concepts, memory=memory)
        for layer in group:
            yield layer, found[layer.name], found[layer.name].constant, n


def _read(
    reader: ActivationReader, images: np.ndarray, layers: Sequence[HiddenLayer], step: int
) -> Iterator[Mapping[str, np.ndarray]]:
    """Yield the layers' maps of `step` images at a time."""
    names = {layer.name for layer in layers}
    wanted = {one.name: len(images) if one.name in names else 0 for one in reader.layers}
    for batch in reader.batches(images, n_images=wanted):
        for start in range(0, len(next(iter(batch.values()))), step):
            yield {name: rows[start : start + step] for name, rows in batch.items()}


def _of_dense(subject: Subject, concepts: ConceptSet) -> dict[str, Dissection]:
    """Return what the dense network's units stand for, by layer; {} where there is none."""
    if subject.dense_reader is not None and not subject.dense:
        for layer, found, *_ in dissected(subject.dense_reader, concepts, subject.memory):
            subject.dense[layer.name] = found
    return subject.dense


def unit_rows(
    layer: HiddenLayer,
    found: Dissection,
    dead: np.ndarray,
    fate: np.ndarray | None,
    *,
    threshold: float,
) -> list[UnitResult]:
    """Return a row for every unit of a layer, of seed 0 and level 0."""
    detectors = found.detectors(threshold) & ~dead
    return [
        UnitResult(
            seed=0,
            level=0,
            layer_index=layer.index,
            layer=layer.name,
            unit=unit,
            concept=found.concepts[place].name if found.iou[unit, place] else "",
            category=found.concepts[place].category if found.iou[unit, place] else "",
            iou=float(found.iou[unit, place]),
            floor=float(found.floor[unit, place]),
            floor_best=float(found.floor_best[unit]),
            detector=bool(detectors[unit]),
            fate="" if fate is None else str(fate[unit]),
            dead=bool(dead[unit]),
            active=float(found.above[unit]),
        )
        for unit, place in enumerate(found.best)
    ]


def _counted(
    subject: Subject,
    layer: HiddenLayer,
    found: Dissection,
    dead: np.ndarray,
    dense: Dissection | None,
    n_images: int,
) -> dict[str, Found]:
    """Return a layer's counts; its units are added to the subject's."""
    from tfprune.dissection import fates
    from tfprune.dissection.units import DETECTOR

    fate = None if dense is None else fates(dense, found, dead=dead)
    rows = unit_rows(layer, found, dead, fate, threshold=DETECTOR)
    subject.units.extend(rows)
    note = f"of {len(dead)} units, {int(dead.sum())} of which respond identically to all images"
    if not found.is_exact:
        least, most = 100 * found.above.min(), 100 * found.above.max()
        note += f"; active at {least:.2f} to {most:.2f}% of positions: thresholds were counted"
    detectors = [row for row in rows if row.detector]
    numbers = {
        "detectors": len(detectors),
        "detectors-unique": len({(row.category, row.concept) for row in detectors}),
        "detectors-above-floor": sum(row.iou > row.floor_best for row in detectors),
    }
    if fate is not None:
        numbers["detectors-kept"] = int((fate == "kept").sum())
        numbers["detectors-died"] = int((fate == "died").sum())
    return {
        name: Found(float(value), n_images=n_images, warnings=note)
        for name, value in numbers.items()
    }


def _classes(x: np.ndarray, labels: np.ndarray) -> dict[str, Found]:
    """Return how well the units of a layer tell classes, by their largest activation anywhere."""
    from tfprune.dissection import tell_labels

    answers, live = strongest(x)
    if not live.any():
        note = "every unit responds identically to all images"
        empty = Found(None, n_images=len(x), warnings=note)
        return {"class-auc": empty, "class-selectivity": empty}
    note = f"mean over {int(live.sum())} of {len(live)} units"
    told = tell_labels(answers[:, live], labels[:, None] == np.arange(labels.max() + 1))
    auc, floor = float(np.mean(told.best_auc)), float(np.mean(told.floor))
    if not np.isfinite(auc):
        one = Found(None, n_images=len(x), warnings="all images are of one class")
        return {"class-auc": one, "class-selectivity": one}
    found = {"class-auc": Found(auc, n_images=len(x), warnings=note, floor=floor)}
    if answers.min() < 0:
        why = "it compares means, and some activations are negative"
        return found | {"class-selectivity": Found(None, n_images=len(x), warnings=why)}
    chosen, floor = float(np.mean(told.selectivity)), float(np.mean(told.selectivity_floor))
    return found | {"class-selectivity": Found(chosen, n_images=len(x), warnings=note, floor=floor)}
