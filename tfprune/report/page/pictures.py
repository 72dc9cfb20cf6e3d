"""Filters and examples as small PNG pictures inside the page."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from tfprune.report.data import FirstLayerFilters, FlippedExample, ReportData
from tfprune.report.labels import level_name, sparsity_by_level

MOST_FILTERS = 64
MOST_EXAMPLES = 24
_LONGEST_SIDE = 96  # pixels; larger images are thinned, the page must stay small
_GAP = (124, 168, 212)  # between filters: a colour that no weight has, on white and black paper


@dataclass(frozen=True)
class FilterPicture:
    """The filters of one level, dense and pruned, as data URIs of the same layout."""

    level: int
    name: str
    dense: str
    pruned: str


@dataclass(frozen=True)
class ExamplePicture:
    """One example whose prediction flipped."""

    picture: str
    label: str
    dense: str
    pruned: str
    level: int


def data_uri(pixels: np.ndarray) -> str:
    """Return uint8 pixels, (height, width) or (height, width, 3), as the data URI of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def filter_grid(kernels: np.ndarray, scale: np.ndarray, *, columns: int = 8) -> np.ndarray:
    """Return filters side by side, uint8 (height, width, 3), with a gap of one pixel.

    `kernels` is (height, width, channels, n). 0 is middle gray; each filter's `scale`, (n,),
    reaches white or black. One or three channels are shown as they are, other counts by their
    mean.
    """
    height, width, channels, n = kernels.shape
    if channels not in (1, 3):
        kernels = kernels.mean(axis=2, keepdims=True)
    safe = np.where(scale > 0, scale, 1.0)
    shown = np.clip(127.5 + 127.5 * kernels / safe, 0, 255).round().astype(np.uint8)
    columns = min(columns, n)
    rows = -(-n // columns)
    grid = np.empty((rows * (height + 1) - 1, columns * (width + 1) - 1, 3), np.uint8)
    grid[:] = _GAP
    for index in range(n):
        top, left = (index // columns) * (height + 1), (index % columns) * (width + 1)
        grid[top : top + height, left : left + width] = shown[..., index]
    return grid


def filter_pictures(data: ReportData) -> list[FilterPicture]:
    """Return one picture pair per level of the first replicate that has any."""
    if not data.filters:
        return []
    seed = min(item.seed for item in data.filters)
    sparsity = sparsity_by_level(data.levels)
    chosen = sorted((f for f in data.filters if f.seed == seed), key=lambda f: f.level)
    return [_filter_picture(item, sparsity) for item in chosen]


def _filter_picture(item: FirstLayerFilters, sparsity: dict[int, float]) -> FilterPicture:
    dense, pruned = (np.asarray(k, float)[..., :MOST_FILTERS] for k in (item.dense, item.pruned))
    both = np.abs(np.stack([dense, pruned]))
    scale = np.nan_to_num(both).max(axis=(0, 1, 2, 3))
    name = level_name(item.level, sparsity)
    first, second = (data_uri(filter_grid(np.nan_to_num(k), scale)) for k in (dense, pruned))
    return FilterPicture(item.level, name, first, second)


def example_pictures(data: ReportData) -> list[ExamplePicture]:
    """Return flipped examples, levels in order and each with as many as the others where it can."""
    by_level: dict[int, list[FlippedExample]] = {}
    for item in sorted(data.flipped, key=lambda item: item.seed):
        by_level.setdefault(item.level, []).append(item)
    turns = zip_longest(*(by_level[level] for level in sorted(by_level)))
    in_turn = [item for turn in turns for item in turn if item is not None]
    chosen = sorted(in_turn[:MOST_EXAMPLES], key=lambda item: item.level)
    return [
        ExamplePicture(
            data_uri(_small(item)), item.label, item.dense_prediction, item.pruned_prediction,
            item.level,
        )
        for item in chosen
    ]  # fmt: skip


def _small(item: FlippedExample) -> np.ndarray:
    image = np.asarray(item.image, dtype=np.uint8)
    if image.ndim == 3 and image.shape[-1] == 1:
        image = image[..., 0]
    step = -(-max(image.shape[:2]) // _LONGEST_SIDE)
    return np.ascontiguousarray(image[::step, ::step])
