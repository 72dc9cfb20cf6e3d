"""The page itself: sections in the order in which a reader asks, each left out when empty."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.cache import kept
from tfprune.disk import write_text_whole
from tfprune.errors import InputError
from tfprune.report.answer import Answer, answer
from tfprune.report.charts.accuracy import accuracy_chart, curve_charts
from tfprune.report.charts.beside import runs_accuracy_chart, runs_depth_charts
from tfprune.report.charts.chart import CONFIG, ON_WHITE, Chart
from tfprune.report.charts.controls import control_charts
from tfprune.report.charts.descriptions import description_chart, quantities, without_value
from tfprune.report.charts.layers import dead_chart, layer_sparsity_chart
from tfprune.report.charts.pairs import matrix_chart
from tfprune.report.charts.similarity import depth_chart, heat_chart
from tfprune.report.classes import ClassRow, class_rows
from tfprune.report.collapse import collapse_notes, kept_networks
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of
from tfprune.report.facts import fact_named
from tfprune.report.labels import measure_label, percent
from tfprune.report.levels import LevelSummary, balance_line, fact_means, level_summaries
from tfprune.report.page.citations import Citation, bibtex, citations
from tfprune.report.page.header import what_ran
from tfprune.report.page.pictures import (
    ExamplePicture,
    FilterPicture,
    example_pictures,
    filter_pictures,
)
from tfprune.report.page.settings import differing
from tfprune.report.summary import plain
from tfprune.report.versus import least_similar, versus

if TYPE_CHECKING:
    from jinja2 import Environment

    from tfprune.results import ClassResult, LevelResult

#: the name by which page.js calls the bundled libraries
_GLOBALS = "window.vegaEmbed = vegaEmbed;"


#: headings by the ends of their anchors, in the order in which they stand on the page
SECTIONS = {
    "accuracy": "Accuracy",
    "similarity": "Similarity with the dense network",
    "layers": "What is left of each layer",
    "inside": "Each layer by itself",
    "controls": "Controls beside the ticket",
    "filters": "Filters of the first layer",
    "classes": "What single classes lose",
    "flipped": "Test images with a changed answer",
    "curves": "Training curves",
    "configuration": "Configuration and versions",
    "reproduce": "How to reproduce",
    "cite": "How to cite",
}


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
    ran: list[tuple[str, str]]
    provenance: list[tuple[str, str]]
    summaries: tuple[LevelSummary, ...]
    collapses: tuple[str, ...]  # which seeds collapsed, level by level
    balance: str  # what accuracy hides where classes are uneven
    facts: dict[str, dict[int, float]]
    measures: list[tuple[str, str]]
    accuracy: list[Figure]
    similarity: list[Figure]
    layers: list[Figure]
    inside: list[Figure]
    missing: list[str]  # why a quantity that was asked for is not among them
    controls: list[Figure]
    curves: list[Figure]
    filters: list[FilterPicture] = field(default_factory=list)
    filter_layer: str = ""
    flipped: list[ExamplePicture] = field(default_factory=list)
    classes: list[ClassRow] = field(default_factory=list)
    n_classes: int = 0
    citations: list[Citation] = field(default_factory=list)
    bibtex: str = ""

    @property
    def sections(self) -> list[tuple[str, str]]:
        """The run's sections that are not empty: the end of their anchor, and their heading."""
        shown = {
            "accuracy": self.summaries,
            "similarity": self.similarity,
            "layers": self.layers,
            "inside": self.inside or self.missing,
            "controls": self.controls,
            "filters": self.filters,
            "classes": self.classes,
            "flipped": self.flipped,
            "curves": self.curves,
            "configuration": self.data.config or self.data.versions or self.provenance,
            "reproduce": True,
            "cite": True,
        }
        return [(name, SECTIONS[name]) for name, what in shown.items() if what]

    @property
    def figures(self) -> list[Figure]:
        """All figures of the run."""
        return [
            *self.accuracy, *self.similarity, *self.layers, *self.inside, *self.controls,
            *self.curves,
        ]  # fmt: skip


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
    named = dict(zip(names, runs, strict=True))
    if len(runs) > 1:
        beside = [Figure([runs_accuracy_chart(named, key="runs-accuracy")])]
        beside += figures_of([runs_depth_charts(named, key="runs-depth")])
    figures = [*beside, *(figure for page in pages for figure in page.figures)]
    measures = dict.fromkeys(name for page in pages for name, _ in page.measures)
    return filled(
        "page.html.j2",
        figures,
        title=" and ".join(names) if len(names) < 3 else f"{len(names)} runs",
        runs=pages,
        beside=beside,
        versus=versus(named),
        settings=differing({name: run.config for name, run in named.items()}),
        lowest=least_similar(runs),
        beside_measures=[(name, measure_label(name)) for name in measures],
        heading=SECTIONS,
    )


