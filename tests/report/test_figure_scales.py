"""Scales of figures: colours of levels and runs on either paper, and ticks of sparsity."""

from __future__ import annotations

import colorsys
import json
import re

import numpy as np
import pytest

from tfprune.report.charts.accuracy import curve_charts
from tfprune.report.charts.axes import level_colour, log_density, sparsity_ticks
from tfprune.report.charts.beside import runs_accuracy_chart, runs_depth_charts
from tfprune.report.charts.chart import CATEGORIES, accuracy_scale, dashes_of, lines_by
from tfprune.report.charts.controls import control_charts
from tfprune.report.charts.similarity import depth_chart
from tfprune.report.figures import draw


def on_papers(levels):
    """Colours of levels on light paper and on dark."""
    found = [re.findall("#[0-9a-f]{6}", one["expr"])
             for one in level_colour(levels, {})["scale"]["range"]]  # fmt: skip
    dark, light = zip(*found, strict=True)
    return light, dark


@pytest.mark.parametrize("n", [2, 6, 7, 20])
def test_levels_grow_darker_evenly_on_either_paper(n):
    for colours in on_papers(range(1, n + 1)):
        steps = np.diff([_lightness(colour) for colour in colours])
        assert (steps < 0).all()
        assert abs(steps).max() < 1.4 * abs(steps).min()


@pytest.mark.parametrize("n", [2, 6, 20])
def test_a_level_keeps_its_hue_on_dark_paper_and_can_be_seen_there(n):
    light, dark = on_papers(range(1, n + 1))
    for one, other in zip(light, dark, strict=True):
        assert _hue(one) == pytest.approx(_hue(other), abs=3)
        assert _contrast(other, PAPER) >= 4
    assert _contrast(light[-1], "#ffffff") >= 4
    assert _contrast(CATEGORIES[0], PAPER) >= 3  # blue, the darkest of the others


@pytest.mark.parametrize(
    ("lowest", "highest", "end"),
    [(0.70, 0.99, 1), (0.955, 1.0, 1), (0.40, 0.55, None), (0.90, 0.91, None), (1.0, 1.0, None)],
)
def test_an_axis_of_accuracies_ends_at_1_and_only_where_it_comes_near(lowest, highest, end):
    rows = [{"lowest": lowest, "highest": highest}, {"lowest": None, "highest": None}]
    scale = accuracy_scale(rows, padding=10)
    assert scale.get("domainMax") == end
    assert (scale["zero"], scale["padding"]) == (False, 10)


@pytest.mark.parametrize("longest", ["test", "random-mask", "cifar10_corrupted/gaussian_noise_3"])
def test_a_legend_has_room_for_its_names(longest):
    legend = lines_by("run", dashes_of(["test", longest]), entry=115)["strokeDash"]["legend"]
    entry = int(re.search(r"/ (\d+)", legend["columns"]["expr"])[1])
    assert 115 <= entry <= 400  # of a column of a paper, 403
    assert legend["labelLimit"] + 30 < entry  # and the line before it
    assert legend["labelLimit"] >= 7 * len(longest)


PAPER = "#14171a"  # page.css, dark


def _hue(colour: str) -> float:
    """Degrees round the circle of colours."""
    return colorsys.rgb_to_hls(*(int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)))[0] * 360


def _contrast(one: str, other: str) -> float:
    """WCAG's contrast, 1 to 21."""
    low, high = sorted(((_lightness(c) + 16) / 116) ** 3 + 0.05 for c in (one, other))
    return high / low


def _lightness(colour: str) -> float:
    """Return CIE L* of an sRGB colour."""
    share = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return 116 * float(linear @ [0.2126, 0.7152, 0.0722]) ** (1 / 3) - 16


def test_levels_that_remove_the_same_share_stand_at_equal_distances():
    places = log_density(1 - 0.8 ** np.arange(6))
    np.testing.assert_allclose(np.diff(places), np.diff(places)[0])


@pytest.mark.parametrize("n_levels", [0, 1, 2, 5, 10, 20, 30])
def test_sparsity_ticks_stand_at_levels_keep_both_ends_and_keep_apart(n_levels):
    levels = [1 - 0.8**level for level in range(n_levels + 1)]
    ticks = sparsity_ticks(levels)
    assert set(ticks) <= set(levels)
    assert ticks == sorted(ticks)
    assert (ticks[0], ticks[-1]) == (0, levels[-1])
    assert len(ticks) <= 11
    if n_levels <= 10:
        assert ticks == levels
    places = log_density(np.array(ticks))
    assert (np.diff(places) >= places[-1] / 10 * 0.999).all()


def test_ticks_of_levels_that_are_crowded_leave_some_out():
    assert sparsity_ticks([0.0, 0.5, 0.5000001, 0.988, 0.99]) == [0.0, 0.5, 0.99]


def test_a_level_has_one_colour_in_every_chart(make_data):
    data = make_data(n_levels=5, n_layers=3, extras=True)
    depth, curves = depth_chart(data, "cka", key="d"), curve_charts(data, key="c")[0]
    over_depth = depth.spec["layer"][-1]["encoding"]["color"]
    over_epochs = curves.spec["encoding"]["color"]
    assert over_depth["scale"] == over_epochs["scale"]
    assert over_depth["scale"]["domain"] == [0, 1, 2, 3, 4, 5]
    assert over_depth["legend"]["values"] == [1, 2, 3, 4, 5]
    assert over_epochs["legend"]["values"] == [0, 1, 2, 3, 4, 5]


def test_runs_and_controls_are_told_apart_without_their_colours(make_data):
    """In gray and for readers who see no hues: by dashes, named in the legend, and by points."""
    runs = {f"run {n}": make_data(n_levels=2) for n in range(6)}
    charts = [runs_accuracy_chart(runs, key="a"), *runs_depth_charts(runs, key="d"),
              *control_charts(make_data(n_levels=2, extras=True), key="c")]  # fmt: skip
    for chart in charts:
        names = dict.fromkeys(row.get("run") or row["network"] for row in chart.rows)
        scale = chart.spec["layer"][-1]["encoding"]["strokeDash"]["scale"]
        dashes = dict(zip(scale["domain"], map(tuple, scale["range"]), strict=True))
        shapes = chart.spec["layer"][-1]["mark"]["point"]["shape"]["expr"]
        shape_of = json.loads(shapes.partition(")")[0].strip("("))
        for told in (dashes, shape_of):
            assert len({told[name] for name in names}) == len(names) > 1, chart.key
    svg = draw(runs_depth_charts(runs, key="d")[0], "svg").decode()
    assert len(set(re.findall(r'stroke-dasharray="([0-9.,]+)"', svg))) >= 5
