"""MLflow's own pages on a real run: what is logged is what they show, and shows it well."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# what MLflow says on the console by itself, whatever was logged
KNOWN = [
    # it asks who is logged in; a server without log-in does not know the question
    r"/users/current - Failed to load resource: the server responded with a status of 404",
    # the page on which we leave the settings is no web page of MLflow's and has no icon
    r"/favicon\.ico - Failed to load resource: the server responded with a status of 404",
    # its table's library, on options that MLflow sets
    r'"AG Grid: since v27\.1, `(getRowNodeId|immutableData)` is deprecated',
    r'"AG Grid: tried to call sizeColumnsToFit\(\) but the grid is coming back with zero width',
    # browsers say so of any table that changes its size while it is laid out
    r'"ResizeObserver loop completed with undelivered notifications\."$',
    # the compare page draws by WebGL, which a machine without graphics card does in software
    r"Automatic fallback to software WebGL has been deprecated",
    r"GL Driver Message \(OpenGL, Performance, .*\): GPU stall due to ReadPixels",
]
# a fresh browser opens with generative AI but on the page that `tfprune ui` says, and with an
# assistant beside it
SETTINGS = {
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
}
# name, points and colour of each line of the chart with a title, its faint copy left out
LINES = """(title => {
        const card = [...document.querySelectorAll(
            '[data-testid=experiment-view-compare-runs-card]')]
            .find(card => card.innerText.trim().startsWith(title));
        const plot = card?.querySelector('.js-plotly-plot');
        return plot?._fullData?.filter(line => line.line.color.length === 7 && line.x)
            .map(line => [line.name, [...line.x], [...line.y], line.line.color]);
    })(arguments[0])
"""


@dataclass(frozen=True)
class Pages:
    """MLflow's address, the page that was said, the ids of the experiment and its runs by name."""

    address: str
    said: str
    experiment: str
    runs: dict[str, str]

    def of_run(self, name: str, tab: str = "") -> str:
        return f"{self.address}/#/experiments/{self.experiment}/runs/{self.runs[name]}{tab}"

    def of_experiment(self, **view: str) -> str:
        query = urlencode(view, quote_via=quote)
        return f"{self.address}/#/experiments/{self.experiment}/runs?{query}"

    def of_comparison(self, *names: str) -> str:
        runs = quote(json.dumps([self.runs[name] for name in names]))
        return (
            f"{self.address}/#/compare-runs?runs={runs}&experiments=%5B%22{self.experiment}%22%5D"
        )


