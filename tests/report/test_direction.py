"""Which way a measure points is what the measure says, whatever its name ends in."""

from __future__ import annotations

import pytest

from tfprune.registry import Entry
from tfprune.report.charts.similarity import depth_chart
from tfprune.report.labels import is_distance, measure_label
from tfprune.report.tables import level_table
from tfprune.similarity import MEASURES, Measure


def of_direction(name: str, *, larger: bool, label: str = "") -> Measure:
    return Measure(
        name=name, summary="", compute=lambda pair: 0.5, value_range=(0.0, 9.0), paper="",
        definition="", larger_is_more_similar=larger, label=label,
    )  # fmt: skip


ANGLE = of_direction("angle", larger=False, label="Angle (rad)")
NEAR = of_direction("near-distance", larger=True)


@pytest.fixture
def plugins(monkeypatch):
    """Two measures of another package, with names that say nothing or the wrong thing."""
    for name, place in (("angle", "ANGLE"), ("near-distance", "NEAR")):
        entry = Entry(name, f"{__name__}:{place}", "theirs")
        monkeypatch.setitem(MEASURES._entries, name, entry)


def test_the_measure_decides_and_not_its_name(plugins):
    assert is_distance("angle")
    assert not is_distance("near-distance")
    assert is_distance("procrustes-distance")
    assert not is_distance("svcca")
    assert not is_distance("not-installed-distance")


def test_axes_call_a_measure_what_it_calls_itself(plugins):
    assert measure_label("angle") == "Angle (rad)"
    assert measure_label("near-distance") == "near-distance"
    assert measure_label("svcca") == "SVCCA similarity"
    assert measure_label("not-installed") == "not-installed"


@pytest.mark.parametrize(("measure", "word"), [("angle", "highest"), ("near-distance", "lowest")])
def test_the_compact_table_shows_the_least_alike_layer(plugins, make_data, measure, word):
    data = make_data(n_layers=30, n_levels=1, measures=(measure,))
    table = level_table(data, width=80)
    assert table.columns[5].header == word
    values = {row.layer: row.similarity for row in data.similarities}
    least = (max if measure == "angle" else min)(values, key=values.__getitem__)
    assert [str(cell) for cell in table.columns[6].cells][-1] == least


@pytest.mark.parametrize(("measure", "top"), [("angle", 0.98), ("near-distance", 1.0)])
def test_charts_of_a_distance_are_not_stretched_to_one(plugins, make_data, measure, top):
    data = make_data(measures=(measure,), n_levels=1)
    scale = depth_chart(data, measure, key="k").spec["layer"][-1]["encoding"]["y"]["scale"]
    assert scale["domain"][0] == 0
    assert scale["domain"][1] <= top
    assert (scale["domain"][1] == 1.0) == (measure == "near-distance")
