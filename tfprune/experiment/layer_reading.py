"""Layers of a network read on many images, as many of them at a time as memory holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from tfprune.activations import ActivationReader, HiddenLayer
    from tfprune.results.descriptions import UnitResult

MOST_IMAGES = 2000  # of the probe set: what neighbours cost grows with their square
COPIES = 3  # of a layer's activations at the same time: as read, as points, and centred


@dataclass(frozen=True)
class Found:
    """A quantity's value and its 95% interval, on how many images, and what there is to know.

    floor: what it would be by chance; None where that is not asked.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    n_images: int = 0
    warnings: str = ""
    floor: float | None = None


@dataclass(frozen=True, eq=False)
class Subject:
    """A network that is described: its reader and the images that it is shown.

    memory: bytes that describing it may keep at a time. labels: the images' classes, where they
    are known. dense_reader: the dense network's, whose units the network's were; None where there
    is none, or the network is that itself (`is_dense`). dense: layer -> what these units stand for,
    filled when it is first needed. dimensions: layer -> of how many dimensions the surface of its
    answers is taken to be, those of the network that this one is set beside; filled with its own
    where there is none, which `measured` then names. units: filled with what single units were
    found to stand for.
    """

    reader: ActivationReader
    images: np.ndarray
    memory: int
    labels: np.ndarray | None = None
    dense_reader: ActivationReader | None = None
    is_dense: bool = False
    dense: dict[str, Any] = field(default_factory=dict)
    dimensions: dict[str, int] = field(default_factory=dict)
    measured: set[str] = field(default_factory=set)
    units: list[UnitResult] = field(default_factory=list)


def activations_of(
    reader: ActivationReader, images: np.ndarray, memory: int
) -> Iterator[tuple[HiddenLayer, np.ndarray]]:
    """Yield every layer with its activations (n_images, *shape)."""
    counts = images_of_layers(reader.layers, len(images), memory)
    for group in groups_of(reader.layers, counts, memory):
        names = {layer.name for layer in group}
        wanted = {
            layer.name: counts[layer.name] if layer.name in names else 0 for layer in reader.layers
        }
        parts: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for batch in reader.batches(images, n_images=wanted):
            for name, values in batch.items():
                parts[name].append(values)
        for layer in group:
            yield layer, np.concatenate(parts.pop(layer.name))


def strongest(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each unit's answer to each image, (n_images, n_units), and which units are live.

    A unit of feature maps answers an image by its largest activation anywhere. One that gives one
    answer to all images is not live, (n_units,).
    """
    answers = x.reshape(len(x), -1, x.shape[-1]).max(axis=1)
    return answers, np.asarray(answers.max(axis=0) > answers.min(axis=0))


def images_of_layers(
    layers: Sequence[HiddenLayer], n_images: int, memory: int
) -> Mapping[str, int]:
    """Return layer -> on how many images it is described."""
    most = min(n_images, MOST_IMAGES)
    return {layer.name: max(1, min(most, memory // (COPIES * bytes_of(layer)))) for layer in layers}


def bytes_of(layer: HiddenLayer) -> int:
    return 4 * layer.width * layer.n_pixels


def groups_of(
    layers: Sequence[HiddenLayer], counts: Mapping[str, int], memory: int
) -> Iterator[list[HiddenLayer]]:
    """Yield layers, in order, of which as many as fit are read in one pass."""
    group: list[HiddenLayer] = []
    held = 0
    for layer in layers:
        size = COPIES * bytes_of(layer) * counts[layer.name]
        if group and held + size > memory:
            yield group
            group, held = [], 0
        group.append(layer)
        held += size
    yield group
