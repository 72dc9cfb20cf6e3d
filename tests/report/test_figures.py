from __future__ import annotations

import dataclasses
import io
import json
import re
import subprocess
import sys

import numpy as np
import pytest

from tfprune import report
from tfprune.errors import InputError
from tfprune.report import FIGURES, FORMATS
from tfprune.report.charts.accuracy import accuracy_chart, curve_charts
from tfprune.report.charts.axes import level_colour, log_density
from tfprune.report.charts.chart import CATEGORIES
from tfprune.report.charts.controls import control_charts
from tfprune.report.charts.layers import layer_sparsity_chart
from tfprune.report.charts.pairs import comparison_chart, matrix_chart
from tfprune.report.charts.similarity import depth_chart, heat_chart
from tfprune.report.data import ReportData
from tfprune.report.figures import charts_of, draw, save_figures, specification
from tfprune.results.descriptions import QUANTITIES


def texts(svg: bytes) -> list[str]:
    """Return what a figure says, in the order in which it is drawn."""
    return re.findall(r"<text[^>]*>([^<]+)</text>", svg.decode())


def drawn(data: ReportData, *stems: str) -> dict[str, list[str]]:
    """Return what the figures of these names say."""
    charts = charts_of(data)
    return {stem: texts(draw(charts[stem], "svg")) for stem in stems}


def size(svg: bytes) -> tuple[float, float]:
    """Return width and height of a figure in points."""
    found = re.search(rb'width="([0-9.]+)pt" height="([0-9.]+)pt"', svg)
    assert found is not None
    return float(found[1]), float(found[2])


def test_a_figure_is_the_pages_chart_on_white(make_data):
    chart = depth_chart(make_data(), "cka", key="k")
    page, figure = chart.document()["spec"], specification(chart)
    assert "var(--" not in json.dumps(figure)
    for part in ("layer", "$schema", "description"):
        assert json.dumps(page[part]).replace("var(--floor)", "#555d66") == json.dumps(figure[part])
    assert figure["datasets"]["rows"] == chart.rows


@pytest.mark.parametrize(
    ("n_layers", "depth", "cells"), [(4, 252, 252), (9, 252, 518), (16, 518, 518)]
)
def test_figures_are_as_wide_as_one_column_or_both(make_data, n_layers, depth, cells):
    data = make_data(n_levels=2, n_layers=n_layers)
    width, _ = size(draw(depth_chart(data, "cka", key="k"), "svg"))
    assert width == pytest.approx(depth, abs=0.5)
    width, _ = size(draw(heat_chart(data, "cka", key="k"), "svg"))
    assert width == pytest.approx(cells, abs=0.5)


def test_letters_are_of_one_size_on_paper_whatever_the_width(make_data):
    for n_layers in (4, 20):
        svg = draw(depth_chart(make_data(n_levels=2, n_layers=n_layers), "cka", key="k"), "svg")
        box = re.search(rb'viewBox="0 0 ([0-9.]+)', svg)
        scale = size(svg)[0] / float(box[1])
        letters = set(re.findall(r'font-size="([0-9.]+)px"', svg.decode()))
        assert [scale * float(letter) for letter in letters] == [pytest.approx(7.5, rel=1e-3)]


def test_a_png_has_the_size_of_the_paper_at_300_dots_per_inch(make_data):
    from PIL import Image

    chart = accuracy_chart(make_data(n_levels=1), key="k")
    picture = Image.open(io.BytesIO(draw(chart, "png")))
    assert picture.mode == "RGB"
    assert picture.info["dpi"] == pytest.approx((300, 300), rel=1e-3)
    width, height = size(draw(chart, "svg"))
    assert picture.size == pytest.approx((width * 300 / 72, height * 300 / 72), abs=1.5)


def test_a_pdf_embeds_its_font_and_has_the_size_of_the_paper(make_data):
    chart = accuracy_chart(make_data(n_levels=1), key="k")
    pdf = draw(chart, "pdf")
    assert set(re.findall(rb"BaseFont /[A-Z]{6}\+([A-Za-z-]+)", pdf)) == {b"LiberationSans"}
    assert b"/FontFile" in pdf
    box = re.search(rb"/MediaBox \[0 0 ([0-9.]+) ([0-9.]+)\]", pdf)
    assert [float(n) for n in box.groups()] == pytest.approx(size(draw(chart, "svg")), rel=1e-3)


