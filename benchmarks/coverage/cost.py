"""What an interval costs beside 200 bootstrap replicates from the same moments.

    python -m benchmarks.coverage.cost [--widths 16 64 128]

Prints a line per width and measure: milliseconds of both, on one thread, and their ratio.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.coverage.populations import Population
from tfprune.similarity import Comparison
from tfprune.similarity.measure import find_measure
from tfprune.similarity.parallel import Helpers, single_threaded_blas
from tfprune.similarity.resampling import estimate_error
from tfprune.similarity.statistics import Statistics
from tfprune.similarity.streaming import Key

KEYS = Key("a", "l"), Key("b", "l")
MEASURES = ("cca", "svcca", "pwcca", "linear-regression", "procrustes", "cka", "cka-debiased")
REPLICATES = 200


def costs(width: int, name: str) -> tuple[float, float]:
    """Return the seconds of an interval and of 200 replicates at bootstrap weights."""
    measure = find_measure(name)
    population = Population("relu", width, width, spectrum=1.5)
    n = 20 * width
    comparison = Comparison([("l", "l")], measures=[name], n_images=n)
    a, b = population.draw(n, np.random.default_rng(0))
    comparison.update({"l": a}, {"l": b})
    moments = Statistics(comparison.accumulator).moments(measure)
    used = moments.blocks_used(KEYS[0])
    start = time.perf_counter()
    estimate_error(moments, KEYS, measure, used, Helpers(1))
    middle = time.perf_counter()
    drawn = np.random.default_rng(0).multinomial(
        used.size, np.full(used.size, 1 / used.size), size=REPLICATES
    )
    weights = np.zeros((REPLICATES, moments.store.n_blocks))
    weights[:, used] = drawn
    for replicate in weights:
        measure(moments.weighted_pair(KEYS, replicate))
    return middle - start, time.perf_counter() - middle


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 64, 128])
    widths = parser.parse_args().widths
    print("| width | measure | interval, ms | 200 replicates, ms | ratio |")
    print("|---|---|---|---|---|")
    with single_threaded_blas():
        for width in widths:
            for name in MEASURES:
                ours, theirs = (1e3 * seconds for seconds in costs(width, name))
                print(f"| {width} | `{name}` | {ours:.1f} | {theirs:.0f} | {ours / theirs:.2f} |")


if __name__ == "__main__":
    main()
