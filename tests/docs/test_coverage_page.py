"""The page on intervals names every cell of its table in which they miss their goal."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "coverage.md"


def test_every_cell_outside_the_goal_is_named_below_the_table():
    text = PAGE.read_text().split("<!-- table:")[1].split("<!-- end of table -->")[0]
    rows = [line.split("|")[1:-1] for line in text.splitlines() if line.startswith("| ")][1:]
    expected = set()
    for row in rows:
        layers, images, measure, *_, given, cover, _, draws = (cell.strip() for cell in row)
        if not cover:
            continue
        n_given = round(float(given.rstrip("%")) * int(draws) / 100)
        if n_given > 31 and not 93 <= float(cover.rstrip("%")) <= 97:
            expected.add((f"{layers}, {images} images per direction", measure, cover))
    named = set()
    for line in text.splitlines():
        if line.startswith("- "):
            cell, _, found = line[2:].partition(": ")
            named |= {(cell, *one) for one in re.findall(r"(`[\w-]+`) ([\d.]+%)", found)}
    assert expected
    assert expected <= named
    inside = {one for one in named if 93 < float(one[2].rstrip("%")) < 97}
    assert not inside
