"""How much the two curvatures depend on how far an image's neighbours lie, in a network of ReLUs.

    python -m benchmarks.inside.scales [--draws 10] [--write]

A random network, 3,072 pixels - 512 - 512, at images of textured shapes, in eight dimensions.
Prints the root mean square curvature, mean over images (`--draws`), in shares of that of the
default, and what the largest single image has in shares of the median.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.inside.pages import table_command
from tfprune.dissection import textured_shapes
from tfprune.errors import InputError
from tfprune.geometry import (
    curvature,
    image_neighbours,
    left_out,
    step_sizes,
    stepped_curvature,
    stepped_neighbours,
)
from tfprune.geometry.steps import PAIRS, STEP, contrast, directions

DIMENSION = 8
PARTS = (9, 10, 11)
STEPS = (0.025, 0.05, 0.1, 0.2, 0.4)


def answers(shown: np.ndarray) -> np.ndarray:
    """Return a random network's second layer, (n, 512)."""
    rng = np.random.default_rng(0)
    first = rng.normal(size=(3072, 512)).astype(np.float32) / 55
    second = rng.normal(size=(512, 512)).astype(np.float32) / 16
    return np.maximum(np.maximum(shown.reshape(len(shown), -1) @ first, 0) @ second, 0)


def by_parts(image: np.ndarray, n_values: int) -> float:
    """Return the root mean square curvature by leaving so many parts out."""
    near = image_neighbours(image, n_values=n_values)
    found = answers(np.concatenate([image[None], near]))
    parts = left_out(len(near))
    return curvature(found[1:], found[0], dimension=DIMENSION, parts=parts).root_mean_square


def by_steps(image: np.ndarray, length: float) -> float:
    """Return the root mean square curvature by equal steps."""
    found = answers(np.concatenate([image[None], stepped_neighbours(image, length)]))
    moved = step_sizes(len(directions(image)), PAIRS)
    return stepped_curvature(found, moved, dimension=DIMENSION).found.root_mean_square


def known(measure: Callable[[], float]) -> float:
    """Return what is measured, nan where it is refused."""
    try:
        return measure()
    except InputError:
        return float("nan")


def rows(draws: int) -> Iterator[str]:
    """Yield the table's lines."""
    images = textured_shapes(draws, (32, 32, 3), largest=1.0).images
    unit = contrast(images)
    yield "| neighbours | mean, of the default's | largest image, of the median | images |"
    yield "|---|---:|---:|---:|"
    kinds = (
        ("parts left out: {:d}", PARTS, 10, by_parts),
        ("equal steps of {:g} of the contrast", STEPS, STEP, lambda x, a: by_steps(x, a * unit)),
    )
    for text, settings, default, measure in kinds:
        found = {
            one: np.array([known(lambda: measure(image, one)) for image in images])  # noqa: B023
            for one in settings
        }
        base = np.nanmean(found[default])
        for one, values in found.items():
            of_median = np.nanmax(values) / np.nanmedian(values)
            shown = np.count_nonzero(np.isfinite(values))
            yield (f"| {text.format(one)} | {np.nanmean(values) / base:.2f} | {of_median:.1f} | "
                   f"{shown} |")  # fmt: skip


if __name__ == "__main__":
    table_command("python -m benchmarks.inside.scales", rows, draws=10)
