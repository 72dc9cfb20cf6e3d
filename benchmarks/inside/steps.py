"""Bias of the curvature by equal steps to both sides, on surfaces of known curvature.

    python -m benchmarks.inside.steps [--draws 5] [--write]

Steps in 20 directions, on which d numbers u depend by a random matrix; surfaces over these numbers,
all with curvatures of about 1. Prints a table of the mean errors of the root mean square principal
curvature and of the mean sectional curvature, in shares of 1 where the true one is 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from benchmarks.inside.pages import table_command
from tfprune.errors import InputError
from tfprune.geometry import Curvature
from tfprune.geometry.steps import DIRECTIONS, PAIRS, Stepped, step_sizes, stepped_curvature

DIMENSIONS = (2, 3, 5, 8, 10, 12, 15, 20)
RADII = (0.1, 0.3, 0.5)  # how far the farthest neighbours lie, in radii of curvature

Surface = Callable[[np.ndarray], np.ndarray]


def sphere(u: np.ndarray) -> np.ndarray:
    """Return the unit sphere over tangent coordinates (n, d): (n, d + 1)."""
    return np.column_stack([u, 1 - np.sqrt(1 - (u**2).sum(axis=1))])


def coefficients(d: int) -> np.ndarray:
    """Return a paraboloid's principal curvatures, from -0.5 to 1.5."""
    return np.linspace(-0.5, 1.5, d)


def paraboloid(u: np.ndarray) -> np.ndarray:
    """Return the paraboloid with these curvatures at its vertex."""
    return np.column_stack([u, u**2 @ coefficients(u.shape[1]) / 2])


def torus(u: np.ndarray) -> np.ndarray:
    """Return the product of d unit circles, (n, 2 d): bent along every normal, flat within."""
    return np.concatenate([np.sin(u), 1 - np.cos(u)], axis=1)


def cylinder(u: np.ndarray) -> np.ndarray:
    """Return a unit circle with d - 1 straight directions."""
    return np.column_stack([np.sin(u[:, 0]), 1 - np.cos(u[:, 0]), u[:, 1:]])


def plane(u: np.ndarray) -> np.ndarray:
    """Return a linear map of the coordinates to 64 numbers."""
    return np.asarray(u @ np.random.default_rng(7).normal(size=(u.shape[1], 64)) / 8)


def true_values(name: str, d: int) -> tuple[float, float]:
    """Return the true root mean square principal curvature, and mean sectional curvature."""
    bent = coefficients(d)
    return {
        "sphere": (1.0, 1.0),
        "paraboloid": (
            float(np.sqrt(np.mean(bent**2))),
            float((bent.sum() ** 2 - (bent**2).sum()) / (d * (d - 1))),
        ),
        "torus": (1 / np.sqrt(d), 0.0),
        "cylinder": (1 / np.sqrt(d), 0.0),
        "plane": (0.0, 0.0),
    }[name]


SURFACES: dict[str, Surface] = {
    "sphere": sphere, "paraboloid": paraboloid, "torus": torus, "cylinder": cylinder,
    "plane": plane,
}  # fmt: skip


def measured(name: str, d: int, radius: float, seed: int) -> Stepped:
    """Return the estimate of a surface at u = 0, of neighbours up to a distance."""
    moved = step_sizes(DIRECTIONS, PAIRS)
    u = moved @ np.random.default_rng((seed, d)).normal(size=(DIRECTIONS, d))
    u *= radius / np.linalg.norm(u, axis=1).max()
    answers = SURFACES[name](np.concatenate([np.zeros((1, d)), u, -u]))
    return stepped_curvature(answers, moved, dimension=d)


def rows(draws: int) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| surface | dimension | " + " | ".join(
        f"root mean square, to {r} r | sectional, to {r} r" for r in RADII
    ) + " |"  # fmt: skip
    yield "|---|---:|" + "---:|" * (2 * len(RADII))
    for name in SURFACES:
        for d in DIMENSIONS:
            cells: list[str] = []
            for radius in RADII:
                drawn = (_told(name, d, radius, seed) for seed in range(draws))
                found = [one for one in drawn if one is not None]
                cells += _cells(found, draws - len(found), true_values(name, d))
            yield f"| {name} | {d} | {' | '.join(cells)} |"


def _told(name: str, d: int, radius: float, seed: int) -> Curvature | None:
    try:
        return measured(name, d, radius, seed).found
    except InputError:
        return None


def _cells(found: Sequence[Curvature], refused: int, true: tuple[float, float]) -> list[str]:
    """Return the mean errors, and of how many draws where some were refused."""
    if not found:
        return ["not determined"] * 2
    means = (np.mean([one.root_mean_square for one in found]),
             np.mean([one.mean_sectional for one in found]))  # fmt: skip
    of = f" ({len(found)} of {len(found) + refused})" if refused else ""
    return [
        f"{100 * (mean / value - 1 if value else mean):+.1f}%{of}"
        for mean, value in zip(means, true, strict=True)
    ]


if __name__ == "__main__":
    table_command("python -m benchmarks.inside.steps", rows, draws=5)
