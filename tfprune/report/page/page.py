"""The page itself: sections in the order in which a reader asks, each left out when empty."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.disk import write_text_whole
from tfprune.errors import InputError
from tfprune.report.answer import Answer, answer
from tfprune.report.charts.accuracy import accuracy_chart, curve_charts
from tfprune.report.charts.beside import control_charts, runs_accuracy_chart, runs_depth_charts
from tfprune.report.charts.chart import CONFIG, ON_WHITE, Chart
from tfprune.report.charts.layers import dead_chart, layer_sparsity_chart
from tfprune.report.charts.pairs import matrix_chart
from tfprune.report.charts.similarity import depth_chart, heat_chart
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of
from tfprune.report.facts import fact_named
from tfprune.report.labels import measure_label, percent
from tfprune.report.levels import (
    LevelSummary,
    balance_line,
    collapse_notes,
    fact_means,
    level_summaries,
)
from tfprune.report.page.citations import Citation, bibtex, citations
from tfprune.report.page.pictures import (
    ExamplePicture,
    FilterPicture,
    example_pictures,
    filter_pictures,
)
from tfprune.report.summary import plain

if TYPE_CHECKING:
    from jinja2 import Environment

#: the name by which page.js calls the bundled libraries
_GLOBALS = "window.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True)
class Figure:
    """A place on the page for one chart, or for one chart of every measure."""

    charts: list[Chart]

    @property
    def first(self) -> Chart:
        """The chart that is shown until the reader chooses another measure."""
        return self.charts[0]

    @property
    def keys(self) -> str:
        """The charts' keys as JSON."""
        return json.dumps([chart.key for chart in self.charts])


@dataclass(frozen=True)
class RunPage:
    """What the template shows of one run."""

    key: str
    name: str
    data: ReportData
    answer: Answer
    provenance: list[tuple[str, str]]
    summaries: tuple[LevelSummary, ...]
    collapses: tuple[str, ...]  # which seeds collapsed, level by level
    balance: str  # what accuracy hides where classes are uneven
    facts: dict[str, dict[int, float]]
    measures: list[tuple[str, str]]
    accuracy: list[Figure]
    similarity: list[Figure]
    layers: list[Figure]
    controls: list[Figure]
    curves: list[Figure]
    filters: list[FilterPicture] = field(default_factory=list)
    filter_layer: str = ""
    flipped: list[ExamplePicture] = field(default_factory=list)
    citations: list[Citation] = field(default_factory=list)
    bibtex: str = ""

    @property
    def figures(self) -> list[Figure]:
        """All figures of the run."""
        return [*self.accuracy, *self.similarity, *self.layers, *self.controls, *self.curves]


def write_report(path: str | Path, data: ReportData | Iterable[ReportData]) -> Path:
    """Write one self-contained HTML file for a run, or for several side by side; return its path.

    The file holds its scripts, data and pictures, and fetches nothing. Raises InputError where
    there is no run to show, RunError where the file can't be written.
    """
    runs = [data] if isinstance(data, ReportData) else list(data)
    if not runs:
        raise InputError("a report needs at least one run, got none.")
    path = Path(path)
    write_text_whole(path, render(runs))
    return path


def render(runs: list[ReportData]) -> str:
    """Return the page as text."""
    names = _distinct([run.name for run in runs])
    pages = [
        _run_page(f"run{i + 1}", name, run)
        for i, (name, run) in enumerate(zip(names, runs, strict=True))
    ]
    beside: list[Figure] = []
    if len(runs) > 1:
        named = dict(zip(names, runs, strict=True))
        beside = [Figure([runs_accuracy_chart(named, key="runs-accuracy")])]
        beside += _figures([runs_depth_charts(named, key="runs-depth")])
    figures = [*beside, *(figure for page in pages for figure in page.figures)]
    charts = {chart.key: chart.document() for figure in figures for chart in figure.charts}
    measures = dict.fromkeys(name for page in pages for name, _ in page.measures)
    template = _environment().get_template("page.html.j2")
    return template.render(
        title=" and ".join(names) if len(names) < 3 else f"{len(names)} runs",
        runs=pages,
        beside=beside,
        beside_measures=[(name, measure_label(name)) for name in measures],
        charts=_script_json({"charts": charts, "config": CONFIG, "onWhite": ON_WHITE}),
        style=_text("page.css"),
        script=_text("page.js"),
        vega=_vega(),
    )


def _run_page(key: str, name: str, data: ReportData) -> RunPage:
    measures = measures_of(data.similarities)
    similarity = [
        [draw(data, measure, key=f"{key}-{kind}-{measure}") for measure in measures]
        for kind, draw in (("depth", depth_chart), ("heat", heat_chart), ("matrix", matrix_chart))
    ]
    controls = control_charts(data, key=f"{key}-controls")
    cited = citations(measures, data.config)
    return RunPage(
        key=key,
        name=name,
        data=data,
        answer=answer(data.levels, data.similarities),
        provenance=_provenance(data),
        summaries=level_summaries(data.levels),
        collapses=collapse_notes(data.levels),
        balance=balance_line(data.levels),
        facts=fact_means(data.levels),
        measures=[(measure, measure_label(measure)) for measure in measures],
        accuracy=_figures([[accuracy_chart(data, key=f"{key}-accuracy")]]),
        similarity=_figures(similarity),
        layers=_figures(
            [
                [layer_sparsity_chart(data, key=f"{key}-layer-sparsity")],
                [dead_chart(data, key=f"{key}-dead-channels")],
            ]
        ),
        controls=_figures([controls[:1], controls[1:]]),
        curves=_figures([[chart] for chart in curve_charts(data, key=f"{key}-curves")]),
        filters=filter_pictures(data),
        filter_layer=data.filters[0].layer if data.filters else "",
        flipped=example_pictures(data),
        citations=cited,
        bibtex=bibtex(cited),
    )


def _provenance(data: ReportData) -> list[tuple[str, str]]:
    """Return subject and note of what is known of the data, the note in words first."""
    known = [
        ("data" if subject == "note" else subject.replace("_", " "), str(note))
        for subject, note in data.provenance.items()
        if note not in (None, "", "None")
    ]
    return sorted(known, key=lambda item: item[0] != "data")


def _figures(groups: Iterable[Iterable[Chart | None]]) -> list[Figure]:
    """Return a figure for every group in which there is a chart."""
    found = ([chart for chart in group if chart is not None] for group in groups)
    return [Figure(charts) for charts in found if charts]


def _distinct(names: list[str]) -> list[str]:
    """Return names with a number behind those that occur again."""
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return distinct


def _script_json(value: Mapping[str, Any]) -> str:
    """Return JSON that can't end or open a script element, whatever strings it holds."""
    text = json.dumps(plain(dict(value)), separators=(",", ":"), allow_nan=False)
    for character in "<>&":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def _text(name: str) -> str:
    return files("tfprune.report.page").joinpath(name).read_text(encoding="utf-8")


@cache
def _vega() -> str:
    """Return Vega, Vega-Lite and Vega-Embed as one script, from the installed vl-convert."""
    import vl_convert

    script: str = vl_convert.javascript_bundle(_GLOBALS)
    # inside a script element only these two sequences mean something to HTML
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


@cache
def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("tfprune.report.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["fact"] = _fact
    environment.filters["named"] = fact_named
    return environment


def _fact(value: float | None) -> str:
    """Return a fact as text: counts with separators, shares to three digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
