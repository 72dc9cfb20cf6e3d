"""What a notebook shows of a result, and the files that its figures become."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from tfprune.errors import InputError
from tfprune.report.figures import charts_of, draw
from tfprune.report.notebook import figure_of, result_html
from tfprune.results import ControlResult, RunResult


def result_of(data, **more) -> RunResult:
    return RunResult(
        name=data.name, run_id=None, levels=data.levels, similarities=data.similarities,
        epochs=data.epochs, **more,
    )  # fmt: skip


def test_every_figure_of_the_report_can_be_plotted(make_data):
    data = make_data()
    result = result_of(data)
    kinds = [kind for kind in charts_of(data) if kind != "controls-accuracy"]
    assert len(kinds) > 6
    for kind in kinds:
        assert figure_of(result, kind).chart == charts_of(data)[kind]
    assert figure_of(result).kind == "depth-svcca"


def test_controls_are_plotted_too(make_data):
    data = make_data()
    control = ControlResult("random-mask", 0, 1, 0.2, None, 0.5, 1.0, {"cka": {"conv1": 0.5}})
    kind = "controls-accuracy"
    assert figure_of(result_of(data, controls=(control,)), kind).kind == kind


def test_a_figure_is_saved_as_the_ending_says_and_as_the_command_does(make_data, tmp_path):
    figure = figure_of(result_of(make_data()), "accuracy")
    for name in ("a.png", "b.SVG", "deep/er/c.pdf"):
        path = figure.save(tmp_path / name)
        assert path == tmp_path / name
        assert path.read_bytes() == draw(figure.chart, path.suffix[1:].lower())


def test_another_ending_is_refused(make_data, tmp_path):
    with pytest.raises(InputError) as caught:
        figure_of(result_of(make_data())).save(tmp_path / "a.jpg")
    assert str(caught.value) == "figures are saved as .png, .pdf, .svg; got 'a.jpg'."
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_kind_is_said_with_those_that_the_run_can_show(make_data):
    with pytest.raises(InputError) as caught:
        figure_of(result_of(make_data(measures=("cka",))), "depth-svcca")
    assert str(caught.value).startswith("unknown figure 'depth-svcca'; did you mean 'depth-cka'")
    assert "heatmap-cka" in str(caught.value)


def test_a_notebook_shows_a_figure_as_large_as_the_report_does(make_data):
    png, size = figure_of(result_of(make_data()))._repr_png_()
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.format == "PNG"
        # 252 points of paper are 403 pixels of the page, at 300 dots per inch 1049
        assert (size["width"], picture.width) == (403, 1049)


class Texts(HTMLParser):
    """The texts of a page, by the tag they stand in; tags must be closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, str]] = []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if data.strip():
            self.found.append((self.open[-1], data))

    def of(self, tag: str) -> list[str]:
        return [text for where, text in self.found if where == tag]


def test_a_result_shows_its_answer_its_levels_and_a_figure(make_data):
    data = make_data(n_layers=3, n_levels=2)
    page = result_html(result_of(data))
    texts = Texts(page)
    assert texts.of("th")[:4] == ["level", "sparsity", "validation", "test"]
    assert texts.of("th")[4:] == ["conv1", "dense1", "dense2"]
    assert [text for text in texts.of("td") if text in ("0", "1", "2")] == ["0", "1", "2"]
    assert f"{data.levels[2].accuracy_test:.1%}" in texts.of("td")
    assert any(text.startswith("At level 2, 36% of the weights pruned, ") for text in texts.of("p"))
    assert len(re.findall(r'<img alt="[^"]+" width="403" src="data:image/png;base64,', page)) == 1


def test_a_results_table_is_spaced_by_itself_and_takes_the_pages_colours(make_data):
    """In a page without styles the headings would run together."""
    page = result_html(result_of(make_data(n_layers=3, n_levels=2)))
    cells = re.findall(r"<t[hd]( [^>]*)?>", page)
    assert cells
    assert all("padding: .15em .7em" in cell for cell in cells)
    assert "collapse" in page
    assert not re.search(r"color: |background", page)


def test_names_can_not_become_markup(make_data):
    data = make_data(layers=("<b>x</b>", "a|b*", "c"))
    result = RunResult("<script>", None, data.levels, data.similarities)
    texts = Texts(result_html(result))
    assert "<script>" in texts.of("b")
    assert {"<b>x</b>", "a|b*"} <= set(texts.of("th"))


def test_a_result_without_comparisons_is_shown_too(make_data):
    data = make_data()
    levels_only = RunResult("r", None, data.levels, ())
    assert figure_of(levels_only).kind == "accuracy"
    assert "No pruned level was compared" in result_html(levels_only)
    assert "No pruned level was compared" in result_html(RunResult("r", None, (), ()))
