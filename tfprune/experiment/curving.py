"""The curvature of every layer of a network at some images, by these images' own neighbours."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.layer_reading import Found, Subject, activations_of, bytes_of, groups_of
from tfprune.results.descriptions import quantities_of

if TYPE_CHECKING:
    from tfprune.activations import HiddenLayer

CURVED_IMAGES = 20  # at which the curvature is taken; each has up to 1,023 neighbours
_DRAWS = 1000  # bootstrap draws of a mean over images


def curvatures(
    subject: Subject, on_layer: Callable[[str, str], object]
) -> Iterator[tuple[HiddenLayer, dict[str, Found]]]:
    """Yield the curvature of every layer at some images, by their own neighbours.

    The dimension of the surface is the layer's by TwoNN, on all images, to the next integer: that
    of the dense network, or of what else a network is set beside (`Subject.dimensions`), where the
    layer has one there. Curvatures in different dimensions are different quantities. A layer of
    more dimensions than an image's parts tell apart has none.
    """
    from tfprune.geometry.images import image_neighbours

    reader, images, memory = subject.reader, subject.images, subject.memory
    given = _given_dimensions(subject)
    dimensions: dict[str, int | str] = dict(given)
    if any(layer.name not in given for layer in reader.layers):
        for layer, x in activations_of(reader, images, memory):
            on_layer(layer.name, "curvature")
            if layer.name not in given:
                dimensions[layer.name] = _whole_dimension(x)
    if subject.dense_reader is None:
        own = {name: d for name, d in dimensions.items() if isinstance(d, int)}
        subject.dimensions.update(own)
    n_values = values_within(images.shape[1:], memory)
    shown: list[np.ndarray] = []
    most = 1
    for image in images[:CURVED_IMAGES]:
        try:
            most = max(most, 1 + len(image_neighbours(image, n_values=n_values)))
        except InputError:  # of one colour
            continue
        shown.append(image)
    n_parts = most.bit_length() - 1
    curved_in = {name: _within_parts(d, n_parts) for name, d in dimensions.items()}
    fits = [
        layer
        for layer in reader.layers
        if isinstance(curved_in[layer.name], int) and most * bytes_of(layer) <= memory
    ]
    counts = {layer.name: most for layer in reader.layers}
    values: dict[str, list[tuple[float, ...]]] = {layer.name: [] for layer in reader.layers}
    refused: dict[str, list[str]] = {layer.name: [] for layer in reader.layers}
    for group in groups_of(fits, counts, memory) if fits else ():
        wanted = {layer.name: most if layer in group else 0 for layer in reader.layers}
        for image in shown:
            near = image_neighbours(image, n_values=n_values)
            one = np.concatenate([image.astype(np.float32)[None], near])
            parts: dict[str, list[np.ndarray]] = {layer.name: [] for layer in group}
            for batch in reader.batches(one, n_images=wanted):
                for name, rows in batch.items():
                    parts[name].append(rows)
            for layer in group:
                on_layer(layer.name, "curvature")
                answers = np.concatenate(parts.pop(layer.name))
                try:
                    values[layer.name].append(_curved(answers, int(curved_in[layer.name])))
                except InputError as error:
                    refused[layer.name].append(str(error))
    for layer in reader.layers:
        if most * bytes_of(layer) > memory:
            refused[layer.name].append(
                f"its answers to {most:,} neighbours of an image do not fit into --memory"
            )
        elif layer not in fits:
            refused[layer.name].append(str(curved_in[layer.name]))
        d = dimensions[layer.name]
        note = f"in {d} dimensions" + (
            ", those of the other network" if layer.name in given else ""
        )
        yield layer, _over_images(values[layer.name], refused[layer.name], note)


def _given_dimensions(subject: Subject) -> dict[str, int]:
    """Return layer -> the dimension that it has in the network that this one is set beside."""
    if subject.dense_reader is not None and not subject.dimensions:
        for layer, x in activations_of(subject.dense_reader, subject.images, subject.memory):
            found = _whole_dimension(x)
            if isinstance(found, int):
                subject.dimensions[layer.name] = found
    return dict(subject.dimensions)


def values_within(shape: tuple[int, ...], memory: int) -> int:
    """Return how many singular values of an image may be left out so that its neighbours fit.

    At least 1, at most as many as the paper leaves out; m of them make 2^m - 1 neighbours, which
    are there in float64 and in float32 while they are made.
    """
    from tfprune.geometry.images import SINGULAR_VALUES

    room = memory // (12 * math.prod(shape))
    return max(1, min(SINGULAR_VALUES, room.bit_length() - 1))


def _whole_dimension(x: np.ndarray) -> int | str:
    """Return the intrinsic dimension by TwoNN as an integer; in words why there is none."""
    from tfprune.geometry import two_nn

    try:
        value = two_nn(x, draws=0).value
    except InputError as error:
        return str(error)
    return max(1, round(value)) if math.isfinite(value) else "all distances are equal"


def _within_parts(dimension: int | str, n_parts: int) -> int | str:
    """Return the dimension if neighbours of so many parts span its tangents; else why they don't.

    The parts of an image are left out or not: of their answers' second derivatives, squares and
    products in at most one dimension fewer are determined.
    """
    if isinstance(dimension, str) or dimension < n_parts:
        return dimension
    return (
        f"it has {dimension} dimensions by TwoNN, and an image's {n_parts} parts tell up to "
        f"{n_parts - 1} apart"
    )


def _curved(answers: np.ndarray, dimension: int) -> tuple[float, ...]:
    """Return the quantities of one image, whose own answers come first."""
    from tfprune.geometry import curvature, left_out

    parts = left_out(len(answers) - 1)
    found = curvature(answers[1:], answers[0], dimension=dimension, parts=parts)
    return found.mean_absolute, found.root_mean_square, found.mean_sectional, found.scalar


def _over_images(
    values: Sequence[tuple[float, ...]], refused: Sequence[str], in_dimensions: str
) -> dict[str, Found]:
    """Return means over images with bootstrap intervals, and why some or all are missing."""
    n = len(values)
    notes = [in_dimensions] if n else []
    if refused:
        left = f"{len(refused)} of {n + len(refused)} images left out: " if n else ""
        notes.append(left + max(set(refused), key=refused.count))
    said = "; ".join(notes) or "no image has neighbours of its own"
    found: dict[str, Found] = {}
    drawn = np.random.default_rng(0).integers(0, max(n, 1), (_DRAWS, n))
    for place, quantity in enumerate(quantities_of("curvature")):
        column = np.array([one[place] for one in values])
        if not n or not np.isfinite(column).all():
            curve = "a curve has none" if n else said
            found[quantity.name] = Found(None, n_images=n, warnings=curve)
            continue
        low, high = (
            np.quantile(column[drawn].mean(axis=1), (0.025, 0.975)) if n > 1 else (None, None)
        )
        found[quantity.name] = Found(
            float(column.mean()),
            None if low is None else float(low),
            None if high is None else float(high),
            n_images=n,
            warnings=said,
        )
    return found
