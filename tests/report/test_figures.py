from __future__ import annotations

import dataclasses
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_hex

from tfprune.errors import InputError
from tfprune.report.figures import (
    accuracy_figure,
    controls_figure,
    curves_figure,
    depth_figure,
    heatmap_figure,
    layer_sparsity_figure,
    named_figures,
    save_figures,
)
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


def test_each_level_has_its_own_null_in_its_own_colour(make_data):
    rows = [dataclasses.replace(r, null=0.1 * r.level) for r in make_data(n_levels=3).similarities]
    lines = depth_figure(rows, measure="cka").axes[0].lines
    colours = level_colours([1, 2, 3])
    for level in (1, 2, 3):
        (dotted,) = [
            line
            for line in lines
            if line.get_color() == colours[level] and line.get_linestyle() == "--"
        ]
        np.testing.assert_allclose(dotted.get_ydata(), 0.1 * level)


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


def test_the_ticket_stands_beside_each_control_without_the_dense_level(make_data):
    data = make_data(n_levels=3, extras=True)
    axes = controls_figure(data.levels, data.controls).axes[0]
    lines = {line.get_label(): line for line in axes.lines}
    assert list(lines) == ["ticket", "random mask", "re-initialised", "dense, test"]
    pruned = [100 * row.accuracy_test for row in data.levels if row.level]
    np.testing.assert_allclose(lines["ticket"].get_ydata(), pruned)
    np.testing.assert_allclose(lines["random mask"].get_ydata(), 93 - 3 * np.array([1, 2, 3]))
    np.testing.assert_allclose(lines["random mask"].get_xdata(), log_density(1 - 0.8 ** np.r_[1:4]))


def test_the_sparsity_of_layers_is_the_mean_of_replicates(make_data):
    data = make_data(n_seeds=2, n_levels=2, n_layers=3)
    rows = [
        dataclasses.replace(row, layer_sparsity={"a": row.level / 10 + row.seed / 5, "b": 0.995})
        for row in data.levels
    ]
    axes = layer_sparsity_figure(rows).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.2, 0.995], [0.3, 0.995]])
    assert [text.get_text() for text in axes.texts] == ["20%", "99.5%", "30%", "99.5%"]


def test_curves_are_solid_for_validation_and_count_epochs_from_one(make_data):
    data = make_data(n_levels=1, n_seeds=2)
    axes = curves_figure(data.epochs, metric="loss").axes[0]
    drawn = [line for line in axes.lines if len(line.get_xdata())]
    assert [line.get_linestyle() for line in drawn] == ["-", "-", "--", "--"]
    np.testing.assert_array_equal(drawn[0].get_xdata(), [1, 2, 3])
    np.testing.assert_allclose(drawn[0].get_ydata(), [1.6, 0.8, 1.6 / 3])
    np.testing.assert_allclose(drawn[2].get_ydata(), [1.5, 0.75, 0.5])
    assert drawn[0].get_color() == drawn[2].get_color() != drawn[1].get_color()


def test_curves_of_accuracy_are_percentages_and_name_only_what_is_drawn(make_data):
    data = make_data(n_levels=2, validation=False)
    figure = curves_figure(data.epochs, levels=data.levels)
    drawn = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    np.testing.assert_allclose(drawn[0].get_ydata(), [50, 65, 80])
    assert figure.axes[0].get_ylabel() == "Accuracy (%)"
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "training", "level 0 (0%)", "level 1 (20%)", "level 2 (36%)",
    ]  # fmt: skip


@pytest.mark.parametrize("n_levels", [1, 2, 3, 4, 5])
def test_no_legend_is_wider_than_its_figure(make_data, n_levels):
    data = make_data(n_levels=n_levels, n_seeds=2, extras=True)
    for name, figure in named_figures(data).items():
        figure.canvas.draw()
        for legend in figure.legends:
            assert legend.get_window_extent().x1 <= figure.bbox.x1, name


def test_curves_of_many_levels_get_a_colour_bar(make_data):
    figure = curves_figure(make_data(n_levels=12).epochs)
    assert len(figure.axes) == 2
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["validation", "training"]


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: curves_figure(()),
         "there are no training curves to draw: no epoch was recorded."),
        (lambda: controls_figure((), ()),
         "there are no controls to draw: none was trained. Give 'run' a --control."),
        (lambda: layer_sparsity_figure(()),
         "there is no sparsity to draw: no level was pruned."),
    ],
)  # fmt: skip
def test_what_was_not_taken_is_not_drawn(draw, message):
    with pytest.raises(InputError) as caught:
        draw()
    assert str(caught.value) == message


def test_every_kind_is_completed_in_the_shell(make_data):
    from tfprune_cli.completion import complete_figure

    offered = [item.value for item in complete_figure(None, None, "")]
    assert set(named_figures(make_data(extras=True))) <= set(offered)
    assert len(offered) == len(set(offered))


def test_a_kind_that_the_run_has_not_is_refused_with_those_it_has(make_data, tmp_path):
    with pytest.raises(InputError, match="controls-accuracy") as caught:
        save_figures(tmp_path, make_data(measures=("cka",)), kind="controls-accuracy")
    assert "layer-sparsity, curves-accuracy, curves-loss" in str(caught.value)


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
    data = make_data(measures=("svcca",), extras=True, **shape)
    written = save_figures(tmp_path / "plots", data)
    assert [path.name for path in written] == [
        "accuracy.png", "depth-svcca.png", "heatmap-svcca.png", "layer-sparsity.png",
        "controls-accuracy.png", "curves-accuracy.png", "curves-loss.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.slow
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
    assert len(save_figures(tmp_path, dataclasses.replace(data, similarities=rows))) == 6
