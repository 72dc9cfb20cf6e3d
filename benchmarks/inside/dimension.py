"""Bias and coverage of the estimates of intrinsic dimension, as the page shows them.

    python -m benchmarks.inside.dimension [--draws 20] [--write]

Prints a table: for every shape, dimension and number of points the mean of both estimates over
draws, and how many of their intervals hold that mean. `--write` puts it on the page.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.inside.pages import table_command
from benchmarks.inside.shapes import SHAPES
from tfprune.geometry import levina_bickel, two_nn

DIMENSIONS = (1, 2, 3, 5, 7, 10, 20)
POINTS = (500, 2000)
ESTIMATORS = {"TwoNN": two_nn, "maximum likelihood": levina_bickel}


def rows(draws: int) -> Iterator[str]:
    """Yield the table's lines."""
    yield "| shape | dimension | points | " + " | ".join(
        f"{name} | error | cover" for name in ESTIMATORS
    ) + " |"  # fmt: skip
    yield "|---|---:|---:|" + "---:|" * (3 * len(ESTIMATORS))
    for shape, sample in SHAPES.items():
        for d in DIMENSIONS:
            for n in POINTS:
                cells = []
                for estimate in ESTIMATORS.values():
                    found = [
                        estimate(sample(np.random.default_rng((seed, d, n)), n, d), draws=100)
                        for seed in range(draws)
                    ]
                    mean = float(np.mean([one.value for one in found]))
                    held = np.mean([(one.low or 0) <= mean <= (one.high or 0) for one in found])
                    cells += [f"{mean:.2f}", f"{100 * (mean / d - 1):+.0f}%", f"{100 * held:.0f}%"]
                yield f"| {shape} | {d} | {n} | {' | '.join(cells)} |"


if __name__ == "__main__":
    table_command("python -m benchmarks.inside.dimension", rows, draws=20)
