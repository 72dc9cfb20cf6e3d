"""Layers measured at single images, by their answers to images near each: what both kinds share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.layer_reading import Found, Subject, activations_of, bytes_of, groups_of
from tfprune.results.descriptions import quantities_of

CURVED_IMAGES = 20  # at which a curvature is taken; each has about a thousand neighbours
_DRAWS = 1000  # bootstrap draws of a mean over images


@dataclass
class AtImages:
    """What was measured of one layer: values, and what they would be by chance, of every image.

    refused: why an image has none.
    """

    values: list[tuple[float, ...]] = field(default_factory=list)
    floors: list[tuple[float, ...]] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def layer_dimensions(
    subject: Subject, kind: str, on_layer: Callable[[str, str], object]
) -> tuple[dict[str, int | str], set[str]]:
    """Return each layer's dimension, or why it has none; and whose are another network's.

    The dimension is the layer's by TwoNN, on all images, to the next integer: that of the dense
    network, or of what else a network is set beside (`Subject.dimensions`), where the layer has one
    there.
    """
    given = {
        name: d for name, d in _known_dimensions(subject).items() if name not in subject.measured
    }
    known: dict[str, int | str] = dict(subject.dimensions)
    if any(layer.name not in known for layer in subject.reader.layers):
        for layer, x in activations_of(subject.reader, subject.images, subject.memory):
            on_layer(layer.name, kind)
            if layer.name not in known:
                known[layer.name] = _whole_dimension(x)
    if subject.dense_reader is None:
        own = {name: d for name, d in known.items() if isinstance(d, int) and name not in given}
        subject.dimensions.update(own)
        subject.measured.update(own)
    return known, set(given)


def measured_near(
    subject: Subject,
    kind: str,
    on_layer: Callable[[str, str], object],
    *,
    shown: Sequence[np.ndarray],
    near: Callable[[np.ndarray], np.ndarray],
    most: int,
    usable: Mapping[str, int | str],
    measure: Callable[[int, np.ndarray, int], tuple[tuple[float, ...], tuple[float, ...]]],
) -> dict[str, AtImages]:
    """Return what is measured of every layer at every shown image.

    near: an image -> those near it, up to `most` with its own. usable: layer -> in which dimension,
    or why in none. measure: the image's place among those shown, answers (its own first),
    dimension -> values and floors.
    """
    reader, memory = subject.reader, subject.memory
    fits = [
        layer
        for layer in reader.layers
        if isinstance(usable[layer.name], int) and most * bytes_of(layer) <= memory
    ]
    counts = {layer.name: most for layer in reader.layers}
    found = {layer.name: AtImages() for layer in reader.layers}
    for group in groups_of(fits, counts, memory) if fits else ():
        wanted = {layer.name: most if layer in group else 0 for layer in reader.layers}
        for place, image in enumerate(shown):
            one = np.concatenate([image.astype(np.float32)[None], near(image)])
            parts: dict[str, list[np.ndarray]] = {layer.name: [] for layer in group}
            for batch in reader.batches(one, n_images=wanted):
                for name, rows in batch.items():
                    parts[name].append(rows)
            for layer in group:
                on_layer(layer.name, kind)
                answers = np.concatenate(parts.pop(layer.name))
                here = found[layer.name]
                try:
                    values, floors = measure(place, answers, int(usable[layer.name]))
                except InputError as error:
                    here.refused.append(str(error))
                    continue
                here.values.append(values)
                here.floors.append(floors)
    for layer in reader.layers:
        if most * bytes_of(layer) > memory:
            found[layer.name].refused.append(
                f"its answers to {most:,} neighbours of an image do not fit into --memory"
            )
        elif layer not in fits:
            found[layer.name].refused.append(str(usable[layer.name]))
    return found


def over_images(kind: str, at: AtImages, in_dimensions: str) -> dict[str, Found]:
    """Return means over images with bootstrap intervals, and why some or all are missing."""
    n = len(at.values)
    notes = [in_dimensions] if n else []
    if at.refused:
        left = f"{len(at.refused)} of {n + len(at.refused)} images left out: " if n else ""
        notes.append(left + max(set(at.refused), key=at.refused.count))
    said = "; ".join(notes) or "no image has neighbours of its own"
    found: dict[str, Found] = {}
    drawn = np.random.default_rng(0).integers(0, max(n, 1), (_DRAWS, n))
    for place, quantity in enumerate(quantities_of(kind)):
        column = np.array([one[place] for one in at.values])
        if not n or not np.isfinite(column).all():
            curve = "a curve has none" if n else said
            found[quantity.name] = Found(None, n_images=n, warnings=curve)
            continue
        low, high = (
            np.quantile(column[drawn].mean(axis=1), (0.025, 0.975)) if n > 1 else (None, None)
        )
        floors = [one[place] for one in at.floors if one]
        found[quantity.name] = Found(
            float(column.mean()),
            None if low is None else float(low),
            None if high is None else float(high),
            n_images=n,
            warnings=said,
            floor=float(np.mean(floors)) if floors else None,
        )
    return found


def _known_dimensions(subject: Subject) -> dict[str, int]:
    """Return the dimensions that are known, those of the dense network read where there is one."""
    if subject.dense_reader is not None and not subject.dimensions:
        for layer, x in activations_of(subject.dense_reader, subject.images, subject.memory):
            found = _whole_dimension(x)
            if isinstance(found, int):
                subject.dimensions[layer.name] = found
    return dict(subject.dimensions)


def _whole_dimension(x: np.ndarray) -> int | str:
    """Return the intrinsic dimension by TwoNN as an integer; in words why there is none."""
    from tfprune.geometry import two_nn

    try:
        value = two_nn(x, draws=0).value
    except InputError as error:
        return str(error)
    return max(1, round(value)) if math.isfinite(value) else "all distances are equal"