def filled(template: str, figures: Iterable[Figure], **shown: Any) -> str:
    """Return a page as text: a template with what it shows, its figures, style and scripts."""
    charts = {chart.key: chart.document() for figure in figures for chart in figure.charts}
    return (
        _environment()
        .get_template(template)
        .render(
            charts=_script_json({"charts": charts, "config": CONFIG, "onWhite": ON_WHITE}),
            style=_text("page.css"),
            script=_text("page.js"),
            vega=_vega(),
            **shown,
        )
    )


def _run_page(key: str, name: str, data: ReportData) -> RunPage:
    measures = measures_of(data.similarities)
    similarity = [
        [draw(data, measure, key=f"{key}-{kind}-{measure}") for measure in measures]
        for kind, draw in (("depth", depth_chart), ("heat", heat_chart), ("matrix", matrix_chart))
    ]
    controls = control_charts(data, key=f"{key}-controls")
    cited = citations(measures, data.config, [row.quantity for row in data.descriptions])
    return RunPage(
        key=key,
        name=name,
        data=data,
        answer=answer(data.levels, data.similarities),
        ran=what_ran(data),
        provenance=_provenance(data),
        summaries=level_summaries(data.levels),
        collapses=collapse_notes(data.levels),
        balance=balance_line(data.levels),
        facts=fact_means(data.levels),
        measures=[(measure, measure_label(measure)) for measure in measures],
        accuracy=figures_of([[accuracy_chart(data, key=f"{key}-accuracy")]]),
        similarity=figures_of(similarity),
        layers=figures_of(
            [
                [layer_sparsity_chart(data, key=f"{key}-layer-sparsity")],
                [dead_chart(data, key=f"{key}-dead-channels")],
            ]
        ),
        inside=figures_of(
            [
                [description_chart(data, quantity, key=f"{key}-{quantity.name}")]
                for quantity in quantities(data)
            ]
        ),
        missing=without_value(data),
        controls=figures_of([controls[:1], controls[1:]]),
        curves=figures_of([[chart] for chart in curve_charts(data, key=f"{key}-curves")]),
        filters=filter_pictures(data),
        filter_layer=data.filters[0].layer if data.filters else "",
        flipped=example_pictures(data),
        classes=class_rows(_kept(data.classes, data.levels), data.class_names),
        n_classes=len(data.class_names),
        citations=cited,
        bibtex=bibtex(cited),
    )


def _kept(classes: Iterable[ClassResult], levels: Sequence[LevelResult]) -> list[ClassResult]:
    """Return the classes of networks that did not collapse."""
    left_out = {(row.level, row.seed) for row in levels} - kept_networks(levels)
    return [row for row in classes if (row.level, row.seed) not in left_out]


def _provenance(data: ReportData) -> list[tuple[str, str]]:
    """Return subject and note of what is known of the data, the note in words first."""
    known = [
        ("data" if subject == "note" else subject.replace("_", " "), str(note))
        for subject, note in data.provenance.items()
        if note not in (None, "", "None")
    ]
    return sorted(known, key=lambda item: item[0] != "data")


def figures_of(groups: Iterable[Iterable[Chart | None]]) -> list[Figure]:
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
    """Return Vega, Vega-Lite and Vega-Embed as one script, from the installed vl-convert.

    Putting it together takes a second, so it is kept in the user's cache folder.
    """

    def bundled() -> bytes:
        import vl_convert

        script: str = vl_convert.javascript_bundle(_GLOBALS)
        return script.encode()

    made_of = sha256(_GLOBALS.encode()).hexdigest()[:12]
    script = kept(f"vega-{version('vl-convert-python')}-{made_of}.js", bundled).decode()
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
    environment.filters["points"] = _points
    environment.filters["named"] = fact_named
    return environment


def _points(share: float) -> str:
    """Return a change of a share in percentage points, with its sign."""
    text = f"{100 * share:+.1f}"
    return "0.0" if float(text) == 0 else text.replace("-", "−")


def _fact(value: float | None) -> str:
    """Return a fact as text: counts with separators, shares to three digits."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() or abs(value) >= 1000 else f"{value:.3g}"
