"""Measure what sweeps cost, and write the page that says what large ones need.

    python -m benchmarks.sweeps noop          10,000 cells that do nothing, 1,000 of them failing
    python -m benchmarks.sweeps efficiency    2 workers of 1 thread, 1 of 2, and 2 processes
    python -m benchmarks.sweeps overhead      a sweep of 8 cells of digits over its cells' own time
    python -m benchmarks.sweeps writers       8 processes that log at once: PostgreSQL, SQLite
    python -m benchmarks.sweeps run SWEEP     what a cell of a sweep of this folder logs and keeps
    python -m benchmarks.sweeps all           the first four, then the page
    python -m benchmarks.sweeps page          docs/explanation/scale.md, from what was measured
    python -m benchmarks.sweeps scale         what 10,000 cells on 100 nodes need, from constants

What is measured is printed and kept in benchmarks/sweeps/measured.json, from which the last two
compute. Use a machine that does nothing else.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from benchmarks.sweeps.costs import counted, efficiency, noop, overhead
from benchmarks.sweeps.scale import PAGE, keep, measured, page, scale
from benchmarks.sweeps.writers import writers

PARTS: dict[str, Callable[..., dict[str, float]]] = {
    "noop": noop, "efficiency": efficiency, "overhead": overhead, "writers": writers,
}  # fmt: skip


def main(words: list[str]) -> None:
    """Do what the first word says."""
    name, *rest = words
    if name == "scale":
        print(scale(measured()), end="")
        return
    for part in PARTS if name == "all" else () if name == "page" else (name,):
        keep(part, {**PARTS, "run": counted}[part](*rest))
    PAGE.write_text(page(measured()), encoding="utf-8")
    print(f"written: {PAGE}")


if __name__ == "__main__":
    main(sys.argv[1:])
