"""Our side of the benchmark, through the public names only."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.similarity.cases import Case
from benchmarks.similarity.six import SIX
from tfprune.similarity import Comparison, similarity_of

Array = Any


def one_measure(measure: str, x: Array, y: Array) -> float:
    return similarity_of(measure, x, y)


def six_of_one_pass(x: Array, y: Array) -> dict[str, float]:
    comparison = Comparison([("l", "l")], measures=SIX, blocks=0, permutations=0, memory=0)
    comparison.update({"l": x}, {"l": y})
    return {key[2]: float(score) for key, score in comparison.scores().items()}


def matrix(measures: tuple[str, ...], a: list[Array], b: list[Array]) -> Array:
    """Return all layers of a against all of b, (measures, layers, layers)."""
    names = [str(i) for i in range(len(a))]
    comparison = Comparison(
        [(p, q) for p in names for q in names],
        measures=measures,
        blocks=0,
        permutations=0,
        memory=0,
    )
    comparison.update(dict(zip(names, a, strict=True)), dict(zip(names, b, strict=True)))
    scores = comparison.scores()
    return np.array([[[float(scores[p, q, m]) for q in names] for p in names] for m in measures])


def streamed(case: Case, folder: Path, batch: int = 256) -> dict[str, float]:
    """Return six measures of one pass over the files, in batches of whole images."""
    comparison = Comparison([("l", "l")], measures=SIX, blocks=0, permutations=0, memory=0)
    for a, b in batches(case, folder, batch):
        comparison.update({"l": a}, {"l": b})
    return {key[2]: float(score) for key, score in comparison.scores().items()}


def batches(case: Case, folder: Path, batch: int) -> Any:
    """Yield (images, positions, width) batches of both sides, read from the files."""
    step = batch * case.positions
    offset = 0
    paths = [folder / f"{side}0.npy" for side in "ab"]
    with paths[0].open("rb") as one, paths[1].open("rb") as other:
        for file in (one, other):
            np.lib.format.read_magic(file)
            np.lib.format.read_array_header_1_0(file)
        while offset < case.n_rows:
            count = min(step, case.n_rows - offset) * case.width
            shape = (-1, case.positions, case.width)
            yield tuple(np.fromfile(f, np.float32, count).reshape(shape) for f in (one, other))
            offset += step


def bare_products(case: Case, folder: Path, batch: int = 256) -> float:
    """Read the same files and take X'X, Y'Y and X'Y in float64, in chunks that fit the cache."""
    total = np.zeros((2 * case.width,) * 2)
    for sides in batches(case, folder, batch):
        a, b = (side.reshape(-1, case.width) for side in sides)
        for start in range(0, len(a), 2048):
            part = slice(start, start + 2048)
            both = np.concatenate([a[part], b[part]], axis=1, dtype=np.float64)
            total += both.T @ both
    return float(np.trace(total))
