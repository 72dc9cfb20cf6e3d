"""Further test sets where people look: the table on the terminal, the answer, the chart, MLflow."""

from __future__ import annotations

import dataclasses
import io

import pytest

from tfprune.report.answer import answer
from tfprune.report.charts.accuracy import accuracy_chart
from tfprune.report.shifted import set_summaries, shift_statement, shift_table, short_names
from tfprune.report.summary import markdown_note
from tfprune.runs.record import _headline

ON = {"noisy": (0.8, 0.7, 0.2), "fog/test": (0.9, 0.5, 0.1)}
POTENTIAL = {"test": (0.0, 0.2, 0.36), "noisy": (0.0, 0.2, 0.2), "fog/test": (0.0, 0.0, 0.0)}


@pytest.fixture
def data(make_data):
    """Two levels after the dense one, whose accuracy is known on two further sets."""
    made = make_data(n_levels=2, n_seeds=1)
    levels = tuple(
        dataclasses.replace(
            row,
            accuracy_test=0.95 - 0.05 * row.level,
            facts={
                **{f"accuracy_on/{name}": values[row.level] for name, values in ON.items()},
                **{f"prune_potential/{name}": v[row.level] for name, v in POTENTIAL.items()},
            },
        )
        for row in made.levels
    )
    return dataclasses.replace(made, levels=levels)


TOLD = (
    "Accuracy goes from 80.0% to 20.0% on noisy and from 90.0% to 10.0% on fog/test. Prune "
    "potential, the largest sparsity so far without a significant loss of accuracy: 36.0% on test, "
    "20.0% on noisy and 0.0% on fog/test."
)


def test_the_answer_says_what_is_lost_on_each_set_and_how_far_it_may_be_pruned(data):
    kind, text, _, seeds = shift_statement(data.levels, level=2)
    assert (kind, text, seeds) == ("shift", TOLD, (0,))
    assert str(answer(data.levels, data.similarities)).endswith(TOLD)
    assert shift_statement(data.levels, level=3) is None


def test_the_terminal_has_a_table_of_every_set_with_its_potential_last(data):
    assert shift_table(data.levels, width=80) == [
        "Accuracy on further test sets, and prune potential: the largest sparsity without a",
        "significant loss.",
        "    level   test  noisy  fog/test",
        "        0  95.0%  80.0%     90.0%",
        "        1  90.0%  70.0%     50.0%",
        "        2  85.0%  20.0%     10.0%",
        "potential  36.0%  20.0%      0.0%",
    ]
    narrow = shift_table(data.levels, width=30)
    assert narrow[1] == "significant loss. 1 more set is in levels.csv."
    assert narrow[2] == "    level   test  noisy"


def test_print_result_shows_that_table(data):
    from rich.console import Console

    from tfprune.report.tables import print_result
    from tfprune.results import RunResult

    stream = io.StringIO()
    result = RunResult(data.name, data.run_id, data.levels, data.similarities)
    print_result(result, Console(file=stream, width=80))
    assert "potential  36.0%  20.0%      0.0%" in stream.getvalue()


def test_the_chart_of_accuracy_has_a_line_for_every_set(data):
    chart = accuracy_chart(data, key="accuracy")
    drawn = {name: [row["accuracy"] for row in chart.rows if row["data"] == name] for name in ON}
    assert drawn == {name: list(values) for name, values in ON.items()}
    assert "Dots and dashes: further test sets." in chart.caption


def test_the_chart_names_sets_of_functions_without_their_modules(make_data):
    made = make_data(n_levels=1, n_seeds=1)
    on = {"accuracy_on/a.b:noisy": 0.5, "accuracy_on/c10": 0.6}
    levels = tuple(dataclasses.replace(row, facts=on) for row in made.levels)
    chart = accuracy_chart(dataclasses.replace(made, levels=levels), key="accuracy")
    assert {row["data"] for row in chart.rows} - {"test", "validation"} == {"noisy", "c10"}
    for alike in (["a.b:noisy", "a.c:noisy"], ["c10:test_:50_", "c10:test_50:_"]):
        assert list(short_names(alike).values()) == alike


def test_the_note_in_mlflow_has_a_column_for_every_set(data):
    header, *_ = [line for line in markdown_note(data.levels, data.similarities).splitlines()
                  if line.startswith("| level")]  # fmt: skip
    assert "| test&emsp; | noisy&emsp; | fog/test&emsp; |" in header


def test_the_parent_run_has_accuracy_and_potential_of_every_set(data):
    found = _headline(data.levels[2])
    assert found["accuracy_on/noisy"] == 0.2
    assert found["prune_potential/test"] == 0.36
    assert found["prune_potential/fog/test"] == 0.0


def test_without_further_sets_nothing_is_said(make_data):
    levels = make_data(n_levels=2).levels
    assert set_summaries(levels) == ()
    assert shift_table(levels, width=80) == []
    assert shift_statement(levels, level=2) is None
    assert not any(name.startswith(("accuracy_on", "prune")) for name in _headline(levels[1]))
