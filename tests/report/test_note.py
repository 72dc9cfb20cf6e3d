"""The note of a run in MLflow: its answer and its table."""

from __future__ import annotations

from tfprune.report.answer import answer
from tfprune.report.summary import markdown_note


def test_the_note_holds_the_answer_and_a_row_for_every_level(make_data):
    data = make_data()
    note = markdown_note(data.levels, data.similarities)
    text, table, _ = note.rstrip().split("\n\n")
    assert text == str(answer(data.levels, data.similarities))
    lines = table.replace("&emsp;", "").splitlines()
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in lines]
    assert rows[0][:4] == ["level", "sparsity", "validation", "test"]
    levels = sorted({row.level for row in data.levels})
    assert [row[0] for row in rows[2:]] == [str(level) for level in levels]
    assert {len(row) for row in rows} == {len(rows[0])}
