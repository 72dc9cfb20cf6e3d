from __future__ import annotations

import dataclasses
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from tfprune.errors import InputError
from tfprune.report.figures import accuracy_figure, depth_figure, heatmap_figure, save_figures
from tfprune.report.sparsity_axis import log_density, sparsity_ticks
from tfprune.report.style import level_colours


def test_depth_lines_are_the_profiles_light_to_dark(make_data):
    data = make_data(n_levels=3, n_layers=4)
    lines = depth_figure(data.similarities, measure="cka", levels=data.levels).axes[0].lines
    wanted = [r.similarity for r in data.similarities if (r.measure, r.level) == ("cka", 2)]
    np.testing.assert_allclose(lines[1].get_ydata(), wanted)
    lightness = [sum(matplotlib.colors.to_rgb(line.get_color())) for line in lines[:3]]
    assert lightness == sorted(lightness, reverse=True)
    assert lines[1].get_label() == "level 2 (36%)"


def test_the_floor_is_drawn_where_a_second_seed_was_trained(make_data):
    def labels(n_seeds):
        figure = depth_figure(make_data(n_seeds=n_seeds).similarities)
        return [line.get_label() for line in figure.axes[0].lines]

    assert "dense, other seed" in labels(2)
    assert "dense, other seed" not in labels(1)
    assert "unrelated layers" in labels(1)


def test_many_levels_get_a_colour_bar_instead_of_a_long_legend(make_data):
    figure = depth_figure(make_data(n_levels=20).similarities)
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["unrelated layers"]


def test_a_negative_similarity_stays_inside_the_axes(make_data):
    rows = [dataclasses.replace(r, similarity=-0.3) for r in make_data(n_levels=1).similarities]
    low, _ = depth_figure(rows).axes[0].get_ylim()
    assert low < -0.3


def test_the_map_holds_levels_by_layers_and_leaves_missing_cells_blank(make_data):
    data = make_data(n_levels=2, n_layers=3, measures=("svcca",))
    rows = list(data.similarities)
    rows[0] = dataclasses.replace(rows[0], similarity=float("nan"))
    shown = heatmap_figure(rows).axes[0].images[0].get_array()
    assert shown.shape == (2, 3)
    assert shown.mask[0, 0]
    assert shown[1, 2] == pytest.approx(rows[5].similarity)


def test_accuracy_shows_the_dense_line_and_the_spread_of_replicates(make_data):
    data = make_data(n_seeds=3, n_levels=2)
    axes = accuracy_figure(data.levels).axes[0]
    dense = np.mean([100 * row.accuracy_test for row in data.levels if row.level == 0])
    rule = next(line for line in axes.lines if line.get_label() == "dense, test")
    np.testing.assert_allclose(rule.get_ydata(), dense)
    assert len(axes.collections) == 2  # a band for test, one for validation


def test_levels_that_remove_the_same_share_stand_at_equal_distances():
    places = log_density(1 - 0.8 ** np.arange(6))
    np.testing.assert_allclose(np.diff(places), np.diff(places)[0])


@pytest.mark.parametrize("highest", [0.0, 0.05, 0.2, 0.67, 0.95, 0.9988, 1.0])
def test_sparsity_ticks_start_at_dense_and_keep_apart(highest):
    ticks = sparsity_ticks(highest)
    assert ticks[0] == 0
    assert ticks == sorted(ticks)
    assert max(ticks) <= max(highest, 0.0) + 1e-9
    assert len(ticks) <= 8


def test_last_level_is_darkest_and_colours_differ():
    colours = [to_hex(c) for c in level_colours(range(1, 8)).values()]
    assert len(set(colours)) == 7
    assert colours[-1] == "#440154"


@pytest.mark.parametrize(
    "shape",
    [{"n_layers": 1, "n_levels": 1}, {"n_layers": 60, "n_levels": 3, "long": True}],
    ids=["least", "deep"],
)
def test_every_figure_is_saved(make_data, tmp_path, shape):
    data = make_data(measures=("svcca",), **shape)
    written = save_figures(tmp_path / "plots", data)
    assert [path.name for path in written] == [
        "accuracy.png", "depth-svcca.png", "heatmap-svcca.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


def test_the_same_data_gives_the_same_files(make_data, tmp_path):
    data = make_data(n_levels=1, n_layers=2, measures=("cka",))
    first, second = (
        save_figures(tmp_path / name, data, formats=("pdf", "svg")) for name in ("a", "b")
    )
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]


def test_an_unknown_format_is_refused_before_anything_is_written(make_data, tmp_path):
    with pytest.raises(InputError, match=r"^figures are saved as png, pdf, svg; got 'bmp'\.$"):
        save_figures(tmp_path / "plots", make_data(), formats=("png", "bmp"))
    assert not (tmp_path / "plots").exists()


def test_a_measure_that_was_not_taken_is_refused_with_those_that_were(make_data):
    with pytest.raises(InputError, match=r"by 'rsa'\. Measures of this run: svcca, cka\.$"):
        depth_figure(make_data().similarities, measure="rsa")
    with pytest.raises(InputError, match=r"nothing to draw: no layer of any level was compared"):
        heatmap_figure(())


def test_drawing_leaves_the_users_settings_alone(make_data):
    before = dict(matplotlib.rcParams)
    depth_figure(make_data(n_levels=1).similarities)
    assert dict(matplotlib.rcParams) == before


def test_drawing_never_loads_pyplot(tmp_path):
    code = (
        "import sys; from tfprune.report.figures import save_figures;"
        "from tfprune.report.data import ReportData;"
        "from tfprune.experiment.results import LevelResult;"
        "row = LevelResult(0, 0, 0.0, 9, 9, None, 0.9, None, 0.1, 0.0);"
        f"save_figures({str(tmp_path)!r}, ReportData('a', (row,)), formats=('png', 'pdf'));"
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_layers_without_a_number_draw_an_empty_figure_and_warn_nobody(make_data, tmp_path):
    data = make_data(n_levels=1, measures=("svcca",))
    rows = tuple(
        dataclasses.replace(r, similarity=float("nan"), low=None, high=None, null=None)
        for r in data.similarities
    )
    assert len(save_figures(tmp_path, dataclasses.replace(data, similarities=rows))) == 3
