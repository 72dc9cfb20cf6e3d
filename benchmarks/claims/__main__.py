"""python -m benchmarks.claims [--unrelated] [--write]: false claims, and power, as tables.

With --write the tables go into docs/explanation/claims.md. Of claims against the floors, before
and after; with --unrelated of those against unrelated layers (minutes).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.claims import old_rule, unrelated
from benchmarks.claims.experiments import KINDS, SKEWED, any_claim, experiments
from tfprune.similarity.parallel import single_threaded_blas

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "claims.md"
START, END = "<!-- python -m benchmarks.claims --write -->", "<!-- end -->"
OF_UNRELATED = "<!-- python -m benchmarks.claims --unrelated --write -->"
SEEDS, LAYERS = (2, 3, 4, 5, 8), (1, 3, 7)
EFFECTS = (1.0, 2.0, 3.0)
HALF_WIDTH = 0.2  # of the bootstrap interval, in spreads of dense pairs

Rule = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _spread(floor: np.ndarray) -> float:
    """Standard deviation of the similarity of two dense networks; robust, as tails may be heavy."""
    pairs = floor[..., 0, 1]
    return float(np.subtract(*np.percentile(pairs, [75, 25])) / 1.349)


def _old(own: np.ndarray, floor: np.ndarray) -> np.ndarray:
    return old_rule.any_claim(own, floor, half_width=HALF_WIDTH * _spread(floor))


def false_claims(rule: Rule, n: int, kinds: Sequence[str] = KINDS) -> Iterable[list[str]]:
    """Yield a row per number of layers: the worst kind of experiment, for each number of seeds."""
    for n_layers in LAYERS:
        row = [str(n_layers)]
        for r in SEEDS:
            rates = [
                rule(*experiments(kind, n, n_seeds=r, n_layers=n_layers, seed=r)).mean()
                for kind in kinds
            ]
            row.append(f"{100 * min(rates):.1f} to {100 * max(rates):.1f}%")
        yield row


def power(n: int) -> Iterable[list[str]]:
    """Yield a row per effect on one layer of several: how often it is found."""
    for effect in EFFECTS:
        for n_layers in LAYERS:
            row = [f"{effect:g}", str(n_layers)]
            for r in SEEDS:
                own, floor = experiments("networks", n, n_seeds=r, n_layers=n_layers, seed=r)
                moved = own[:, :1] + effect * _spread(floor)
                found = any_claim(moved, floor[:, :1], n_claims=n_layers)
                row.append(f"{100 * found.mean():.0f}%")
            yield row


def _table(header: list[str], rows: Iterable[list[str]]) -> str:
    lines = [header, ["---:"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def tables(n: int) -> str:
    """Return the four tables as Markdown."""
    seeds = [f"{r} seeds" for r in SEEDS]
    return "\n\n".join(
        [
            f"Experiments without any effect in which something is claimed, least to most over "
            f"{len(KINDS)} kinds of experiment, {n:,} of each. **Before** (ranges that don't "
            "overlap):",
            _table(["layers", *seeds], false_claims(_old, n)),
            "**Now** (the two tests over seeds, Holm's correction over layers):",
            _table(["layers", *seeds], false_claims(any_claim, n)),
            "**Where it does not hold**: similarities skewed like an exponential distribution, "
            "and pruned networks that vary by 0, 0.3 or 3 times what dense ones do; means are "
            "equal, and nothing else is:",
            _table(["layers", *seeds], false_claims(any_claim, n, SKEWED)),
            "**Power**: experiments in which one layer of several really is closer, by so many "
            "spreads (standard deviations of the similarity of two dense networks), and is said "
            "to be:",
            _table(["spreads", "layers", *seeds], power(n)),
        ]
    )


def tables_of_unrelated(n: int) -> str:
    """Return the three tables of unrelated layers as Markdown."""
    header = ["layers", "images x channels"]
    few = ("cka", "svcca", "procrustes")
    with single_threaded_blas():
        wrong = _table([*header, *unrelated.MEASURES], unrelated.rows(n))
        of_three = _table([*header, *few], unrelated.rows(n, pairings=3, measures=few))
        found = _table(["correlation", *unrelated.MEASURES], unrelated.power(n // 5))
    return "\n\n".join(
        [
            f"Unrelated layers called more similar than unrelated ones: in % of {n:,} pairs one by "
            f"one / of {n // unrelated.LAYERS:,} experiments of seven layers any of them:",
            wrong,
            "The same with three pairings, as of streamed layers:",
            of_three,
            "**Power**: Gaussian layers of 16 channels and 320 images, each channel correlated "
            "with its own in the other network, one of seven layers told from unrelated ones:",
            found,
        ]
    )


def main() -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="write them into the page")
    parser.add_argument("--unrelated", action="store_true", help="claims against unrelated layers")
    parser.add_argument("-n", type=int, default=4000, help="experiments of each kind")
    given = parser.parse_args()
    text = tables_of_unrelated(given.n) if given.unrelated else tables(given.n)
    print(text)
    if given.write:
        start = OF_UNRELATED if given.unrelated else START
        page = PAGE.read_text(encoding="utf-8")
        before, rest = page.split(start)
        after = rest.split(END, 1)[1]
        PAGE.write_text(f"{before}{start}\n\n{text}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
