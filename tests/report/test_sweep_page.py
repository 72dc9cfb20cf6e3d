"""The page of a sweep shows its settings, what is tested, and in how many universes it holds."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest

from tfprune.errors import InputError
from tfprune.report.data import ReportData
from tfprune.report.page.sweep import SweepData, render_sweep, write_sweep_report
from tfprune.results import LevelResult, SimilarityResult

FIELDS = {
    item.name: None if "None" in str(item.type) else 0
    for item in dataclasses.fields(SimilarityResult)
}
EVIL = '</script><script>alert("x")</script>'


def data(name, low, n_seeds=10):
    rows, levels = [], []
    for seed in range(n_seeds):
        for level in (0, 1):
            accuracy = 0.9 + 0.001 * seed
            levels.append(LevelResult(seed, level, 0.5 * level, 10, 5, 0.9, accuracy, 0.1, 0.1, 0))
            for index, value in enumerate((0.9, low + 0.001 * seed, 0.8)):
                given = {"seed": seed, "level": level, "layer": f"layer{index}",
                         "layer_index": index, "measure": "cka", "layout": "pixels",
                         "against": "dense", "warnings": "",
                         "similarity": value if level else 1.0}  # fmt: skip
                rows.append(SimilarityResult(**{**FIELDS, **given}))
    return ReportData(name, tuple(levels), tuple(rows), config=f"pruning: {{strategy: {name}}}\n")


@pytest.fixture(scope="module")
def page():
    names = {"magnitude": 0.7, "random": 0.3}
    settings = {name: [data(name, low)] for name, low in names.items()}
    return render_sweep(
        SweepData(
            EVIL, settings, facts=[("cells", "20 of 21 done")], failed=[("seed=20", EVIL)],
            floors={"seed floor": data("floor", 0.5)},
        )
    )  # fmt: skip


def test_it_says_what_the_tests_find_with_their_numbers(page):
    assert "random against magnitude, 50% of the weights pruned (level 1): " in page
    assert "layer1 (0.30 against 0.70) is less similar to the dense network" in page
    rows = re.findall(r"<tr><th scope=\"row\">random − magnitude</th>(.*?)</tr>", page)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in rows]
    by_subject = {row[0]: row[1:] for row in cells}
    # four questions; ten pairs whose signs agree: p = 2 / 2^10
    assert by_subject["layer1"] == ["10", "-0.400", "–", "0.0020", "0.0078", "yes"]
    assert by_subject["test accuracy"] == ["10", "+0.00 pp", "–", "1.0000", "1.0000", "no"]


def test_it_says_in_how_many_universes_a_finding_holds(page):
    assert "layer1 is the least similar layer" in page
    assert re.search(r"10 of 10</td><td class=\"n\">100%</td><td>Linear CKA 10 of 10", page)


def test_it_shows_accuracy_and_depth_with_the_floor(page):
    charts = json.loads(re.search(r'id="charts">(.*?)</script>', page, re.DOTALL)[1])["charts"]
    assert set(charts) == {"settings-accuracy", "settings-depth-cka"}
    runs = charts["settings-depth-cka"]["columns"]["run"]["names"]
    assert runs == ["magnitude", "random", "seed floor"]
    assert "no seed floor is shown" not in page


def test_names_and_errors_can_neither_open_nor_close_a_script(page):
    assert EVIL not in page
    assert page.count("<script") == 3


def test_without_a_done_cell_there_is_no_page(tmp_path):
    with pytest.raises(InputError) as error:
        write_sweep_report(tmp_path / "report.html", SweepData("s", {}))
    assert str(error.value) == "no cell of s is done, so there is nothing to report yet."
    assert not list(tmp_path.iterdir())


def test_one_setting_is_compared_with_nothing():
    text = render_sweep(SweepData("s", {"all cells": [data("a", 0.5, n_seeds=2)]}))
    assert "There is one setting only, so nothing is compared." in text
    assert "no seed floor is shown" in text