def test_axes_name_what_they_measure_and_its_unit(make_data):
    data = make_data(n_levels=2, n_layers=3, measures=("procrustes-distance",))
    said = drawn(data, "accuracy", "curves-loss", "depth-procrustes-distance", "layer-sparsity")
    assert {"Sparsity (% of prunable weights)", "Accuracy"} <= set(said["accuracy"])
    assert any(text.endswith("%") for text in said["accuracy"])
    assert {"Epoch", "Loss per example (nats)"} <= set(said["curves-loss"])
    assert {"Layer, input to output", "Procrustes distance (rad)"} <= set(
        said["depth-procrustes-distance"]
    )
    assert {"Level (sparsity)", "1 (20%)", "2 (36%)"} <= set(said["layer-sparsity"])


def test_every_line_is_named_beside_the_axes(make_data):
    data = make_data(n_levels=3, n_layers=3, n_seeds=2, extras=True)
    said = drawn(data, "accuracy", "controls-accuracy", "curves-loss", "depth-cka")
    assert {"test", "validation", "dense, test"} <= set(said["accuracy"])
    assert {"ticket", "random mask", "re-initialised", "dense, test"} <= set(
        said["controls-accuracy"]
    )
    assert {"validation", "training", "3 (49%)"} <= set(said["curves-loss"])
    assert {"dense, other seed", "unrelated layers", "2 (36%)"} <= set(said["depth-cka"])
    one = texts(draw(depth_chart(make_data(n_levels=1), "cka", key="k"), "svg"))
    assert "unrelated layers" in one
    assert "dense, other seed" not in one


@pytest.mark.parametrize("n_levels", [3, pytest.param(14, marks=pytest.mark.slow)])
def test_no_name_in_a_legend_leaves_the_figure(make_data, n_levels):
    """A letter is about half as wide as it is high."""
    data = make_data(n_levels=n_levels, n_layers=3, n_seeds=2, extras=True, measures=("cka",))
    for stem, chart in charts_of(data).items():
        svg = draw(chart, "svg").decode()
        width = float(re.search(r'viewBox="0 0 ([0-9.]+)', svg)[1])
        names = [(x, text) for x, text in _places(svg) if text]
        assert names, stem
        assert max(x + 6 * len(text) for x, text in names) <= width + 6, stem


def _places(svg: str) -> list[tuple[float, str]]:
    """Return where each left-aligned text of the legends starts, from the transforms around it."""
    from xml.etree import ElementTree

    found = []

    def walk(element, x):
        moved = re.search(r"translate\((-?[0-9.]+)", element.get("transform", ""))
        x += float(moved[1]) if moved else 0.0
        if element.tag.endswith("text") and element.get("text-anchor") == "start":
            found.append((x, element.text or ""))
        for child in element:
            walk(child, x)

    walk(ElementTree.fromstring(svg), 0.0)
    return found


def test_of_many_levels_the_legend_names_a_few_with_both_ends():
    channel = level_colour(range(1, 21), {})
    assert channel["legend"]["values"] == [1, 6, 11, 15, 20]
    assert channel["scale"]["domain"] == [1, 20]


def test_a_single_layer_is_drawn_as_a_stretch(make_data):
    svg = draw(depth_chart(make_data(n_layers=1, n_levels=1), "cka", key="k"), "svg").decode()
    dotted = re.search(r'<line [^>]*x2="(-?[0-9.]+)"[^>]*stroke-dasharray="2,3"', svg)
    assert dotted is not None
    assert abs(float(dotted[1])) > 100


def test_the_map_writes_numbers_where_they_fit_and_leaves_missing_cells_blank(make_data):
    data = make_data(n_levels=2, n_layers=3, measures=("svcca",))
    rows = list(data.similarities)
    rows[0] = dataclasses.replace(rows[0], similarity=float("nan"))
    svg = draw(
        heat_chart(dataclasses.replace(data, similarities=tuple(rows)), "svcca", key="k"), "svg"
    )
    assert [text for text in texts(svg) if re.fullmatch(r"0\.\d\d", text)] == [
        f"{row.similarity:.2f}" for row in rows[1:]
    ]
    wide = draw(heat_chart(make_data(n_levels=1, n_layers=40), "cka", key="k"), "svg")
    assert not [text for text in texts(wide) if re.fullmatch(r"0\.\d\d", text)]


