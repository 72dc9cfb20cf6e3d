"""The page of a sweep: settings side by side over seeds, tested in pairs, and the multiverse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tfprune.disk import write_text_whole
from tfprune.errors import InputError
from tfprune.report.charts.beside import runs_accuracy_chart, runs_depth_charts
from tfprune.report.charts.chart import Chart
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of
from tfprune.report.labels import measure_label
from tfprune.report.levels import LevelSummary, level_summaries
from tfprune.report.multiverse import Agreement, multiverse
from tfprune.report.page.page import figures_of, filled
from tfprune.report.page.settings import differing
from tfprune.report.versus import Difference, every_pair


@dataclass(frozen=True, eq=False)
class SweepData:
    """All that the page of a sweep shows.

    `settings` maps what tells a setting from others to the data of its seeds, together; where its
    layers were compared in several ways, one for each. `facts` stand below the title, `failed` are
    labels of cells with their errors. `floors` hold by name what dense networks of one training and
    different seeds show of each other, as if they were settings; none where they were not compared.
    `more` are further charts, such as the map of networks.
    """

    title: str
    settings: Mapping[str, Sequence[ReportData]]
    facts: Sequence[tuple[str, str]] = ()
    failed: Sequence[tuple[str, str]] = ()
    floors: Mapping[str, ReportData] = field(default_factory=dict)
    more: Sequence[Chart] = field(default=())


@dataclass(frozen=True)
class _Row:
    name: str
    summaries: tuple[LevelSummary, ...]


def write_sweep_report(path: str | Path, data: SweepData) -> Path:
    """Write the page of a sweep as one self-contained HTML file; return its path.

    Raises InputError where no cell of it is done.
    """
    if not data.settings:
        raise InputError(f"no cell of {data.title} is done, so there is nothing to report yet.")
    write_text_whole(Path(path), render_sweep(data))
    return Path(path)


def render_sweep(data: SweepData) -> str:
    """Return the page as text."""
    first = {name: runs[0] for name, runs in data.settings.items()}
    sentences, differences = every_pair(first)
    over_depth = {**first, **data.floors}
    figures = figures_of([[runs_accuracy_chart(first, key="settings-accuracy")]])
    figures += figures_of([runs_depth_charts(over_depth, key="settings-depth")])
    figures += figures_of([[chart] for chart in data.more])
    measures = dict.fromkeys(m for run in first.values() for m in measures_of(run.similarities))
    return filled(
        "sweep.html.j2",
        figures,
        title=data.title,
        facts=data.facts,
        failed=data.failed,
        sentences=sentences,
        rows=[_Row(name, level_summaries(run.levels)) for name, run in first.items()],
        has_floor=bool(data.floors),
        beside=figures,
        measures=[(name, measure_label(name)) for name in measures],
        differences=[_told(one) for one in differences],
        agreements=[_shown(one) for one in multiverse(data.settings)],
        settings=differing({name: run.config for name, run in first.items()}),
    )


def _told(one: Difference) -> tuple[str, ...]:
    """Return a difference as cells of a table."""
    is_accuracy = one.subject == "test accuracy"
    return (
        f"{one.other} − {one.one}",
        one.subject,
        f"{one.n}{_pairs_note(one)}",
        f"{100 * one.mean:+.2f} pp" if is_accuracy else f"{one.mean:+.3f}",
        "–" if one.effect is None else f"{one.effect:+.2f}",
        "–" if one.p is None else f"{one.p:.4f}",
        "–" if one.adjusted is None else f"{one.adjusted:.4f}",
        "yes" if one.is_found else "no",
    )


def _pairs_note(one: Difference) -> str:
    """Return what is to be said of the seeds of a difference beside their number."""
    if not one.paired:
        return " (unpaired)"
    return f" ({one.left_out} left out)" if one.left_out else ""


def _shown(one: Agreement) -> tuple[str, ...]:
    """Return an agreement as cells of a table."""
    by = ", ".join(
        f"{measure_label(measure)} {agree} of {n}" for measure, (agree, n) in one.by_measure.items()
    )
    return (one.subject, one.finding, f"{one.agree} of {one.n}", f"{one.share:.0%}", by)
