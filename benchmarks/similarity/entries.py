"""What is run in each case: ours first, then the peers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.similarity import recipes
from benchmarks.similarity.cases import Case

SINGLE = ("cka", "cka-debiased", "cca", "svcca", "pwcca", "procrustes", "linear-regression")


@dataclass(frozen=True)
class Entry:
    """One row of the table: a measure, who computes it, and how."""

    name: str
    measure: str
    who: str
    load: Callable[[], Any]
    run: Callable[[Any], Any]


def entries_of(case: Case, folder: Path | None = None) -> list[Entry]:
    """Return the entries of a case; `folder` holds its inputs (None to list names only)."""
    if case.streamed:
        return _streamed(case, folder)
    return _matrices(case, folder) if case.layers > 1 else _single(case, folder)


def _pair(folder: Path | None, layer: int = 0) -> tuple[Any, Any]:
    assert folder is not None
    return tuple(np.load(folder / f"{side}{layer}.npy") for side in "ab")  # type: ignore[return-value]


def _single(case: Case, folder: Path | None) -> list[Entry]:
    def load() -> tuple[Any, Any]:
        return _pair(folder)

    def ours(measure: str) -> Callable[[Any], Any]:
        def run(inputs: Any) -> float:
            from benchmarks.similarity.ours import one_measure

            return one_measure(measure, *inputs)

        return run

    def six(inputs: Any) -> dict[str, float]:
        from benchmarks.similarity.ours import six_of_one_pass

        return six_of_one_pass(*inputs)

    entries = [
        Entry("reference", "all", "reference", load, lambda inputs: recipes.references(*inputs)),
        Entry("ours:six", "six of one pass", "tfprune", load, six),
    ]
    for measure in SINGLE:
        entries.append(Entry(f"ours:{measure}", measure, "tfprune", load, ours(measure)))
        for who, function in recipes.PEERS.get(measure, {}).items():
            entries.append(
                Entry(f"{who}:{measure}", measure, who, load, lambda i, f=function: f(*i))
            )
    return entries


def _streamed(case: Case, folder: Path | None) -> list[Entry]:
    def six(_: Any) -> dict[str, float]:
        from benchmarks.similarity.ours import streamed

        assert folder is not None
        return streamed(case, folder)

    def bare(_: Any) -> float:
        from benchmarks.similarity.ours import bare_products

        assert folder is not None
        return bare_products(case, folder)

    entries = [
        Entry("ours:six", "six of one pass", "tfprune", lambda: None, six),
        Entry("bare", "six of one pass", "bare float64 products", lambda: None, bare),
    ]
    for measure in ("cka", "cca"):
        for who, function in recipes.PEERS[measure].items():
            entries.append(
                Entry(
                    f"{who}:{measure}",
                    measure,
                    f"{who}, in memory",
                    lambda: _pair(folder),
                    lambda i, f=function: f(*i),
                )
            )
    return entries


def _matrices(case: Case, folder: Path | None) -> list[Entry]:
    def load() -> tuple[list[Any], list[Any]]:
        pairs = [_pair(folder, layer) for layer in range(case.layers)]
        return [a for a, _ in pairs], [b for _, b in pairs]

    def ours(measures: tuple[str, ...]) -> Callable[[Any], Any]:
        def run(inputs: Any) -> float:
            from benchmarks.similarity.ours import matrix

            return float(matrix(measures, *inputs)[0, 0, 0])

        return run

    def peer(function: Callable[[Any, Any], float]) -> Callable[[Any], Any]:
        def run(inputs: Any) -> float:
            return float(np.array([[function(x, y) for y in inputs[1]] for x in inputs[0]])[0, 0])

        return run

    from benchmarks.similarity.six import SIX

    entries = [
        Entry("ours:six", "six of one pass", "tfprune", load, ours(SIX)),
    ]
    for measure in ("svcca", "cca", "cka", "procrustes"):
        entries.append(Entry(f"ours:{measure}", measure, "tfprune", load, ours((measure,))))
        for who, function in recipes.PEERS[measure].items():
            entries.append(Entry(f"{who}:{measure}", measure, who, load, peer(function)))
    return entries
