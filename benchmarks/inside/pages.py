"""Tables on the page of what happens inside one layer."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/explanation/inside-a-layer.md"


def written(command: str, lines: Sequence[str]) -> None:
    """Put a table in the place of the one that the command made before."""
    text = PAGE.read_text(encoding="utf-8")
    head, start, rest = text.partition(f"<!-- table: {command} -->\n")
    if not start:
        raise SystemExit(f"{PAGE} has no table of {command!r}")
    _, end, tail = rest.partition("<!-- end of table -->")
    table = "\n".join(lines)
    PAGE.write_text(f"{head}{start}\n{table}\n\n{end}{tail}", encoding="utf-8")


def table_command(command: str, rows: Callable[[int], Iterator[str]], *, draws: int) -> None:
    """Print a table row by row, from so many draws; with --write, put it on the page."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines = []
    for line in rows(given.draws):
        print(line, flush=True)
        lines.append(line)
    if given.write:
        written(f"{command} --write", lines)
