"""Directions that can't be told from lost ones, and how far down an interval must reach for them.

A sum of singular values bends where one of them is 0: there noise can only raise it, by the root
of 1 / n, which no expansion in 1 / n takes off. Pruning does this to layers: some directions are
lost, others stay. How many singular values stand out from noise is counted against layers whose
images were paired at random; the rest, which may be anything from 0 to what was seen, widens the
interval on that side.

What all pairings share is no noise: feature maps have a pattern of positions that all images have
in common (the border that zero padding leaves), and it stays whichever images are paired. Noise is
how pairings differ from one another.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from tfprune.similarity.arrays import Array


class Bend(NamedTuple):
    """A measure as a weighted sum of the singular values of a matrix (r1, r2).

    `weights` are those of left (r1, c) and right (r2, c) singular vectors, (c,); None: all weigh
    `scale`.
    `noise` turns independent standard normal numbers (r1, r2) into a matrix of unrelated layers.
    `of_sum` leads from the sum to the measure's number.
    """

    matrix: Array
    noise: Callable[[Array], Array]
    scale: float = 1.0
    weights: Callable[[Array, Array], Array] | None = None
    of_sum: Callable[[float], float] = float


class Unresolved(NamedTuple):
    """How many of the directions may be lost, the measure's number if they are, their weight.

    `weight` is their share of all weights, 0 where all directions weigh the same.
    """

    lost: int
    total: int
    value: float
    weight: float = 0.0


#: a singular value stands out from noise whose largest, of all pairings, is this much smaller
CLEARLY = 1.1
_DRAWN = 10  # of independent noise, where no images were paired
_STEPS = 30  # of the power iteration: the norm is a few per cent too low at most


class Standing(NamedTuple):
    """Singular vectors left (r1, c), right (c, r2), values (c,); how many stand out from noise."""

    left: Array
    values: Array
    right: Array
    n_standing: int


def unresolved(bend: Bend, pairings: Sequence[Array], *, seed: int = 0) -> Unresolved:
    """Return which directions can't be told from lost ones; see `standing_out`.

    >>> rng = np.random.default_rng(0)
    >>> matrix = np.diag([0.9, 0.8, 0.02, 0.01])
    >>> bend = Bend(matrix, noise=lambda g: g / 10, scale=1 / 4)
    >>> found = unresolved(bend, [rng.normal(size=(4, 4)) / 10 for _ in range(3)])
    >>> found.lost, found.total, round(found.value, 3)
    (2, 4, 0.425)
    """
    return without_lost(bend, standing_out(bend, pairings, seed=seed))


def standing_out(bend: Bend, pairings: Sequence[Array], *, seed: int = 0) -> Standing:
    """Return the singular values of a bend's matrix, and how many stand out from noise.

    pairings: the matrix of layers whose images were paired at random, (r1, r2) each; their mean is
    taken off them. Where there are fewer than two of this shape, independent noise takes their
    place. Noise is looked at beside the directions that stand out: with them taken off both sides,
    until no more stand out.
    """
    left, values, right = np.linalg.svd(bend.matrix, full_matrices=False)
    rng = np.random.default_rng(seed)
    shape = bend.matrix.shape
    noises = _apart([p for p in pairings if p.shape == shape and np.isfinite(p).all()])
    noises = noises or [bend.noise(rng.normal(size=shape)) for _ in range(_DRAWN)]
    start = np.asarray(np.random.default_rng(0).normal(size=shape[1:]))
    turned = [_turned(noises.pop(), start, left, right) for _ in range(len(noises))]
    matrices, vectors = (np.stack([part[k] for part in turned]) for k in (0, 1))
    del turned
    count = 0
    while count < values.size:
        edge = _largest(matrices[:, count:, count:], vectors[:, count:])
        more = int((values > CLEARLY * edge).sum())
        if more <= count:
            break
        count = more
    return Standing(left, values, right, count)


def without_lost(bend: Bend, standing: Standing) -> Unresolved:
    """Return the number that is left when all directions that don't stand out are lost."""
    left, values, right, count = standing
    lost, total = int(values.size - count), int(values.size)
    if bend.weights is None:
        return Unresolved(lost, total, bend.of_sum(float(values[:count].sum()) * bend.scale))
    weights = bend.weights(left, right.T)
    value = bend.of_sum(float((values * weights)[:count].sum()))
    return Unresolved(lost, total, value, float(weights[count:].sum() / weights.sum()))


def _apart(pairings: Sequence[Array]) -> list[Array]:
    """Return pairings less what they share, scaled for the degree lost; [] for fewer than two."""
    n = len(pairings)
    if n < 2:
        return []
    shared = np.mean(pairings, axis=0)
    return [float(np.sqrt(n / (n - 1))) * (pairing - shared) for pairing in pairings]


def _turned(noise: Array, vector: Array, left: Array, right: Array) -> tuple[Array, Array]:
    """Return noise (r1, r2) and a vector (r2,) in singular directions (r1, c), (c, r2).

    What lies beside these, of the side that has more than c dimensions, follows in at most c
    directions more: without the first k rows and columns, noise has lost the first k directions.
    """
    c = right.shape[0]
    turned, inside_vector = noise @ right.T, right @ vector
    if right.shape[1] > c:
        basis, beside = np.linalg.qr((noise - turned @ right).T)
        turned = np.concatenate([turned, beside.T], axis=1)
        inside_vector = np.concatenate([inside_vector, basis.T @ vector])
    inside = left.T @ turned
    if left.shape[0] > c:
        inside = np.concatenate([inside, np.linalg.qr(turned - left @ inside, mode="r")])
    return inside, inside_vector


def _largest(matrices: Array, vectors: Array) -> float:
    """Return the largest singular value of any of the matrices (m, a, b), from vectors (m, b)."""
    turned = np.swapaxes(matrices, 1, 2)
    vectors = vectors[:, :, None]
    norms = np.zeros(len(matrices))
    for _ in range(_STEPS):
        vectors = turned @ (matrices @ vectors)
        norms = np.linalg.norm(vectors, axis=(1, 2))
        if not norms.any():
            return 0.0
        vectors /= np.maximum(norms, np.finfo(float).tiny)[:, None, None]
    return float(np.sqrt(norms.max()))
