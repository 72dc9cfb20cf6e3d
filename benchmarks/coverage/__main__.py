"""How often intervals over images hold the true value, by simulation.

    python -m benchmarks.coverage [--draws 1000] [--minutes 60] [--cell TEXT] [--write]

Pairs of layers whose similarity over endless images is known are drawn again and again, compared
as `tfprune run` would, and the intervals counted that hold the truth. Draws go to
benchmarks/coverage/results.jsonl in batches, of all cells in turn, and a later call goes on where
this one stopped. `--write` puts the table into docs/explanation/coverage.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from benchmarks.coverage.cells import MEASURES, Cell, Sums, cells, simulate
from tfprune.similarity.parallel import single_threaded_blas

HERE = Path(__file__).parent
RESULTS = HERE / "results.jsonl"
PAGE = HERE.parents[1] / "docs" / "explanation" / "coverage.md"
BEGIN, END = "<!-- table: python -m benchmarks.coverage --write -->", "<!-- end of table -->"
BATCH = 50


def label(cell: Cell) -> str:
    """Return what tells a cell from others."""
    return f"{cell.name}, {cell.images_per_direction} images per direction"


def read() -> tuple[dict[tuple[str, str], Sums], Counter[str]]:
    """Return (cell, measure) -> sums over all batches so far, and the batches of each cell."""
    sums: dict[tuple[str, str], Sums] = {}
    batches: Counter[str] = Counter()
    for line in RESULTS.read_text().splitlines() if RESULTS.exists() else ():
        record = json.loads(line)
        batches[record["cell"]] += 1
        for measure, values in record["measures"].items():
            key = record["cell"], measure
            sums[key] = sums.get(key, Sums()) + Sums(**values)
    return sums, batches


def run(chosen: list[Cell], draws: int, minutes: float) -> None:
    """Simulate batches of the cells in turn until each has its draws or the time is over."""
    deadline = time.monotonic() + 60 * minutes
    _, batches = read()
    while time.monotonic() < deadline:
        open_cells = [cell for cell in chosen if batches[label(cell)] * BATCH < draws]
        if not open_cells:
            return
        cell = min(open_cells, key=lambda cell: batches[label(cell)])
        start = time.monotonic()
        with single_threaded_blas():
            found = simulate(cell, BATCH, seed=batches[label(cell)])
        record = {"cell": label(cell), "measures": {m: asdict(s) for m, s in found.items()}}
        with RESULTS.open("a") as file:
            file.write(json.dumps(record) + "\n")
        batches[label(cell)] += 1
        print(f"{label(cell)}: {BATCH} draws in {time.monotonic() - start:.0f} s", flush=True)


def table(sums: dict[tuple[str, str], Sums]) -> str:
    """Return the table: a line per cell and measure."""
    lines = [
        "| layers | images per direction | measure | true value | bias | corrected | given | "
        "cover | width | draws |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for cell in cells():
        for measure in MEASURES:
            found = sums.get((label(cell), measure))
            if found is None:
                continue
            told = found.told > 0
            covered = f"{100 * found.coverage:.1f}%" if told else ""
            corrected = f"{found.corrected_bias:+.4f}" if told else ""
            width = f"{found.relative_width:.2f}" if told else ""
            lines.append(
                f"| {cell.name} | {cell.images_per_direction} | `{measure}` "
                f"| {found.truth / found.draws:.3f} | {found.bias:+.4f} | {corrected} "
                f"| {100 * found.told / found.draws:.0f}% | {covered} | {width} | {found.draws} |"
            )
    return "\n".join(lines)


def outside(sums: dict[tuple[str, str], Sums]) -> str:
    """Return a line for each cell in which a measure covers less than 93 or more than 97%.

    Measures with an interval in fewer than 30 draws are left out: their cover is not known.
    """
    lines = []
    for cell in cells():
        found = [(measure, sums.get((label(cell), measure))) for measure in MEASURES]
        missed = [
            f"`{measure}` {100 * one.coverage:.1f}% (given {100 * one.told / one.draws:.0f}%)"
            for measure, one in found
            if one is not None and one.told >= 30 and not 0.93 <= one.coverage <= 0.97
        ]
        if missed:
            lines.append(f"- {label(cell)}: {', '.join(missed)}")
    return "Every cell outside 93 to 97%:\n\n" + "\n".join(lines)


def write(text: str) -> None:
    """Put the table, and what it shows outside the goal, between the marks of its page."""
    page = PAGE.read_text()
    before, after = page.split(BEGIN)[0], page.split(END)[1]
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")


def main() -> None:
    """Simulate what is missing and print or write the table and its exceptions."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--draws", type=int, default=1000, help="pairs per cell")
    parser.add_argument("--minutes", type=float, default=60.0, help="stop after so long")
    parser.add_argument("--cell", default="", help="only cells whose name holds this")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    given = parser.parse_args()
    run([cell for cell in cells() if given.cell in label(cell)], given.draws, given.minutes)
    sums = read()[0]
    text = f"{table(sums)}\n\n{outside(sums)}"
    if given.write:
        write(text)
    else:
        print(text)


if __name__ == "__main__":
    main()
