"""Charts that set several runs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tfprune.report.charts.accuracy import over_sparsity
from tfprune.report.charts.axes import layer_axis, place
from tfprune.report.charts.chart import (
    CATEGORIES,
    Chart,
    Row,
    Spec,
    accuracy_scale,
    dashes_of,
    lines_by,
    number,
    points_of,
    range_of,
    tooltip,
)
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of, profiles
from tfprune.report.labels import is_distance, measure_label, round_percent, sparsity_by_level
from tfprune.report.levels import level_summaries
from tfprune.report.spoken import spoken, spoken_label

_ENTRY = 240  # pixels that a run's name takes in a legend, or more


def runs_accuracy_chart(runs: Mapping[str, ReportData], *, key: str) -> Chart:
    """Return test accuracy against sparsity, one line per run; `runs` maps a name to its data."""
    rows: list[Row] = [
        {
            "run": name, "level": row.level, "sparsity": number(row.sparsity),
            "place": number(place(row.sparsity)), "accuracy": number(row.accuracy_test_median),
            "lowest": number(row.accuracy_test_lowest),
            "highest": number(row.accuracy_test_highest), "replicates": row.n_replicates,
        }
        for name, data in runs.items()
        for row in level_summaries(data.levels)
    ]  # fmt: skip
    y: Spec = {
        "field": "accuracy", "type": "quantitative", "title": "Test accuracy",
        "axis": {"format": ".1%"}, "scale": accuracy_scale(rows, padding=10),
    }  # fmt: skip
    tip = tooltip(
        ("run", "run", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".2%"),
        ("accuracy", "accuracy", ".2%"),
    )  # fmt: skip
    return Chart(
        key=key,
        title="Test accuracy against sparsity, run by run",
        caption="Lines are medians of the seeds that did not collapse; bands span the lowest to "
        "the highest seed.",
        rows=rows,
        spec={"height": 280, "layer": over_sparsity(rows, y, tip, by="run", entry=_ENTRY)},
    )


def runs_depth_charts(runs: Mapping[str, ReportData], *, key: str) -> list[Chart]:
    """Return the chosen level's similarity over depth, one line per run, a chart per measure.

    A run with fewer levels shows its last. Runs whose layers differ are laid over one another by
    relative depth, 0 to 1.
    """
    measures = dict.fromkeys(m for data in runs.values() for m in measures_of(data.similarities))
    charts = (_runs_depth(runs, measure, key=f"{key}-{measure}") for measure in measures)
    return [chart for chart in charts if chart is not None]


def _shared_name(level: int, shares: Iterable[Mapping[int, float]]) -> str:
    """Return what several runs call a level: '3 (49%)', '3 (49% to 66%)' where they differ."""
    known = sorted(one[level] for one in shares if level in one)
    names = [round_percent(share) for share in (known[0], known[-1])]
    return f"{level} ({names[0] if names[0] == names[1] else ' to '.join(names)})"


def _runs_depth(runs: Mapping[str, ReportData], measure: str, *, key: str) -> Chart | None:
    found = {
        name: lines
        for name, data in runs.items()
        if (lines := profiles(spoken(data.levels, data.similarities), measure=measure))
    }
    if not found:
        return None
    alike = len({lines[0].layers for lines in found.values()}) == 1
    shares = {name: sparsity_by_level(runs[name].levels) for name in found}
    levels = sorted({line.level for lines in found.values() for line in lines})
    rows: list[Row] = [
        {
            "run": name, "level": line.level, "last": lines[-1].level,
            "sparsity": number(shares[name].get(line.level)), "layer": layer,
            "depth": number(index / max(len(line.layers) - 1, 1)),
            "similarity": number(line.mean[index]), "low": number(line.low[index]),
            "high": number(line.high[index]),
        }
        for name, lines in found.items()
        for line in lines
        for index, layer in enumerate(line.layers)
    ]  # fmt: skip
    labels = {spoken_label(data.similarities, measure) for data in runs.values()}
    label = labels.pop() if len(labels) == 1 else measure_label(measure)
    label = label[0].upper() + label[1:]
    values = [row[name] for row in rows for name in ("similarity", "low", "high")]
    x: Spec = (
        layer_axis(next(iter(found.values()))[0].layers)
        if alike
        else {
            "field": "depth",
            "type": "quantitative",
            "title": "Relative depth",
            "axis": {"tickCount": 5},
        }
    )
    y: Spec = {
        "field": "similarity",
        "type": "quantitative",
        "title": label,
        "scale": {
            "domain": range_of(values, high=0.0 if is_distance(measure) else 1.0),
            "nice": False,
        },
    }
    channels = lines_by("run", dashes_of(runs), CATEGORIES, entry=_ENTRY)
    return Chart(
        key=key,
        title=f"{label}, over depth, run by run",
        caption="A run with fewer levels shows its last one. Bands as in each run's own figure."
        + ("" if alike else " The runs' layers differ, so depth is relative."),
        rows=rows,
        spec={
            "params": [{"name": "level", "value": levels[-1]}],
            "transform": [{"filter": "datum.level == min(level, datum.last)"}],
            "height": 300,
            "layer": [
                {
                    "mark": {"type": "area", "opacity": 0.15},
                    "encoding": {
                        "x": x, "y": y | {"field": "low"}, "y2": {"field": "high"},
                        "color": channels["color"],
                    },
                },
                {
                    "mark": {"type": "line", "strokeWidth": 2,
                             "point": points_of("run", runs, size=40)},
                    "encoding": {
                        "x": x, "y": y, **channels,
                        "tooltip": tooltip(
                            ("run", "run", ""), ("layer", "layer", ""), ("level", "level", "d"),
                            ("sparsity", "sparsity", ".1%"), ("similarity", label, ".3f"),
                        ),
                    },
                },
            ],
        },
        measure=measure,
        levels=levels,
        level_names=[_shared_name(level, shares.values()) for level in levels],
    )  # fmt: skip
