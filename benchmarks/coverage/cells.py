"""The cells of the table, and what many draws of a cell's pair say of tfprune's intervals."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import partial

import numpy as np

from benchmarks.coverage.populations import Population
from tfprune.similarity import Comparison
from tfprune.similarity.score import Score

#: all measures with intervals from moments; the value over endless images of each is exact
MEASURES = (
    "cca",
    "svcca",
    "pwcca",
    "pwcca-symmetric",
    "linear-regression",
    "procrustes",
    "procrustes-distance",
    "cka",
    "cka-debiased",
)


@dataclass(frozen=True)
class Cell:
    """A population, and how many images per direction are drawn of it."""

    name: str
    population: Population
    images_per_direction: int

    @property
    def n_images(self) -> int:
        """Return the images of a draw; directions are the living ones of both layers."""
        p = self.population
        directions = p.width_a - p.dead_a + p.width_b - p.dead_b
        return self.images_per_direction * directions


def cells() -> list[Cell]:
    """Return the cells of the table: one thing made harder at a time."""
    relu = partial(Population, "relu")
    gaussian = partial(Population, "gaussian")
    close = {"pruned": 0.05, "noise": 0.05}
    ladder = [
        Cell(f"ReLU, d={d}", relu(d, d), images)
        for d, counts in ((8, (5, 10, 25, 50)), (16, (5, 10, 25)), (32, (5, 10)), (64, (5, 10)))
        for images in counts
    ]
    return [
        *ladder,
        Cell("ReLU, d=128", relu(128, 128), 10),
        Cell("Gaussian, d=16", gaussian(16, 16), 5),
        Cell("Gaussian, d=16", gaussian(16, 16), 10),
        Cell("Gaussian, d=16, weak relation", gaussian(16, 16, level=0.6, decay=0.7), 10),
        Cell("Gaussian, d=32, steep spectrum", gaussian(32, 32, spectrum=2.0), 10),
        Cell("ReLU, d=16, steep spectrum", relu(16, 16, spectrum=2.5), 10),
        Cell("ReLU, d=16, hardly pruned", relu(16, 16, pruned=0.05, noise=0.05), 10),
        Cell("ReLU, d=32 and 24, dead 4 and 8", relu(32, 24, dead_a=4, dead_b=8), 10),
        Cell("ReLU, d=16, 16 pixels an image", relu(16, 16, pixels=4), 10),
        Cell("ReLU, d=16, 16 pixels an image", relu(16, 16, pixels=4), 25),
        Cell("ReLU, d=16, 16 pixels, shifted border", relu(16, 16, pixels=4, border=2.0), 25),
        Cell(
            "ReLU, d=16, 16 pixels, shifted border, hardly pruned",
            relu(16, 16, pixels=4, border=2.0, **close),
            25,
        ),
        Cell(
            "ReLU, d=16, 16 pixels, shifted border, 8 channels lost",
            relu(16, 16, pixels=4, border=2.0, lost=8, **close),
            25,
        ),
        Cell("ReLU, d=16, 8 channels lost", relu(16, 16, lost=8, **close), 10),
        Cell("ReLU, d=16, 8 channels lost", relu(16, 16, lost=8, **close), 50),
        Cell("ReLU, d=16, 2 channels lost", relu(16, 16, lost=2, **close), 25),
        *harsh_cells(),
    ]


def harsh_cells() -> list[Cell]:
    """Return cells whose images are not what an interval takes them for: most get none."""
    relu = partial(Population, "relu", 16, 16)
    gaussian = partial(Population, "gaussian", 16, 16)
    return [
        Cell("ReLU, d=16, each image twice", relu(copies=2), 10),
        Cell("ReLU, d=16, each image four times, jitter 2%", relu(copies=4, jitter=0.02), 20),
        Cell("ReLU, d=16, 1% of images 20 times as strong", relu(outliers=0.01, strength=20), 10),
        Cell("Gaussian, d=16, 1% 20 times as strong", gaussian(outliers=0.01, strength=20), 25),
        Cell("ReLU, d=16, 3% of images 5 times as strong", relu(outliers=0.03, strength=5), 10),
        Cell("Gaussian, d=16, 3% 5 times as strong", gaussian(outliers=0.03, strength=5), 10),
        Cell("ReLU, d=16, scales of Student's t(3)", relu(freedom=3), 10),
        Cell("Gaussian, d=16, scales of Student's t(3)", gaussian(freedom=3), 10),
        Cell("ReLU, d=16, scales of Student's t(5)", relu(freedom=5), 10),
        Cell("ReLU, d=16, active on 10% of images", relu(active=0.1), 10),
        Cell("ReLU, d=16, active on 10% of images", relu(active=0.1), 25),
        Cell("ReLU, d=16, active on 3% of images", relu(active=0.03), 25),
        Cell("ReLU, d=16, active on 1% of images", relu(active=0.01), 25),
        Cell("ReLU, d=16, active on 1% of images", relu(active=0.01), 100),
    ]


@dataclass(frozen=True)
class Sums:
    """Sums over draws of one measure in one cell; `a + b` is of both.

    Errors are of values less the truth: `plain` of all draws, `corrected` of the `told` ones, to
    which tfprune gave an interval; `width` sums their intervals, `covered` counts those that hold
    the truth.
    """

    draws: int = 0
    told: int = 0
    covered: int = 0
    width: float = 0.0
    truth: float = 0.0
    plain: float = 0.0
    plain_squares: float = 0.0
    corrected: float = 0.0
    corrected_squares: float = 0.0

    def __add__(self, other: Sums) -> Sums:
        return Sums(*(a + b for a, b in zip(astuple(self), astuple(other), strict=True)))

    @property
    def coverage(self) -> float:
        """Return the share of intervals that hold the truth."""
        return self.covered / self.told if self.told else float("nan")

    @property
    def spread(self) -> float:
        """Return the standard deviation of the corrected values, of those that were told."""
        return _deviation(self.corrected, self.corrected_squares, self.told)

    @property
    def relative_width(self) -> float:
        """Return the mean width over that of 95% intervals from the true spread."""
        return self.width / self.told / (2 * 1.96 * self.spread) if self.told > 1 else float("nan")

    @property
    def bias(self) -> float:
        """Return the mean error of the plain value."""
        return self.plain / self.draws

    @property
    def corrected_bias(self) -> float:
        """Return the mean error of the corrected value."""
        return self.corrected / self.told if self.told else float("nan")


def _deviation(total: float, squares: float, n: int) -> float:
    return float(np.sqrt(max(squares / n - (total / n) ** 2, 0.0))) if n else float("nan")


def simulate(
    cell: Cell, draws: int, measures: tuple[str, ...] = MEASURES, seed: int = 0
) -> dict[str, Sums]:
    """Draw the cell's pair of layers `draws` times and return measure -> what comes of it."""
    rng = np.random.default_rng((seed, cell.n_images, cell.population.width_a))
    found = {name: Sums() for name in measures}
    for _ in range(draws):
        comparison = Comparison(
            [("l", "l")], measures=measures, permutations=10, n_images=cell.n_images
        )
        a, b = cell.population.draw(cell.n_images, rng)
        comparison.update({"l": a}, {"l": b})
        for (_, _, name), score in comparison.scores().items():
            truth = cell.population.truth(name, (score.rank_a, score.rank_b))
            found[name] += _one(score, truth)
    return found


def _one(score: Score, truth: float) -> Sums:
    plain = score.value - truth
    one = Sums(draws=1, truth=truth, plain=plain, plain_squares=plain**2)
    if score.interval is None:
        return one
    low, high = score.interval
    centre = (low + high) / 2 if score.corrected is None else score.corrected
    return one + Sums(
        told=1,
        covered=int(low - 1e-12 <= truth <= high + 1e-12),
        width=high - low,
        corrected=centre - truth,
        corrected_squares=(centre - truth) ** 2,
    )