def served(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """`tfprune ui` on the store of a folder, and the page that it says once it answers."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tfprune_cli.main", "ui", "--port", "0", "--no-browser"],
        cwd=folder, env=kept, text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline().strip()
    runs = r"/#/experiments/\d+/runs\?workflowType=machine_learning"
    if not re.fullmatch(rf"http://127\.0\.0\.1:\d+{runs}", said):
        pytest.fail(f"not an address: {said!r}; ended with {ended(process)}")
    return process, said


def ended(process: subprocess.Popen[str]) -> int:
    """Its status after a Ctrl-C."""
    process.send_signal(signal.SIGINT)
    try:
        return process.wait(30)
    finally:
        process.stdout.close()
        process.kill()


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


@pytest.fixture(scope="module")
def pages(real_run) -> Iterator[Pages]:
    from tfprune.tracking import open_store, resolve_store

    store = open_store(resolve_store(folder=real_run.folder), create=False)
    parent = store.find_run("digits")
    ids = {child.name: child.id for child in store.children(parent.id)}
    process, said = served(real_run.folder)
    address = said.partition("/#")[0]
    yield Pages(address, said, parent.experiment_id, ids | {"digits": parent.id})
    assert ended(process) == 0


@pytest.fixture
def show(browser, pages) -> Iterator[Callable[[str], None]]:
    """Open a page of MLflow as it stands for who looked at runs before.

    Nothing may have been said on the console in the end but what MLflow says by itself.
    """
    browser.look(width=1500, height=1000)
    browser.open(f"{pages.address}/health")
    browser.run("localStorage.clear()")
    for key, value in SETTINGS.items():
        browser.run("localStorage.setItem(...arguments)", key, json.dumps(value))

    def open_page(address: str) -> None:
        browser.open("about:blank")  # else only the part behind the # would change
        browser.open(address)

    yield open_page
    said = [line for line in browser.console() if not any(re.search(k, line) for k in KNOWN)]
    assert said == []


@pytest.fixture(scope="module")
def similarity(real_run) -> list[dict[str, str]]:
    (table,) = real_run.folder.glob("mlruns/artifacts/*/artifacts/similarity.csv")
    with table.open() as file:
        return list(csv.DictReader(file))


def test_the_server_is_two_processes_and_ends_on_ctrl_c(real_run):
    process, _ = served(real_run.folder)
    found = descendants(process.pid)
    assert ended(process) == 0
    assert len(found) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in found)


def test_the_list_shows_the_parent_and_below_it_its_children_by_short_names(browser, pages, show):
    show(pages.of_experiment())
    links = "[...document.querySelectorAll('.ag-row [col-id*=\"Run Name\"] a')]"
    names = f"{links}.map(x => x.innerText)"
    browser.until(f"{names}.join() === 'digits'")
    browser.find(".ag-row button").click()
    browser.until(f"{names}.length === {len(pages.runs)}")
    assert set(browser.run(f"return {names}")) == set(pages.runs)
    levels = {"L0 s0 0.0%", "L1 s0 20.0%", "L2 s1 36.0%", "L3 s1 48.8%"}
    assert levels | {"L3 s0 random-mask"} <= set(pages.runs)
    names = "[...document.querySelectorAll('.ag-row [col-id*=\"Run Name\"] a span')]"
    cut = browser.run(f"return {names}.filter(x => x.scrollWidth > x.clientWidth)"
                      ".map(x => x.innerText)")  # fmt: skip
    assert not levels & set(cut)
    browser.shoot("mlflow-runs", whole=False)


def test_the_address_that_is_said_shows_the_runs_to_a_fresh_browser(browser, pages, show):
    """Without a click: the run, its data set and its models."""
    browser.open(f"{pages.address}/health")
    browser.run("localStorage.clear()")
    show(pages.said)

    def shown(column: str) -> str:
        return f"document.querySelector('.ag-row [col-id*=\"{column}\"]')?.innerText"

    browser.until(f"/digits$/.test({shown('Run Name')})")
    browser.until(f"/^digits \\(\\w{{16}}\\)\\s+Training/.test({shown('Dataset')})")  # not None
    browser.until(f"/^model-(best|final)/.test({shown('Models')})")
    browser.shoot("mlflow-first-look", whole=False)


def test_the_page_of_models_shows_both_with_what_they_were_measured_on(browser, pages, show):
    show(f"{pages.address}/#/experiments/{pages.experiment}/models?workflowType=machine_learning")
    text = "document.body.innerText"
    browser.until(f"{text}.includes('model-final') && {text}.includes('model-best')")
    browser.until(f"/digits \\(#\\w+\\)/.test({text})")
    browser.shoot("mlflow-models", whole=False)
    browser.run("[...document.querySelectorAll('a')].find(x => x.innerText === 'model-final')"
                ".click()")  # fmt: skip
    browser.until(f"{text}.includes('Model ID')")
    browser.until(f"{text}.includes('accuracy/test') && {text}.includes('Parameters (6)')")
    browser.until(f"/Strategy\\s+magnitude/.test({text})")
    browser.shoot("mlflow-model", whole=False)


def test_the_page_of_the_parent_shows_the_summary(browser, pages, show, real_run):
    show(pages.of_run("digits"))
    note = "document.querySelector('[data-testid=note-view-outer-container]')"
    rows = f"[...{note}.querySelectorAll('table tr')]"
    rows += ".map(row => [...row.cells].map(cell => cell.innerText.trim()))"
    browser.until(f"{rows}.length === 5")
    head, *levels = browser.run(f"return {rows}")
    assert head == ["level", "sparsity", "validation", "test", "conv1", "conv2", "dense1"]
    assert [(row[0], row[1]) for row in levels] == [
        ("0", "0.0%"), ("1", "20.0%"), ("2", "36.0%"), ("3", "48.8%"),
    ]  # fmt: skip
    for row in levels:  # what the terminal showed
        assert row[3] in real_run.sent
    assert "of the weights pruned, " in browser.run(f"return {note}.innerText")
    more = "[...document.querySelectorAll('button')].find(x => /^Show /.test(x.innerText))"
    browser.run(f"{more}.click()")
    browser.until(f"{more}.innerText === 'Show less'")
    browser.until("document.body.innerText.includes('Load more')")  # the children are listed
    browser.shoot("mlflow-parent", whole=False)


def test_the_report_opens_among_the_artifacts(browser, pages, show):
    show(pages.of_run("digits", "/artifacts/report.html"))
    browser.until("!!document.querySelector('iframe.mlflow-html-iframe')")
    browser.driver.switch_to.frame(browser.find("iframe.mlflow-html-iframe"))
    browser.until("document.documentElement.dataset.ready === 'yes'", seconds=60)
    drawn = browser.run("return document.querySelectorAll('figure.chart[data-drawn] svg').length")
    assert drawn >= 8
    browser.driver.switch_to.default_content()
    browser.shoot("mlflow-report", whole=False)


@pytest.mark.parametrize("measure", ["svcca", "cka"])
def test_levels_are_lines_over_depth_in_colours_of_their_own(
    browser, pages, show, similarity, measure
):
    from tfprune.tracking import run_color

    levels = "tags.`tfprune.kind` = 'level' and params.seed = '0'"
    show(pages.of_experiment(
        searchFilter=levels, orderByKey="params.`level`", orderByAsc="true",
        compareRunsMode="CHART",
    ))  # fmt: skip
    browser.until("!!document.querySelector('input[role=searchbox]')")
    browser.find("input[role=searchbox]").send_keys("profile/")
    browser.until(f"{LINES}?.length === 4", f"profile/{measure}")
    lines = browser.run(f"return {LINES}", f"profile/{measure}")
    assert [name for name, *_ in lines] == [
        "L0 s0 0.0%", "L1 s0 20.0%", "L2 s0 36.0%", "L3 s0 48.8%",
    ]  # fmt: skip
    for level, (_, x, y, _) in enumerate(lines):
        wanted = {
            int(row["layer_index"]): float(row["similarity"])
            for row in similarity
            if (row["measure"], row["seed"], row["level"]) == (measure, "0", str(level))
            and row["against"] == "dense"
        }
        assert dict(zip(x, y, strict=True)) == pytest.approx(wanted)
    assert [colour for *_, colour in lines] == [run_color(level, 3) for level in range(4)]
    browser.shoot("mlflow-charts", whole=False)


def test_two_levels_are_compared_by_params_and_charts(browser, pages, show):
    browser.look(width=1500, height=1900)
    show(pages.of_comparison("L1 s0 20.0%", "L3 s0 48.8%"))
    axes = "[...document.querySelectorAll('.parcoords .axis-title')].map(x => x.textContent)"
    browser.until(f"{axes}.length === 3")
    shown = browser.run(f"return {axes}")
    assert shown == ["level", "target_sparsity", "epoch/validation_accuracy"]
    browser.until("/\\nlevel\\t+1\\t+3\\n/.test(document.body.innerText)")
    until_coloured(browser, ".parcoords .axis .domain", "mlflow-compare")
    # ordered by name, capitals first: params, then tags, among them what experiments differ in
    order = browser.run("return [...document.querySelectorAll('th')].map(x => x.innerText.trim())")
    wanted = ["level", "seed", "target_sparsity", "Dataset", "Model", "Scope", "Strategy"]
    assert [name for name in order if name in wanted] == wanted
    browser.find("[role=tab][id$=scatter-plot]").click()
    browser.until("document.querySelector('.xtitle')?.textContent === 'level'")
    assert browser.run("return document.querySelector('.ytitle').textContent") == "accuracy/test"
    until_coloured(browser, ".gridlayer path", "mlflow-compare-scatter")


def until_coloured(browser, selector: str, picture: str) -> None:
    """Wait until there is colour amid what a selector finds; keep the picture.

    WebGL leaves nothing else to ask for: its lines and points are pixels only.
    """
    from PIL import Image

    boxes = browser.run(
        "return [...document.querySelectorAll(arguments[0])].map(x => x.getBoundingClientRect())"
        ".map(r => [r.left, r.top, r.right, r.bottom])", selector,
    )  # fmt: skip
    left, top = min(box[0] for box in boxes), min(box[1] for box in boxes)
    right, bottom = max(box[2] for box in boxes), max(box[3] for box in boxes)

    def is_drawn(_) -> bool:
        image = Image.open(browser.shoot(picture, whole=False)).convert("HSV")
        saturation = image.crop((left, top - 4, right, bottom + 4)).getchannel("S")
        return sum(saturation.histogram()[30:]) > 100

    browser.wait(is_drawn, f"nothing coloured within {selector}")
