"""How often a page of tests of two runs claims anything where nothing differs.

    python -m benchmarks.claims.two_runs

prints the table of docs/explanation/claims.md, about two minutes of one core: of 800 pages of four
questions each, the share on which the test of `tfprune.similarity.two_runs`, with Holm's
correction, finds a difference between the means.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tfprune.similarity.claims import ALPHA, holm
from tfprune.similarity.two_runs import difference_p

PAGES, QUESTIONS = 800, 4
Shape = tuple[int, int, int]  # runs, questions, seeds


def _skewed(rng: np.random.Generator, shape: Shape) -> np.ndarray:
    values = np.zeros(shape)
    values[1] = rng.lognormal(0, 1, shape[1:]) - np.exp(0.5)
    return values


KINDS: dict[str, Callable[[np.random.Generator, Shape], np.ndarray]] = {
    "Gaussian": lambda rng, shape: rng.normal(size=shape),
    "heavy tails": lambda rng, shape: rng.standard_t(2, size=shape),
    "Cauchy": lambda rng, shape: rng.standard_cauchy(shape),
    "accuracies with many ties": lambda rng, shape: rng.binomial(1, 0.1, shape) * 0.002 + 0.9,
    "one run varies five times as much": lambda rng, shape: (
        rng.normal(size=shape) * np.array([1.0, 5.0])[:, None, None]
    ),
    "one run constant, the other log-normal, means equal": _skewed,
}


def main() -> None:
    """Print the share of pages that claim anything, for each kind of values."""
    rng = np.random.default_rng(0)
    for paired, seeds in ((True, (8, 16, 20)), (False, (5, 9))):
        for kind, draw in KINDS.items():
            told = []
            for n in seeds:
                found = 0
                for _ in range(PAGES):
                    one, other = draw(rng, (2, QUESTIONS, n))
                    found += min(holm(
                        [difference_p(a, b, paired=paired) for a, b in zip(one, other, strict=True)]
                    )) <= ALPHA  # fmt: skip
                told.append(f"{n} seeds {100 * found / PAGES:.1f}%")
            print("paired" if paired else "not paired", kind, *told, sep=" | ", flush=True)


if __name__ == "__main__":
    main()
