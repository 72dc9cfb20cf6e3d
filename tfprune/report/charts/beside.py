"""Charts that set networks side by side: the ticket and its controls, and several runs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tfprune.report.charts.accuracy import DENSE_TEST, dense_accuracy, over_sparsity
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
from tfprune.report.depth import Profile, measures_of, profiles, seed_floor
from tfprune.report.labels import is_distance, measure_label, sparsity_by_level
from tfprune.report.levels import level_summaries
from tfprune.report.spoken import spoken, spoken_label

_SEED = "seed floor"
_RULES = {DENSE_TEST: "the dense network", _SEED: "the seed floor"}


def control_charts(data: ReportData, *, key: str) -> list[Chart]:
    """Return accuracy and mean similarity of the ticket beside its controls."""
    if not data.controls:
        return []
    names = ["ticket", *dict.fromkeys(row.control for row in data.controls)]
    found: dict[tuple[str, str, int], list[tuple[float, float]]] = {}
    for level in data.levels:
        if level.level:
            entry = (level.sparsity, level.accuracy_test)
            found.setdefault(("accuracy", "ticket", level.level), []).append(entry)
    for control in data.controls:
        entry = (control.sparsity, control.accuracy_test)
        found.setdefault(("accuracy", control.control, control.level), []).append(entry)
        for measure, value in control.similarity.items():
            found.setdefault((measure, control.control, control.level), []).append(
                (control.sparsity, value)
            )
    sparsity = sparsity_by_level(data.levels)
    measures = [m for m in measures_of(data.similarities) if any(key[0] == m for key in found)]
    for measure in measures:
        for line in profiles(data.similarities, measure=measure):
            mean = _mean(line)
            if mean is not None and line.level in sparsity:
                found[measure, "ticket", line.level] = [(sparsity[line.level], mean)]
    charts = [_beside("accuracy", found, names, dense_accuracy(data), key=f"{key}-accuracy")]
    for measure in measures:
        floor = seed_floor(data.similarities, measure=measure)
        height = None if floor is None else _mean(floor)
        rules = {} if height is None else {_SEED: height}
        charts.append(
            _beside(measure, found, names, rules, measure=measure, key=f"{key}-{measure}")
        )
    return charts


def _mean(line: Profile) -> float | None:
    """Return the mean over layers that have a number, None where none has."""
    known = line.mean[np.isfinite(line.mean)]
    return float(known.mean()) if known.size else None


def _beside(
    what: str,
    found: dict[tuple[str, str, int], list[tuple[float, float]]],
    names: list[str],
    rules: dict[str, float],
    *,
    measure: str = "",
    key: str,
) -> Chart:
    rows: list[Row] = []
    for name in names:
        for (kind, network, level), pairs in found.items():
            if (kind, network) != (what, name):
                continue
            shares, values = zip(*pairs, strict=True)
            share = float(np.mean(shares))
            rows.append(
                {
                    "network": name, "level": level, "sparsity": number(share),
                    "place": number(place(share)), "value": number(float(np.mean(values))),
                    "lowest": number(min(values)), "highest": number(max(values)),
                    "replicates": len(pairs),
                }
            )  # fmt: skip
    label = measure_label(measure) if measure else "Test accuracy"
    shape = ".3f" if measure else ".2%"
    y: Spec = {
        "field": "value", "type": "quantitative", "title": label,
        "scale": {"zero": False, "padding": 12}, "axis": {} if measure else {"format": ".1%"},
    }  # fmt: skip
    tip = tooltip(
        ("network", "network", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".1%"),
        ("lowest", "lowest replicate", shape), ("highest", "highest replicate", shape),
        ("value", label, shape),
    )  # fmt: skip
    note = "".join(f" Dashed: {_RULES[name]}." for name in rules)
    return Chart(
        key=key,
        title=f"{label} of the ticket and its controls",
        caption=("Mean over layers of the similarity with the dense network." if measure else
                 "Networks of the same sparsity, all but random-mask in every layer too.") + note,
        rows=rows,
        spec={"height": 240, "layer": over_sparsity(rows, y, tip, by="network", rules=rules)},
        measure=measure,
    )  # fmt: skip


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
        if (lines := profiles(spoken(data.levels, data.similarities), measure=measure))
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
    labels = {spoken_label(data.similarities, measure) for data in runs.values()}
    label = labels.pop() if len(labels) == 1 else measure_label(measure)
    label = label[0].upper() + label[1:]
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
