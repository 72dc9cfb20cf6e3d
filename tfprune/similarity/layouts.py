"""How a layer's activations become data points: every pixel, the spatial mean, or flattened."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np

from tfprune.errors import InputError, unknown_name
from tfprune.masked_arrays import check_unmasked
from tfprune.similarity.arrays import Array, as_floats

Layout = Literal["pixels", "mean", "flatten"]


def check_layout(layout: str) -> Layout:
    """Return `layout` if it is one; raise InputError with the nearest names if not."""
    known: tuple[Layout, ...] = get_args(Layout)
    for name in known:
        if name == layout:
            return name
    raise unknown_name("layout", layout, known)


def as_rows(activations: object, layout: Layout, layer: str) -> tuple[Array, int]:
    """Return (n_rows, n_features) rows of a batch and how many rows each image has.

    Activations are (batch, channels) or (batch, ..positions.., channels). `pixels` makes every
    position a data point, image after image; `mean` averages the positions in float64;
    `flatten` makes every channel at every position a feature. A dense layer is the same in all.
    """
    check_unmasked(activations, f"layer {layer!r}")
    values = np.asarray(activations)
    if values.ndim < 2 or values.shape[-1] == 0:
        raise InputError(
            f"layer {layer!r} must give (batch, channels) or (batch, height, width, channels) "
            f"activations, got shape {values.shape}."
        )
    values = as_floats(values, f"layer {layer!r}")
    batch, channels = values.shape[0], values.shape[-1]
    if values.ndim == 2:
        return values, 1
    if layout == "flatten":
        return values.reshape(batch, -1), 1
    if layout == "mean":
        positions = tuple(range(1, values.ndim - 1))
        return values.mean(axis=positions, dtype=np.float64).astype(values.dtype), 1
    per_image = int(np.prod(values.shape[1:-1]))
    return values.reshape(batch * per_image, channels), per_image


def check_same_positions(layers: tuple[str, str], per_image: tuple[int, int]) -> None:
    """Raise InputError when two layers have different numbers of data points per image."""
    if per_image[0] == per_image[1]:
        return
    raise InputError(
        f"layout 'pixels' compares maps of the same size: {layers[0]!r} has {per_image[0]} "
        f"positions per image, {layers[1]!r} has {per_image[1]}. Use the layout 'mean' or "
        "'flatten', or compare layers of equal map size."
    )
