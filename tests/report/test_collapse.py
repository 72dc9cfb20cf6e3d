"""A seed that collapsed is named wherever levels are summed up, and averaged with no other."""

from __future__ import annotations

import dataclasses
import io
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from tests.report.conftest import synthetic
from tfprune.report.charts.accuracy import accuracy_chart, dense_accuracy
from tfprune.report.charts.controls import control_charts
from tfprune.report.collapse import collapse_notes, not_collapsed
from tfprune.report.data import control_row
from tfprune.report.levels import level_summaries
from tfprune.report.page.page import render
from tfprune.report.summary import markdown_note
from tfprune.report.tables import print_result
from tfprune.results import ControlResult, LevelResult, RunResult


def data_of(accuracies: list[list[float]]):
    """A run whose seeds have these test accuracies, level by level; validation is the same."""
    data = synthetic(n_seeds=len(accuracies), n_levels=len(accuracies[0]) - 1, n_layers=2)
    levels = tuple(
        dataclasses.replace(row, accuracy_test=found, accuracy_validation=found, flips=1 - found)
        for row in data.levels
        for found in [accuracies[row.seed][row.level]]
    )
    return dataclasses.replace(data, levels=levels)


def terminal(data) -> str:
    stream = io.StringIO()
    result = RunResult(data.name, "run", data.levels, data.similarities)
    print_result(result, Console(file=stream, width=100))
    return stream.getvalue()


def text_rows(text: str) -> dict[str, list[str]]:
    """Level cell -> cells of its row, of a table on the terminal or in a note."""
    lines = text.replace("&emsp;", "").replace("|", " ").replace("\\", "").splitlines()
    rows = [line.split() for line in lines if re.match(r"\s*\d+\*? +\d+\.\d%", line)]
    return {cells[0]: cells for cells in rows}


def test_one_seed_at_96_and_one_at_10_percent_are_not_53():
    data = data_of([[0.98, 0.96], [0.97, 0.10]])
    for text in (terminal(data), markdown_note(data.levels, data.similarities)):
        row = text_rows(text)["1*"]
        assert row[2:4] == ["96.0%", "96.0%"]
        assert "53.0%" not in text
        assert (
            "* Collapsed at level 1: seed 1 (10.0%); left out of medians and means, with its "
            "similarities."
        ) in text
        assert "0" in text_rows(text)  # without a star
    (page,) = re.findall(r"The numbers of each level.*?</details>", render([data]), re.S)
    cells = re.findall(r">([\d.]+%?\*?)</t[hd]>", page)
    assert cells[cells.index("1*") :][2:6] == ["96.00%", "96.00%", "10.00%", "96.00%"]
    assert "seed 1 (10.0%)" in page


def test_where_all_seeds_collapsed_the_medians_are_theirs():
    data = data_of([[0.9, 0.12], [0.9, 0.10], [0.9, 0.11]])
    assert level_summaries(data.levels)[1].accuracy_test_median == 0.11
    assert collapse_notes(data.levels) == (
        "Collapsed at level 1: seed 0 (12.0%), seed 1 (10.0%) and seed 2 (11.0%); all did, so "
        "that the medians are of them.",
    )


def test_a_chart_goes_through_the_medians():
    data = data_of([[0.98, 0.96], [0.97, 0.10], [0.99, 0.94]])
    chart = accuracy_chart(data, key="a")
    drawn = [(row["accuracy"], row["lowest"]) for row in chart.rows if row["level"] == 1]
    assert drawn == [(pytest.approx(0.95), 0.10)] * 2  # test and validation


