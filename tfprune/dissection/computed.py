"""Concepts that can be computed on any images: colour names, orientations of edges, places."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.dissection.concepts import Concept, ConceptSet
from tfprune.errors import InputError

#: the eleven basic colour terms (Berlin and Kay 1969) -> a red, green and blue that each names
COLOURS = {
    "black": (0, 0, 0), "blue": (0, 0, 255), "brown": (139, 69, 19), "grey": (128, 128, 128),
    "green": (0, 128, 0), "orange": (255, 140, 0), "pink": (255, 160, 190),
    "purple": (128, 0, 128), "red": (220, 0, 0), "white": (255, 255, 255),
    "yellow": (255, 235, 0),
}  # fmt: skip
GREYS = ("black", "grey", "white")
#: orientation of the line, in degrees from the horizontal, counted counter-clockwise
ORIENTATIONS = {"horizontal": 0, "rising": 45, "vertical": 90, "falling": 135}
EDGES = 0.1  # share of pixels, those of steepest gradient over all images, that are edges
PLACES = ("top", "bottom", "left", "right", "centre")

_TO_XYZ = np.array([
    [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750],
    [0.0193339, 0.1191920, 0.9503041],
])  # fmt: skip
_BLOCK = 256  # images at a time


def computed_concepts(images: NDArray[Any], *, largest: float) -> ConceptSet:
    """Return the concepts that images show by themselves: colour, edge, and place as a control.

    images: (n_images, height, width, channels), of 1 or 3 channels. largest: the value that stands
        for full intensity.

    colour: every pixel is of the colour name whose prototype is nearest in CIELAB; with one channel
    black, grey or white. edge: the tenth of all pixels with the steepest gradient (Sobel, of the
    brightness), by the line's orientation to the nearest of four. place: the image's halves and
    its middle, the same in all images, so that permuted masks show as much of it: a control, which
    no unit can detect beyond chance.

    Raises InputError for another number of channels.

    >>> red = np.full((1, 4, 4, 3), [255, 0, 0])
    >>> found = computed_concepts(red, largest=255)
    >>> everywhere = found.masks[0].all(axis=(1, 2))
    >>> [one.name for one, is_seen in zip(found.concepts, everywhere) if is_seen]
    ['red']
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise InputError(
            "concepts are computed on images (n_images, height, width, channels) of 1 or 3 "
            f"channels, got {images.shape}."
        )
    parts = [_colours(images, largest), _edges(images), _places(images)]
    concepts = tuple(concept for named, _ in parts for concept in named)
    return ConceptSet(images, concepts, np.concatenate([masks for _, masks in parts], axis=1))


_Part = tuple[list[Concept], NDArray[np.bool_]]


def _lab(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """Return CIELAB (D65) of sRGB in [0, 1], over the last axis."""
    rgb = np.clip(rgb, 0, 1)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _TO_XYZ.T / _TO_XYZ.sum(axis=1)
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _colours(images: NDArray[Any], largest: float) -> _Part:
    names = list(COLOURS) if images.shape[-1] == 3 else list(GREYS)
    prototypes = _lab(np.array([COLOURS[name] for name in names]) / 255)
    nearest = np.empty(images.shape[:3], np.int64)
    for start in range(0, len(images), _BLOCK):
        part = images[start : start + _BLOCK].astype(np.float64) / largest
        lab = _lab(np.broadcast_to(part, (*part.shape[:3], 3)))
        away = np.stack([((lab - one) ** 2).sum(axis=-1) for one in prototypes], axis=-1)
        nearest[start : start + _BLOCK] = away.argmin(axis=-1)
    masks = np.stack([nearest == place for place in range(len(names))], axis=1)
    return [Concept(name, "colour") for name in names], masks


def _edges(images: NDArray[Any]) -> _Part:
    grey = images.astype(np.float32).mean(axis=-1)
    padded = np.pad(grey, ((0, 0), (1, 1), (1, 1)), mode="edge")
    smooth = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across = smooth[:, :, 2:] - smooth[:, :, :-2]
    smooth = padded[:, :, :-2] + 2 * padded[:, :, 1:-1] + padded[:, :, 2:]
    down = smooth[:, 2:] - smooth[:, :-2]
    steepness = np.hypot(across, down)
    on = steepness > np.quantile(steepness, 1 - EDGES)
    # the line runs at right angles to the gradient; rows count downwards
    angle = np.degrees(np.arctan2(-down, across)) + 90
    nearest = np.round(angle / 45).astype(np.int64) % 4
    masks = np.stack([on & (nearest == degrees // 45) for degrees in ORIENTATIONS.values()], axis=1)
    return [Concept(name, "edge") for name in ORIENTATIONS], masks


def _places(images: NDArray[Any]) -> _Part:
    n, height, width = images.shape[:3]
    y = (np.arange(height) + 0.5)[:, None] / height + np.zeros(width)
    x = (np.arange(width) + 0.5)[None, :] / width + np.zeros(height)[:, None]
    masks = np.stack(
        [y < 0.5, y >= 0.5, x < 0.5, x >= 0.5, (abs(x - 0.5) < 0.25) & (abs(y - 0.5) < 0.25)]
    )
    repeated = np.broadcast_to(masks, (n, *masks.shape)).copy()
    return [Concept(name, "place") for name in PLACES], repeated
