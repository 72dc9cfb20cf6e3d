"""Charts of several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping

from tfprune.report.charts.accuracy import over_sparsity
from tfprune.report.charts.axes import layer_axis, place
from tfprune.report.charts.chart import (
    CATEGORIES,
    SOLID,
    Chart,
    Row,
    Spec,
    lines_by,
    number,
    range_of,
    tooltip,
)
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of, profiles
from tfprune.report.labels import is_distance, measure_label
from tfprune.report.levels import level_summaries

_ENTRY = 240  # pixels that a run's name takes in a legend


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
        "axis": {"format": ".1%"}, "scale": {"zero": False, "padding": 10},
    }  # fmt: skip
    tip = tooltip(
        ("run", "run", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".2%"),
        ("accuracy", "accuracy", ".2%"),
    )  # fmt: skip
    return Chart(
        key=key,
        title="Test accuracy against sparsity, run by run",
        caption="Lines are medians of the replicates that did not collapse, bands reach from the "
        "lowest to the highest.",
        rows=rows,
        spec={"height": 280, "layer": over_sparsity(rows, y, tip, by="run", entry=_ENTRY)},
    )


def runs_depth_charts(runs: Mapping[str, ReportData], *, key: str) -> list[Chart]:
    """Return the last level's similarity over depth, one line per run, a chart per measure.

    Runs whose layers differ are laid over one another by relative depth, 0 to 1.
    """
    measures = dict.fromkeys(m for data in runs.values() for m in measures_of(data.similarities))
    charts = (_runs_depth(runs, measure, key=f"{key}-{measure}") for measure in measures)
    return [chart for chart in charts if chart is not None]


def _runs_depth(runs: Mapping[str, ReportData], measure: str, *, key: str) -> Chart | None:
    last = {
        name: lines[-1]
        for name, data in runs.items()
        if (lines := profiles(data.similarities, measure=measure))
    }
    if not last:
        return None
    alike = len({line.layers for line in last.values()}) == 1
    rows: list[Row] = [
        {
            "run": name, "level": line.level, "layer": layer,
            "depth": number(index / max(len(line.layers) - 1, 1)),
            "similarity": number(line.mean[index]), "low": number(line.low[index]),
            "high": number(line.high[index]),
        }
        for name, line in last.items()
        for index, layer in enumerate(line.layers)
    ]  # fmt: skip
    label = measure_label(measure)
    values = [row[name] for row in rows for name in ("similarity", "low", "high")]
    x: Spec = (
        layer_axis(next(iter(last.values())).layers)
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
    channels = lines_by("run", dict.fromkeys(runs, SOLID), CATEGORIES, entry=_ENTRY)
    return Chart(
        key=key,
        title=f"{label} over depth, last level of every run",
        caption="Bands as in each run's own figure."
        + ("" if alike else " The runs' layers differ, so depth is relative."),
        rows=rows,
        spec={
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
                             "point": {"filled": True, "size": 40}},
                    "encoding": {
                        "x": x, "y": y, **channels,
                        "tooltip": tooltip(
                            ("run", "run", ""), ("layer", "layer", ""), ("level", "level", "d"),
                            ("similarity", label, ".3f"),
                        ),
                    },
                },
            ],
        },
        measure=measure,
    )  # fmt: skip
