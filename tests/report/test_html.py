from __future__ import annotations

import dataclasses
import json
import re
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.report.charts.chart import ON_WHITE
from tfprune.report.charts.descriptions import description_chart, quantities, without_value
from tfprune.report.charts.pairs import thin
from tfprune.report.charts.similarity import depth_chart
from tfprune.report.data import LayerMatrix
from tfprune.report.page import write_report
from tfprune.report.page.page import _run_page, render
from tfprune.results.descriptions import QUANTITIES, DescriptionResult

EVIL = '<script>alert("x")</script>'


class Page(HTMLParser):
    """What a browser would make of the page: scripts, headings and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[str] = []
        self.headings: list[str] = []
        self.images: list[str] = []
        self.text = ""
        self._in: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "script":
            self.scripts.append("")
        if tag in ("h2", "h3", "h4"):
            self.headings.append("")
        if tag == "img":
            self.images.append(dict(attrs)["src"])
        if tag in ("script", "h2", "h3", "h4", "style"):
            self._in.append(tag)

    def handle_endtag(self, tag):
        if self._in and tag == self._in[-1]:
            self._in.pop()

    def handle_data(self, data):
        inside = self._in[-1] if self._in else ""
        if inside == "script":
            self.scripts[-1] += data
        elif inside in ("h2", "h3", "h4"):
            self.headings[-1] += data
        elif inside != "style":
            self.text += data

    @property
    def charts(self) -> dict:
        return json.loads(self.scripts[0])["charts"]


@pytest.fixture(scope="module")
def full(make_data) -> Page:
    return Page(render([make_data(n_seeds=2, extras=True)]))


def rows_of(columns: dict) -> list[dict]:
    lists = {
        name: column if isinstance(column, list) else [column["names"][i] for i in column["at"]]
        for name, column in columns.items()
    }
    return [dict(zip(lists, values, strict=True)) for values in zip(*lists.values(), strict=True)]


def test_sections_come_in_the_order_in_which_a_reader_asks(full):
    sections = [
        "Accuracy",
        "Similarity with the dense network",
        "What is left of each layer",
        "Each layer by itself",
        "Controls beside the ticket",
        "Filters of the first layer",
        "Test images with a changed answer",
        "Training curves",
        "Configuration and versions",
        "How to reproduce",
        "How to cite",
    ]
    assert [h for h in full.headings if h in sections] == sections
    assert full.text.index("What changes inside") < full.text.index("The numbers of each level")


def test_a_quantity_that_no_layer_has_says_why(make_data):
    rows = [
        DescriptionResult(0, 1, 0, "conv1", name, None, None, None, 0, "too few neighbours.")
        for name in ("curvature-mapc", "curvature-rms")
    ]
    page = Page(render([make_data(n_levels=1, descriptions=tuple(rows))]))
    assert "Each layer by itself" in page.headings
    assert (
        "No layer has a value of mean absolute principal curvature and root mean square principal "
        "curvature: too few neighbours."
    ) in page.text


def test_quantities_come_as_declared_and_layers_without_a_value_say_why(make_data):
    def row(layer, name, value, why=""):
        return DescriptionResult(0, 1, int(layer[-1]), layer, name, value, None, None, 20, why)

    rows = [
        row("conv1", "detectors", 3.0), row("conv1", "curvature-rms", None, "too few neighbours."),
        row("conv2", "curvature-rms", None, "too few neighbours."), row("conv3", "detectors", 0.0),
        row("conv3", "curvature-rms", 0.5), row("conv3", "curvature-mapc", 0.2),
    ]  # fmt: skip
    data = make_data(n_levels=1, descriptions=tuple(rows))
    assert [one.name for one in quantities(data)] == [
        "curvature-mapc", "curvature-rms", "detectors"
    ]  # fmt: skip
    assert without_value(data) == [
        "No value of root mean square principal curvature in conv1 and conv2: too few neighbours."
    ]
    many = [row(f"conv{n}", "curvature-rms", None, f"reason {n}.") for n in range(4, 10)]
    assert without_value(make_data(n_levels=1, descriptions=(*rows, *many)))[-1] == (
        "3 more reasons are in descriptions.csv."
    )
    counts = description_chart(data, quantities(data)[-1], key="detectors")
    assert counts.spec["layer"][1]["encoding"]["y"]["axis"] == {"tickMinStep": 1}


def test_what_was_not_given_is_left_out(make_data):
    data = make_data(n_levels=1, epochs=(), config="", versions={}, provenance={}, run_id=None)
    page = Page(render([data]))
    assert "Training curves" not in page.headings
    assert "Filters of the first layer" not in page.headings
    assert "Configuration and versions" not in page.headings
    assert "Measure" in page.text
    assert not any("controls" in key or "matrix" in key for key in page.charts)


def test_a_run_without_any_comparison_still_has_a_page(make_data):
    page = Page(render([make_data(similarities=())]))
    assert "No pruned level was compared with the dense network." in page.text
    assert "Accuracy" in page.headings


def test_every_chart_compiles_and_draws_without_a_word(full):
    import vl_convert

    assert len(full.charts) == 14 + len(QUANTITIES)
    for key, chart in full.charts.items():
        spec = chart["spec"] | {"datasets": {"rows": rows_of(chart["columns"])}, "width": 400}
        spec = json.loads(re.sub(r"var\(--[a-z]+\)", "#333333", json.dumps(spec)))
        svg = vl_convert.vegalite_to_svg(spec)
        assert svg.count("<path") > 5, key
        assert "NaN" not in svg, key
        assert "undefined" not in svg, key


def test_a_cell_without_a_number_says_nothing(make_data):
    import vl_convert

    data = make_data(n_levels=1, n_layers=2, measures=("cka",))
    rows = (dataclasses.replace(data.similarities[0], similarity=float("nan")),)
    page = Page(render([dataclasses.replace(data, similarities=rows + data.similarities[1:])]))
    chart = page.charts["run1-heat-cka"]
    spec = chart["spec"] | {"datasets": {"rows": rows_of(chart["columns"])}, "width": 400}
    svg = vl_convert.vegalite_to_svg(spec)
    assert f">{data.similarities[1].similarity:.2f}<" in svg
    assert ">null<" not in svg


def test_charts_hold_the_numbers_of_the_run(make_data):
    data = make_data(n_levels=2, n_layers=3)
    charts = Page(render([data])).charts
    drawn = {
        (row["level"], row["layer"]): row["similarity"]
        for row in rows_of(charts["run1-heat-cka"]["columns"])
    }
    wanted = {(r.level, r.layer): r.similarity for r in data.similarities if r.measure == "cka"}
    assert drawn == pytest.approx(wanted, rel=1e-5)


def test_text_from_outside_is_shown_and_never_run(make_data):
    data = make_data(
        n_levels=1,
        extras=True,
        layers=(EVIL, "</style><b>", "{{ 7 * 7 }}"),
        name=EVIL,
        run_id=EVIL,
        config=f"data: '{EVIL}'",
        versions={EVIL: EVIL},
        provenance={EVIL: EVIL},
    )
    text = render([data, data])
    page = Page(text)
    assert "<script>alert" not in text
    assert len(page.scripts) == 3
    assert "49" not in page.headings
    assert page.text.count(EVIL) > 8
    layers = page.charts["run1-heat-svcca"]["columns"]["layer"]["names"]
    assert layers[0] == EVIL


def test_class_names_of_flipped_examples_are_escaped(make_data):
    data = make_data(extras=True)
    flipped = tuple(
        dataclasses.replace(
            item, label=EVIL, dense_prediction='" onerror="x', pruned_prediction=EVIL
        )
        for item in data.flipped
    )
    text = render([dataclasses.replace(data, flipped=flipped)])
    assert "<script>alert" not in text
    assert '" onerror="' not in text


def test_the_page_asks_the_network_for_nothing(full, make_data):
    text = render([make_data(n_levels=1, extras=True)])
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', text)
    assert policy is not None
    assert "default-src 'none'" in policy[1]
    assert "http" not in policy[1]
    own = text.replace(full.scripts[1], "")  # all but the bundled libraries
    assert not re.search(r'(src|href)="(?!data:|#)', own)
    assert all(image.startswith("data:image/png;base64,") for image in full.images)


@pytest.mark.slow
def test_the_largest_page_stays_under_five_megabytes(make_data, tmp_path):
    rng = np.random.default_rng(0)
    measures = ("svcca", "pwcca", "cka")
    data = make_data(n_layers=60, n_levels=30, long=True, n_seeds=2, measures=measures, extras=True)
    matrices = tuple(
        LayerMatrix(0, m.level, m.measure, m.dense_layers, m.level_layers,
                    rng.random(m.values.shape))
        for m in data.matrices
    )  # fmt: skip
    path = write_report(tmp_path / "report.html", dataclasses.replace(data, matrices=matrices))
    assert path.stat().st_size < 5_000_000


def test_thinned_levels_keep_both_ends(make_data):
    matrices = make_data(n_levels=30, extras=True).matrices[:30]
    kept = thin(matrices, 7)
    assert len(kept) == 7
    assert (kept[0].level, kept[-1].level) == (1, 30)
    assert thin(matrices, 30) == list(matrices)


def test_several_runs_stand_side_by_side(make_data):
    page = Page(render([make_data(), make_data(n_layers=8), make_data()]))
    runs = {row["run"] for row in rows_of(page.charts["runs-accuracy"]["columns"])}
    name = "digits-quick seed 0"
    assert runs == {name, f"{name} (2)", f"{name} (3)"}
    assert "runs-depth-cka" in page.charts
    assert {key.split("-")[0] for key in page.charts} == {"runs", "run1", "run2", "run3"}
    axis = page.charts["runs-depth-cka"]["spec"]["layer"][1]["encoding"]["x"]
    assert axis["title"] == "Relative depth"


def test_runs_of_one_network_are_compared_layer_by_layer(make_data):
    page = Page(render([make_data(), make_data()]))
    axis = page.charts["runs-depth-cka"]["spec"]["layer"][1]["encoding"]["x"]
    assert axis["field"] == "layer"


def test_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"^a report needs at least one run, got none\.$"):
        write_report(tmp_path / "report.html", [])
    assert not (tmp_path / "report.html").exists()


def test_the_page_is_the_same_for_the_same_data(make_data):
    assert render([make_data(n_levels=1)]) == render([make_data(n_levels=1)])


def test_a_run_of_which_no_number_is_finite_still_has_a_page(make_data, tmp_path):
    nothing = {"similarity": float("nan"), "low": None, "high": None, "null": None}
    data = make_data(extras=True, n_seeds=2)
    rows = tuple(dataclasses.replace(row, **nothing) for row in data.similarities)
    page = Page(render([dataclasses.replace(data, similarities=rows)]))
    assert "no layer could be compared by SVCCA similarity." in page.text
    values = page.charts["run1-heat-svcca"]["columns"]["similarity"]
    assert set(values) == {None}


def test_the_right_answer_of_a_flipped_example_is_marked(make_data):
    data = make_data(extras=True)
    flipped = dataclasses.replace(
        data.flipped[0], level=2, label="cat", dense_prediction="dog", pruned_prediction="cat"
    )
    page = " ".join(Page(render([dataclasses.replace(data, flipped=(flipped,))])).text.split())
    assert re.search(r"cat ?dense: dog ?level 2: cat ✓", page)


def test_what_is_known_of_the_data_stands_with_the_configuration_notes_first(make_data):
    data = make_data(provenance={"file_format": "csv", "image_size": "None", "note": "a copy"})
    page = " ".join(Page(render([data])).text.split())
    assert "Where the data came from data a copy file format csv" in page
    assert "image size" not in page


def test_the_first_line_says_what_was_run(make_data):
    config = (
        "{model: {name: conv4}, training: {epochs: 500it}, pruning: {levels: 3, fraction: 0.1}}"
    )
    data = make_data(n_levels=3, n_seeds=3, config=config, versions={"tfprune": "9.1 (abc)"},
                     began=0.0, seconds=134.2)  # fmt: skip
    page = " ".join(Page(render([data])).text.split())
    line = (
        "model conv4 data digits strategy magnitude, global levels 3 × 10% epochs 500 steps per "
        "level seeds 0 to 2 date 1970-01-01 00:00 UTC training and comparing 2 min 14 s tfprune 9.1"
    )
    assert line in page
    assert page.index(line) < page.index("What changes inside")
    fewer = dataclasses.replace(data, config="nothing: known", began=None, seconds=None)
    assert "strategy" not in Page(render([fewer])).text.partition("What changes")[0]


def test_headings_follow_one_another_without_a_gap(make_data):
    for runs in ([make_data(extras=True)], [make_data(extras=True), make_data(name="b")]):
        own = re.sub(r"<script.*?</script>", "", render(runs), flags=re.DOTALL)
        ranks = [int(n) for n in re.findall(r"<h([1-6])", own)]
        assert ranks[0] == 1
        assert all(after <= before + 1 for before, after in pairwise(ranks))


def test_the_contents_lead_to_every_section(make_data):
    text = render([make_data(extras=True), make_data(name="b")])
    linked = re.findall(r'<a href="#([^"]+)"', text.partition("</nav>")[0])
    assert len(linked) == len(set(linked)) > 15
    assert all(f'id="{name}"' in text for name in linked)


def test_two_numbers_of_one_measure_say_how_they_differ(make_data):
    charts = {key: text for key, text in _captions(make_data(extras=True)).items() if "cka" in key}
    pixels = "pixel by pixel: every position of a feature map is a data point."
    assert pixels in charts["run1-depth-cka"]
    assert pixels in charts["run1-heat-cka"]
    assert "by the spatial means of their feature maps. The diagonal" in charts["run1-matrix-cka"]
    assert (
        charts["run1-matrix-cka"]
        .split("The diagonal")[1]
        .startswith(
            " therefore differs from Linear CKA over depth, which compares them pixel by pixel"
        )
    )


def _captions(data) -> dict[str, str]:
    page = _run_page("run1", "r", data)
    return {chart.key: chart.caption for item in page.figures for chart in item.charts}


def test_facts_of_the_ticket_are_a_table(make_data):
    data = make_data(n_levels=1)
    levels = tuple(
        dataclasses.replace(row, facts={"gzip_bytes": 123456 if row.level else 200000})
        for row in data.levels
    )
    page = " ".join(Page(render([dataclasses.replace(data, levels=levels)])).text.split())
    assert re.search(r"compressed size \(bytes\) ?200,000 ?123,456", page)


def test_what_is_saved_has_the_colours_of_the_page_on_white():
    style = (files("tfprune.report.page") / "page.css").read_text()
    light = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", style.split("}")[0]))
    assert ON_WHITE.items() <= light.items()


@pytest.mark.parametrize(("n_levels", "drawn"), [(3, "true"), (9, "datum.level == 9")])
def test_a_level_is_drawn_beside_its_own_null(make_data, n_levels, drawn):
    data = make_data(n_levels=n_levels, n_layers=4, n_seeds=2)
    rows = [dataclasses.replace(row, null=0.1 * row.level) for row in data.similarities]
    chart = depth_chart(dataclasses.replace(data, similarities=tuple(rows)), "cka", key="k")
    for row in chart.rows:
        own = pytest.approx(0.1 * row["level"]) if row["series"] == "level" else None
        assert row["null"] == own
    (line,) = [
        layer
        for layer in chart.spec["layer"]
        if layer.get("encoding", {}).get("y", {}).get("field") == "null"
    ]
    assert line["transform"] == [
        {"filter": f"datum.series == 'level' && {drawn}"},
        {"calculate": "'unrelated layers'", "as": "series"},
    ]
    assert "Dotted: what unrelated layers would show at that level." in chart.caption
    assert ("Only the last level shows" in chart.caption) == (n_levels == 9)