def test_a_ticket_beside_its_controls_is_that_of_seeds_that_did_not_collapse():
    """Accuracy and similarity, of the ticket, its control and the dense networks alike."""
    data = data_of([[0.98, 0.96], [0.97, 0.10], [0.12, 0.11], [0.96, 0.94]])
    layers = {row.layer: 0.5 for row in data.similarities}
    controls = tuple(
        control_row(
            ControlResult("random-mask", seed, 1, 0.2, None, found, 1.0, {"cka": layers})
        )
        for seed, found in enumerate([0.9, 0.2, 0.3, 0.8])
    )  # fmt: skip
    data = dataclasses.replace(data, controls=controls)
    accuracy, *similarity = control_charts(data, key="c")
    drawn = {row["network"]: row for row in accuracy.rows}
    assert drawn["ticket"]["value"] == pytest.approx(0.95)
    assert (drawn["ticket"]["lowest"], drawn["ticket"]["replicates"]) == (0.94, 2)
    assert drawn["random-mask"]["value"] == pytest.approx(0.85)
    assert dense_accuracy(data) == {"dense, test": pytest.approx(0.97)}
    (cka,) = [chart for chart in similarity if chart.measure == "cka"]
    drawn = {row["network"]: row for row in cka.rows}
    assert (drawn["random-mask"]["value"], drawn["random-mask"]["replicates"]) == (0.5, 2)
    of_seeds = [
        np.mean([row.similarity for row in data.similarities
                 if (row.seed, row.level, row.measure, row.against) == (seed, 1, "cka", "dense")])
        for seed in (0, 3)
    ]  # fmt: skip
    assert drawn["ticket"]["value"] == pytest.approx(np.mean(of_seeds), abs=1e-6)
    assert drawn["ticket"]["highest"] == pytest.approx(max(of_seeds), abs=1e-6)


ACCURACY = st.floats(0, 1).map(lambda value: round(value, 3))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 4).flatmap(
        lambda n: st.lists(st.lists(ACCURACY, min_size=n + 1, max_size=n + 1), min_size=1,
                           max_size=5)
    )
)  # fmt: skip
def test_every_replicate_is_in_the_median_or_named_as_collapsed(accuracies):
    """The rule written out: half of its dense network's accuracy, or less; or that is low too."""
    data = data_of(accuracies)
    texts = terminal(data), markdown_note(data.levels, data.similarities)
    summaries, notes = level_summaries(data.levels), collapse_notes(data.levels)
    best = max(seed[0] for seed in accuracies)
    for level, summary in enumerate(summaries):
        found = [seed[level] for seed in accuracies]
        collapsed = [
            s for s, seed in enumerate(accuracies)
            if best > 0 and (seed[0] <= 0.25 * best or (level and seed[level] <= 0.5 * seed[0]))
        ]  # fmt: skip
        whole = [a for s, a in enumerate(found) if s not in collapsed] or found
        assert summary.collapsed == tuple(collapsed)
        assert summary.accuracy_test_median == pytest.approx(np.median(whole))
        assert summary.accuracy_validation_median == pytest.approx(np.median(whole))
        assert summary.flips_median == pytest.approx(1 - np.median(whole))
        assert min(whole) <= summary.accuracy_test_median <= max(whole)
        assert (summary.accuracy_test_lowest, summary.accuracy_test_highest) == (
            min(found), max(found),
        )  # fmt: skip
        assert [row.accuracy_test for row in not_collapsed(data.levels, level=level)] == whole
        (note,) = [n for n in notes if f"level {level}:" in n] if collapsed else [""]
        for seed in collapsed:
            assert re.search(rf"seed {seed} \({100 * found[seed]:.1f}%\)", note)
        for text in texts:
            row = text_rows(text)[f"{level}*" if collapsed else f"{level}"]
            shown = float(row[3].rstrip("%"))
            assert shown == pytest.approx(100 * np.median(whole), abs=0.0501)
            assert note in text.replace("\n", " ") or note in " ".join(text.split())


def test_a_level_without_its_dense_network_has_nothing_to_collapse_from():
    row = LevelResult(0, 1, 0.5, 10, 5, None, 0.1, None, 1.0, 0.0)
    assert level_summaries([row])[0].collapsed == ()
    assert collapse_notes([row]) == ()
