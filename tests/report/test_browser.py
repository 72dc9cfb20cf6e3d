"""The page in a real browser: charts drawn, nothing on the console, what the reader does works."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tfprune.report.html import write_report

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
DRIVER = shutil.which("chromedriver")
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
READY = "return document.documentElement.dataset.ready === 'yes'"

if not (CHROMIUM and DRIVER):
    pytest.skip("no Chromium: apt-get install chromium chromium-driver", allow_module_level=True)


@pytest.fixture(scope="module")
def browser(tmp_path_factory) -> Iterator:
    webdriver = pytest.importorskip("selenium.webdriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    profile = tmp_path_factory.mktemp("profile")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.add_experimental_option(
        "prefs", {"download.default_directory": str(tmp_path_factory.getbasetemp())}
    )
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


Opener = Callable[..., None]


@pytest.fixture
def opened(browser, tmp_path) -> Opener:
    """Open a report at a width in a colour scheme; wait until all of it is drawn."""
    from selenium.webdriver.support.ui import WebDriverWait

    def open_report(data, *, width: int = 1280, dark: bool = False) -> None:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        browser.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride",
            {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500},
        )
        browser.get_log("browser")
        path = write_report(tmp_path / "report.html", data)
        browser.get(path.as_uri())
        WebDriverWait(browser, 60).until(lambda driver: driver.execute_script(READY))

    return open_report


def eventually(browser, script: str) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, 20).until(lambda driver: driver.execute_script(f"return {script}"))


def first_cell(chart: str) -> str:
    return f"document.querySelector('[data-drawn={chart}] .mark-rect path')"


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_every_chart_is_drawn_without_a_word_on_the_console(
    browser, opened, make_data, width, dark
):
    opened(make_data(n_seeds=2, extras=True), width=width, dark=dark)
    figures, drawn, empty = browser.execute_script(
        "const f = [...document.querySelectorAll('figure.chart')];"
        "return [f.length, f.filter(x => x.dataset.drawn).length,"
        "f.filter(x => x.querySelectorAll('svg path').length < 5).length]"
    )
    assert (figures, drawn, empty) == (10, 10, 0)
    assert browser.get_log("browser") == []


@pytest.mark.parametrize("shape", [{}, {"n_layers": 40, "n_levels": 20, "long": True}])
def test_a_phone_never_scrolls_sideways(browser, opened, make_data, shape):
    opened(make_data(extras=True, **shape), width=390)
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390


def test_choosing_a_measure_redraws_every_figure_of_similarity(browser, opened, make_data):
    from selenium.webdriver.support.ui import Select

    opened(make_data(extras=True))
    Select(browser.find_element("css selector", "select.measure")).select_by_value("cka")
    for kind in ("depth", "heat", "matrix", "controls"):
        eventually(browser, f"!!document.querySelector('[data-drawn=run1-{kind}-cka]')")
    title = browser.find_element("css selector", "[data-drawn=run1-depth-cka] h4").text
    assert title == "Linear CKA with the dense network over depth"
    assert browser.get_log("browser") == []


def test_the_slider_shows_another_level(browser, opened, make_data):
    opened(make_data(extras=True))
    chart = "run1-matrix-svcca"
    before = browser.execute_script(f"return {first_cell(chart)}.getAttribute('fill')")
    browser.execute_script(
        f"const s = document.querySelector('[data-drawn={chart}] input');"
        "s.value = 0; s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    eventually(browser, f"{first_cell(chart)}.getAttribute('fill') !== {json.dumps(before)}")
    assert browser.find_element("css selector", f"[data-drawn={chart}] output").text == "1"


def test_the_slider_of_the_filters_shows_one_level_at_a_time(browser, opened, make_data):
    opened(make_data(extras=True))
    browser.execute_script(
        "const s = document.querySelector('.filters input');"
        "s.value = 2; s.dispatchEvent(new Event('input', {bubbles: true}))"
    )
    shown = browser.execute_script(
        "return [...document.querySelectorAll('.filters .level')].filter(x => !x.hidden)"
        ".map(x => x.dataset.level)"
    )
    assert shown == ["3"]


def test_hovering_shows_the_value(browser, opened, make_data):
    from selenium.webdriver import ActionChains

    opened(make_data())
    cell = browser.find_element("css selector", "[data-drawn=run1-heat-svcca] .mark-rect path")
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", cell
    )
    ActionChains(browser).move_to_element_with_offset(cell, 5, 0).perform()
    eventually(browser, "!!document.querySelector('#vg-tooltip-element.visible')")
    text = browser.find_element("id", "vg-tooltip-element").text
    assert "conv1" in text
    assert "SVCCA similarity" in text


def test_a_level_chosen_in_the_legend_stands_out(browser, opened, make_data):
    opened(make_data())
    depth = "[data-drawn=run1-depth-svcca]"
    entry = browser.find_element("css selector", f"{depth} .role-legend-symbol path")
    browser.execute_script(
        "arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", entry
    )
    entry.click()
    eventually(
        browser,
        f"[...document.querySelectorAll('{depth} .mark-line path')]"
        ".some(x => Number(x.getAttribute('opacity')) < 0.5)",
    )


@pytest.mark.parametrize(
    ("kind", "begins"), [("png", b"\x89PNG"), ("svg", b"<svg"), ("csv", b"series,level,")]
)
def test_a_figure_is_saved(browser, opened, make_data, tmp_path, kind, begins):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    opened(make_data(), dark=True)
    browser.execute_script(
        f"document.querySelector('[data-drawn=run1-depth-svcca] [data-save={kind}]').click()"
    )
    path: Path = tmp_path / f"run1-depth-svcca.{kind}"
    WebDriverWait(browser, 20).until(lambda _: path.exists() and path.stat().st_size)
    content = path.read_bytes()
    assert content.startswith(begins)
    assert b"var(--" not in content
    assert browser.get_log("browser") == []


def test_names_that_are_markup_stay_text(browser, opened, make_data):
    evil = "<img src=x onerror='window.caught=1'>"
    opened(make_data(extras=True, name=evil, layers=(evil, "b<script>window.caught=1</script>")))
    assert browser.execute_script("return window.caught") is None
    assert browser.find_element("css selector", "h1").text == evil
    assert browser.get_log("browser") == []


def test_several_runs_are_drawn_side_by_side(browser, opened, make_data):
    opened([make_data(), make_data(n_layers=8, name="another")])
    assert (
        browser.execute_script(
            "return document.querySelectorAll('#beside figure[data-drawn]').length"
        )
        == 2
    )
    assert browser.get_log("browser") == []
