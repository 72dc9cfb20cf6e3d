"""Points on manifolds of which everything is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Sampler = Callable[[np.random.Generator, int, int], np.ndarray]


def sphere(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Return points of the unit sphere of dimension d, uniform: (n, d + 1)."""
    z = rng.normal(size=(n, d + 1))
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def torus(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Return points of the product of d unit circles, uniform: (n, 2 d)."""
    angles = 2 * np.pi * rng.random((n, d))
    return np.concatenate([np.cos(angles), np.sin(angles)], axis=1)


def hypercube(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Return points of the unit cube, uniform: (n, d)."""
    return rng.random((n, d))


def swiss_roll(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Return points of a roll with d - 1 straight directions: (n, d + 1)."""
    t = rng.random((n, d))
    angle = 1.5 * np.pi * (1 + 2 * t[:, 0])
    return np.column_stack([angle * np.cos(angle), angle * np.sin(angle), *(21 * t[:, 1:].T)])


def normal(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Return points of a normal distribution: (n, d)."""
    return rng.normal(size=(n, d))


SHAPES: dict[str, Sampler] = {
    "sphere": sphere, "torus": torus, "hypercube": hypercube, "Swiss roll": swiss_roll,
    "normal": normal,
}  # fmt: skip
