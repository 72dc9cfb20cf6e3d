"""Bias of the estimated curvature on surfaces of known curvature, as the page shows it.

    python -m benchmarks.inside.curvature [--draws 5] [--write]

Two kinds of neighbours: spread over a ball, and the corners that leaving parts of an image out
gives (here of ten directions that the surface depends on). Prints a table of mean errors.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.inside.pages import table_command
from tfprune.errors import InputError
from tfprune.geometry import Curvature, curvature, left_out

DIMENSIONS = (2, 3, 5, 7, 9, 10, 15, 20)
NEIGHBOURS = 1023
RADII = (0.1, 0.3, 0.5)  # how far neighbours lie, in radii of the sphere
PARTS = 10


def ball(rng: np.random.Generator, d: int, radius: float) -> np.ndarray:
    """Return points of a ball in the tangent space, uniform: (n, d)."""
    z = rng.normal(size=(NEIGHBOURS, d))
    z /= np.linalg.norm(z, axis=1, keepdims=True)
    return radius * z * rng.random((NEIGHBOURS, 1)) ** (1 / d)


def corners(rng: np.random.Generator, d: int, radius: float) -> np.ndarray:
    """Return the images of a cube's corners under a random map to d numbers: (n, d)."""
    u = left_out(NEIGHBOURS) @ rng.normal(size=(PARTS, d))
    return radius * u / np.linalg.norm(u, axis=1).max()


def cap(u: np.ndarray) -> np.ndarray:
    """Return the unit sphere over tangent coordinates: (n, d + 1)."""
    return np.column_stack([u, 1 - np.sqrt(1 - (u**2).sum(axis=1))])


def of_sphere(rng: np.random.Generator, d: int, radius: float, kind: str) -> Curvature:
    """Return the estimate at a point of the unit sphere of dimension d."""
    u = (ball if kind == "ball" else corners)(rng, d, radius)
    parts = left_out(NEIGHBOURS) if kind == "corners" else None
    return curvature(cap(u), np.zeros(d + 1), dimension=d, parts=parts)


def rows(draws: int) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| neighbours | dimension | " + " | ".join(
        f"mean absolute, to {r} r | sectional, to {r} r" for r in RADII
    ) + " |"  # fmt: skip
    yield "|---|---:|" + "---:|" * (2 * len(RADII))
    for kind in ("ball", "corners"):
        for d in DIMENSIONS:
            cells = []
            for radius in RADII:
                try:
                    found = [
                        of_sphere(np.random.default_rng((seed, d)), d, radius, kind)
                        for seed in range(draws)
                    ]
                except InputError:
                    cells += ["not determined"] * 2
                    continue
                absolute = np.mean([one.mean_absolute for one in found]) - 1
                sectional = np.mean([one.mean_sectional for one in found]) - 1
                cells += [f"{100 * absolute:+.1f}%", f"{100 * sectional:+.1f}%"]
            yield f"| {kind} | {d} | {' | '.join(cells)} |"


if __name__ == "__main__":
    table_command("python -m benchmarks.inside.curvature", rows, draws=5)
