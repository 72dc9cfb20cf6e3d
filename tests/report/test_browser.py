"""The page in a real browser: charts drawn, nothing on the console, what the reader does works."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tfprune.report.page import write_report
from tfprune.results.descriptions import QUANTITIES

pytestmark = pytest.mark.slow

READY = "document.documentElement.dataset.ready === 'yes'"

Opener = Callable[..., None]


@pytest.fixture
def opened(browser, tmp_path) -> Opener:
    """Open a report at a width in a colour scheme; wait until all of it is drawn."""

    def open_report(data, *, width: int = 1280, dark: bool = False) -> None:
        browser.look(width=width, dark=dark)
        path = write_report(tmp_path / "report.html", data)
        browser.console()
        browser.open(path.as_uri())
        browser.until(READY, seconds=60)

    return open_report


def first_cell(chart: str) -> str:
    return f"document.querySelector('[data-drawn={chart}] .mark-rect path')"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_chart_is_drawn_without_a_word_on_the_console(
    browser, opened, make_data, width, dark
):
    opened(make_data(n_seeds=2, extras=True), width=width, dark=dark)
    figures, drawn, empty = browser.run(
        "const f = [...document.querySelectorAll('figure.chart')];"
        "return [f.length, f.filter(x => x.dataset.drawn).length,"
        "f.filter(x => x.querySelectorAll('svg path').length < 5).length]"
    )
    # accuracy, depth, heat, matrix, layer sparsity, dead channels, two of controls, two of training
    expected = 10 + len(QUANTITIES)
    assert (figures, drawn, empty) == (expected, expected, 0)
    assert browser.console() == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_the_report_of_a_real_run_is_drawn_and_kept_as_a_picture(browser, real_run, width, dark):
    (report,) = real_run.folder.glob("mlruns/runs/*/report.html")
    browser.console()
    browser.look(width=width, dark=dark)
    browser.open(report.as_uri())
    browser.until(READY, seconds=60)
    waiting = "document.querySelectorAll('figure.chart:not([data-drawn])').length"
    assert browser.run(f"return {waiting}") == 0
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.console() == []
    browser.shoot(f"report-{width}-{'dark' if dark else 'light'}")


@pytest.mark.parametrize("shape", [{}, {"n_layers": 40, "n_levels": 20, "long": True}])
def test_a_phone_never_scrolls_sideways(browser, opened, make_data, shape):
    opened(make_data(extras=True, **shape), width=390)
    assert browser.run("return document.documentElement.scrollWidth") <= 390


def test_choosing_a_measure_redraws_every_figure_of_similarity(browser, opened, make_data):
    from selenium.webdriver.support.ui import Select

    opened(make_data(extras=True))
    Select(browser.find("select.measure")).select_by_value("cka")
    for kind in ("depth", "heat", "matrix", "controls"):
        browser.until(f"!!document.querySelector('[data-drawn=run1-{kind}-cka]')")
    title = browser.find("[data-drawn=run1-depth-cka] .title").text
    assert title == "Linear CKA, over depth"
    assert browser.console() == []


def test_the_slider_shows_another_level(browser, opened, make_data):
    opened(make_data(extras=True))
    chart = "run1-matrix-svcca"
    before = browser.run(f"return {first_cell(chart)}.getAttribute('fill')")
    browser.run(
        f"const s = document.querySelector('[data-drawn={chart}] input');"
        "s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    browser.until(f"{first_cell(chart)}.getAttribute('fill') !== {json.dumps(before)}")
    assert browser.find(f"[data-drawn={chart}] output").text == "1 (20%)"


def test_the_slider_of_the_filters_shows_one_level_at_a_time(browser, opened, make_data):
    opened(make_data(extras=True))
    browser.run(
        "const s = document.querySelector('.filters input');"
        "s.value = 2; s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    shown = browser.run(
        "return [...document.querySelectorAll('.filters .level')].filter(x => !x.hidden)"
        ".map(x => x.dataset.level)"
    )
    assert shown == ["3"]


def test_hovering_shows_the_value(browser, opened, make_data):
    from selenium.webdriver import ActionChains

    opened(make_data())
    cell = browser.find("[data-drawn=run1-heat-svcca] .mark-rect path")
    browser.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", cell)
    ActionChains(browser.driver).move_to_element_with_offset(cell, 5, 0).perform()
    browser.until("!!document.querySelector('#vg-tooltip-element.visible')")
    text = browser.find("#vg-tooltip-element").text
    assert "conv1" in text
    assert "SVCCA similarity" in text


def test_the_keyboard_reads_values_and_highlights_a_level(browser, opened, make_data):
    from selenium.webdriver import Keys

    opened(make_data(measures=("cka",)))
    figure = "[data-drawn=run1-depth-cka]"
    plot = browser.find(f"{figure} .plot")
    reading = browser.find(f"{figure} .reading")
    plot.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT)
    assert reading.text.startswith("layer conv2, level 1, sparsity 20.0%, Linear CKA 0.")
    plot.send_keys(Keys.ARROW_DOWN)
    assert reading.text.startswith("layer conv2, level 2,")
    plot.send_keys(Keys.ENTER)
    faded = (
        f"[...document.querySelectorAll('{figure} .mark-line path')]"
        ".filter(x => Number(x.getAttribute('opacity')) < 0.5).length"
    )
    browser.until(f"{faded} >= 4")
    plot.send_keys(Keys.ESCAPE)
    browser.until(f"{faded} === 0")
    assert reading.text == ""
    assert browser.console() == []


def test_a_level_chosen_in_the_legend_stands_out(browser, opened, make_data):
    opened(make_data())
    depth = "[data-drawn=run1-depth-svcca]"
    entry = browser.find(f"{depth} .role-legend-symbol path")
    browser.run("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", entry)
    entry.click()
    browser.until(
        f"[...document.querySelectorAll('{depth} .mark-line path')]"
        ".some(x => Number(x.getAttribute('opacity')) < 0.5)",
    )


@pytest.mark.parametrize(
    ("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("csv", b"series,level,")]
)
def test_a_figure_is_saved(browser, opened, make_data, tmp_path, kind, begins):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    opened(make_data(), dark=True)
    browser.run(
        f"document.querySelector('[data-drawn=run1-depth-svcca] [data-save={kind}]').click()"
    )
    path: Path = tmp_path / f"run1-depth-svcca.{kind}"
    WebDriverWait(browser.driver, 20).until(lambda _: path.exists() and path.stat().st_size)
    content = path.read_bytes()
    assert content.startswith(begins)
    assert b"var(--" not in content
    assert browser.console() == []


def test_names_that_are_markup_stay_text(browser, opened, make_data):
    evil = "<img src=x onerror='window.caught=1'>"
    opened(make_data(extras=True, name=evil, layers=(evil, "b<script>window.caught=1</script>")))
    assert browser.run("return window.caught") is None
    assert browser.find("h1").text == evil
    assert browser.console() == []


def test_several_runs_are_drawn_side_by_side(browser, opened, make_data):
    opened([make_data(), make_data(n_layers=8, name="another")])
    assert browser.run("return document.querySelectorAll('#beside figure[data-drawn]').length") == 2
    assert browser.console() == []
