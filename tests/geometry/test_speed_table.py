"""The page's seconds are those of the file in which they were kept."""

from __future__ import annotations

import json

from benchmarks.inside.pages import PAGE
from benchmarks.inside.speed import COMMAND, GOALS, RESULTS, table


def test_the_page_shows_what_was_measured_at_whole_size():
    results = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert list(results["measured"]) == list(GOALS)
    text = PAGE.read_text(encoding="utf-8")
    shown = text.split(f"<!-- table: {COMMAND} -->\n")[1].split("<!-- end of table -->")[0]
    assert shown.strip() == "\n".join(table(results))