def test_the_sparsity_of_layers_is_the_mean_of_replicates_and_never_a_false_100(make_data):
    data = make_data(n_seeds=2, n_levels=2, n_layers=3)
    levels = tuple(
        dataclasses.replace(
            row, layer_sparsity={"a": row.level / 10 + row.seed / 5, "b": 0.9997, "c": 1.0}
        )
        for row in data.levels
    )
    chart = layer_sparsity_chart(dataclasses.replace(data, levels=levels), key="k")
    shares = [row["sparsity"] for row in chart.rows]
    assert shares == pytest.approx([0.2, 0.9997, 1, 0.3, 0.9997, 1])
    said = texts(draw(chart, "svg"))
    assert said.count("99.97%") == 2
    assert "30%" in said


def test_the_ticket_stands_beside_each_control_without_the_dense_level(make_data):
    data = make_data(n_levels=3, n_seeds=2, extras=True)
    chart = control_charts(data, key="k")[0]
    rows = {(row["network"], row["level"]): row for row in chart.rows}
    assert list(dict.fromkeys(name for name, _ in rows)) == [
        "ticket",
        "random mask",
        "re-initialised",
    ]
    assert {level for _, level in rows} == {1, 2, 3}
    found = [row.accuracy_test for row in data.levels if row.level == 2]
    assert rows["ticket", 2]["value"] == pytest.approx(np.mean(found), rel=1e-5)
    assert rows["ticket", 2]["lowest"] == pytest.approx(min(found), rel=1e-5)
    assert rows["random mask", 2]["value"] == pytest.approx(0.87)
    assert rows["random mask", 2]["place"] == pytest.approx(float(log_density(0.36)), rel=1e-5)
    rule = next(layer for layer in chart.spec["layer"] if "data" in layer)
    dense = np.mean([row.accuracy_test for row in data.levels if row.level == 0])
    assert rule["data"]["values"] == [
        {"network": "dense, test", "value": pytest.approx(dense, rel=1e-5)}
    ]


def test_curves_are_solid_for_validation_and_count_epochs_from_one(make_data):
    chart = curve_charts(make_data(n_levels=1, n_seeds=2), key="k")[1]
    drawn = {(row["data"], row["level"], row["epoch"]): row["loss"] for row in chart.rows}
    assert [drawn["validation", 0, n] for n in (1, 2, 3)] == pytest.approx(
        [1.6, 0.8, 1.6 / 3], rel=1e-5
    )
    assert [drawn["training", 1, n] for n in (1, 2, 3)] == pytest.approx([1.5, 0.75, 0.5], rel=1e-5)
    scale = chart.spec["encoding"]["strokeDash"]["scale"]
    assert dict(zip(scale["domain"], scale["range"], strict=True)) == {
        "validation": [1, 0], "training": [4, 3],
    }  # fmt: skip


def test_curves_name_only_what_is_drawn(make_data):
    chart = curve_charts(make_data(n_levels=2, validation=False), key="k")[0]
    assert chart.spec["encoding"]["strokeDash"]["scale"]["domain"] == ["training"]


def test_a_comparison_is_a_map_of_network_a_down_and_b_across():
    values = np.array([[0.91, 0.12, 0.3], [0.24, 0.85, 0.4]])
    chart = comparison_chart(
        values, measure="cka", a=("one", ("conv1", "conv2")), b=("two", ("a", "b", "c")), key="m"
    )
    assert [(row["layer_a"], row["layer"]) for row in chart.rows][:4] == [
        ("conv1", "a"), ("conv1", "b"), ("conv1", "c"), ("conv2", "a"),
    ]  # fmt: skip
    said = texts(draw(chart, "svg"))
    assert [text for text in said if re.fullmatch(r"0\.\d\d", text)] == [
        "0.91", "0.12", "0.30", "0.24", "0.85", "0.40",
    ]  # fmt: skip
    assert {"one", "two", "conv2", "c"} <= set(said)


def test_numbers_are_dark_on_bright_cells_and_bright_on_dark_ones():
    values = np.array([[0.9, 0.1]])
    chart = comparison_chart(values, measure="cka", a=("a", ("x",)), b=("b", ("y", "z")), key="m")
    svg = draw(chart, "svg").decode()
    fills = {
        text: re.search(r'fill="(\w+)"', given)[1]
        for given, text in re.findall(r"<text([^>]*)>(0\.\d\d)</text>", svg)
    }
    assert fills == {"0.90": "black", "0.10": "white"}


def test_every_kind_is_declared_and_completed_in_the_shell(make_data):
    from tfprune_cli.completion import complete_figure

    offered = [item.value for item in complete_figure(None, None, "")]
    kinds = set(charts_of(make_data(extras=True)))
    assert kinds <= set(offered)
    assert len(offered) == len(set(offered))
    measured = {kind if not kind.startswith(("depth-", "heatmap-")) else kind.split("-")[0] + "-"
                for kind in kinds}  # fmt: skip
    assert measured == set(FIGURES)


def test_a_kind_that_the_run_has_not_is_refused_with_those_it_has(make_data, tmp_path):
    with pytest.raises(InputError, match="controls-accuracy") as caught:
        save_figures(tmp_path, make_data(measures=("cka",)), kinds=["controls-accuracy"])
    assert "layer-sparsity, curves-accuracy, curves-loss" in str(caught.value)


def test_names_of_layers_are_never_cut(make_data):
    long = ("features/stage1_block1_conv1_with_a_rather_long_name", "b" * 60)
    data = make_data(n_levels=2, layers=long, extras=True)
    for stem in ("depth-cka", "heatmap-cka", "layer-sparsity"):
        said = texts(draw(charts_of(data)[stem], "svg"))
        assert set(long) <= set(said), stem
    said = texts(draw(matrix_chart(data, "cka", key="m"), "svg"))
    assert set(long) <= set(said)


@pytest.mark.slow
@pytest.mark.parametrize(
    "shape",
    [{"n_layers": 1, "n_levels": 1}, {"n_layers": 24, "n_levels": 1, "long": True}],
    ids=["least", "deep"],
)
def test_every_figure_is_saved(make_data, tmp_path, shape):
    data = make_data(measures=("svcca",), extras=True, **shape)
    written = save_figures(tmp_path / "plots", data)
    assert [path.name for path in written] == [
        "accuracy.png", "depth-svcca.png", "heatmap-svcca.png", "layer-sparsity.png",
        *(f"{one.name}.png" for one in QUANTITIES),
        "controls-accuracy.png", "curves-accuracy.png", "curves-loss.png",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in written)


@pytest.mark.parametrize("stem", ["depth-cka", "layer-sparsity"])
def test_the_same_data_gives_the_same_bytes(make_data, stem):
    """Bands and clipped marks are what vl-convert numbers and orders anew each time."""
    data = make_data(n_levels=1, n_layers=2, n_seeds=2, measures=("cka",))
    for form in FORMATS:
        assert len({draw(charts_of(data)[stem], form) for _ in range(3)}) == 1, form


@pytest.mark.slow
def test_another_process_draws_the_same_bytes(make_data, tmp_path):
    row = make_data(n_levels=0).levels[0]
    code = (
        "import sys; from tfprune.report.figures import save_figures;"
        "from tfprune.report.data import ReportData;"
        f"from {type(row).__module__} import LevelResult;"
        "row = LevelResult(0, 0, 0.0, 9, 9, None, 0.9, None, 0.1, 0.0);"
        "save_figures({!r}, ReportData('a', (row,)), formats=('png', 'pdf', 'svg'));"
        "assert not {{'matplotlib', 'tensorflow', 'mlflow'}} & set(sys.modules)"
    )
    for name in ("a", "b"):
        subprocess.run([sys.executable, "-c", code.format(str(tmp_path / name))], check=True)
    for suffix in FORMATS:
        one, other = (tmp_path / name / f"accuracy.{suffix}" for name in ("a", "b"))
        assert one.read_bytes() == other.read_bytes(), suffix


def test_names_of_layers_that_look_like_parts_of_a_drawing_stay(make_data):
    data = make_data(n_levels=1, layers=("clip7", "gradient_3", "part0"))
    assert {"clip7", "gradient_3", "part0"} <= set(
        texts(draw(heat_chart(data, "cka", key="k"), "svg"))
    )


def test_page_and_figures_are_drawn_by_the_newest_vega_lite_of_one_wheel(make_data):
    """Both ask vl-convert for no version, which means its newest."""
    import vl_convert

    known = [[int(part) for part in v.split(".")] for v in vl_convert.get_vegalite_versions()]
    chart = accuracy_chart(make_data(n_levels=1), key="k")
    for spec in (specification(chart), chart.document()["spec"]):
        assert spec["$schema"].endswith(f"/v{max(known)[0]}.json")


def test_an_unknown_format_is_refused_before_anything_is_written(make_data, tmp_path):
    with pytest.raises(InputError, match=r"^figures are saved as png, pdf, svg; got 'bmp'\.$"):
        save_figures(tmp_path / "plots", make_data(), formats=("png", "bmp"))
    assert not (tmp_path / "plots").exists()


def test_layers_without_a_number_draw_an_empty_figure_and_warn_nobody(make_data, tmp_path):
    data = make_data(n_levels=1, measures=("svcca",))
    rows = tuple(
        dataclasses.replace(r, similarity=float("nan"), low=None, high=None, null=None)
        for r in data.similarities
    )
    assert len(save_figures(tmp_path, dataclasses.replace(data, similarities=rows))) == 6


def test_the_style_sheet_for_figures_of_ones_own_has_the_same_colours():
    import matplotlib.style

    with matplotlib.style.context(f"{report.__name__}.tfprune"):
        colours = matplotlib.rcParams["axes.prop_cycle"].by_key()["color"]
    assert [f"#{colour.strip('#').lower()}" for colour in colours][: len(CATEGORIES)] == CATEGORIES


def test_several_runs_are_drawn_into_one_figure_by_their_names(make_data, tmp_path):
    runs = {"wide": make_data(n_layers=4), "deep": make_data(n_layers=6, measures=("svcca",))}
    written = save_figures(tmp_path, runs, formats=("svg",))
    assert [path.name for path in written] == ["accuracy.svg", "depth-svcca.svg", "depth-cka.svg"]
    for path in written[:2]:
        said = set(re.findall(r">([^<]+)</text>", path.read_text()))
        assert {"wide", "deep"} <= {text.split(",")[0] for text in said}
    # over depth, each says which level it shows
    row = max(runs["deep"].levels, key=lambda row: row.level)
    level = f"level {row.level} ({row.sparsity:.0%})"
    assert {f"wide, {level}", f"deep, {level}"} <= said


def test_long_names_of_runs_keep_both_ends_and_stay_apart(make_data, tmp_path):
    start = "conv6 on cifar10, magnitude, global, rewound to 2 epochs"
    runs = {f"{start}, seed {n}": make_data() for n in range(2)}
    runs |= {f"{start}, {word}, and {start}": make_data() for word in ("one", "two")}
    (written,) = save_figures(tmp_path, runs, formats=("svg",), kinds=["accuracy"])
    said = [text for text in re.findall(r">([^<]+)</text>", written.read_text()) if "conv6" in text]
    assert len(set(said)) == 4
    assert [text[-6:] for text in said[:2]] == ["seed 0", "seed 1"]
    assert [text[:2] for text in said[2:]] == ["3:", "4:"]
    assert max(map(len, said)) <= 51


def test_several_kinds_of_figure_can_be_chosen(make_data, tmp_path):
    kinds = ["depth-cka", "accuracy"]
    written = save_figures(tmp_path, make_data(), kinds=kinds)
    assert sorted(path.stem for path in written) == sorted(kinds)
    with pytest.raises(InputError) as caught:
        save_figures(tmp_path, {"a": make_data(), "b": make_data()}, kinds=["accuracy", "curves"])
    assert str(caught.value) == (
        "unknown figure 'curves'. Known: accuracy, depth-svcca, depth-cka. These are the figures "
        "of several runs; the others show one run."
    )
