"""Charts that set the ticket beside its controls: networks of the same sparsity, other masks."""

from __future__ import annotations

import numpy as np

from tfprune.report.charts.accuracy import CATEGORIES, place, sparsity_channel
from tfprune.report.charts.chart import FLOOR, Chart, Row, Spec, number, tooltip, top_legend
from tfprune.report.data import ReportData
from tfprune.report.depth import Profile, measures_of, profiles, seed_floor
from tfprune.report.labels import measure_label, sparsity_by_level


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
    charts = [_beside("accuracy", found, names, None, measure="", key=f"{key}-accuracy")]
    for measure in measures:
        floor = seed_floor(data.similarities, measure=measure)
        height = None if floor is None else _mean(floor)
        charts.append(
            _beside(measure, found, names, height, measure=measure, key=f"{key}-{measure}")
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
    floor: float | None,
    *,
    measure: str,
    key: str,
) -> Chart:
    rows: list[Row] = []
    for (kind, name, level), pairs in found.items():
        if kind == what:
            share, value = (float(np.mean(column)) for column in zip(*pairs, strict=True))
            rows.append(
                {
                    "network": name, "level": level, "sparsity": number(share),
                    "place": number(place(share)), "value": number(value),
                    "replicates": len(pairs),
                }
            )  # fmt: skip
    label = measure_label(measure) if measure else "Test accuracy"
    shape = ".3f" if measure else ".2%"
    y: Spec = {
        "field": "value", "type": "quantitative", "title": label,
        "scale": {"zero": False, "padding": 12}, "axis": {} if measure else {"format": ".1%"},
    }  # fmt: skip
    layers: list[Spec] = [
        {
            "mark": {"type": "line", "strokeWidth": 2, "point": {"filled": True, "size": 40}},
            "encoding": {
                "x": sparsity_channel([row["sparsity"] for row in rows]),
                "y": y,
                "color": {
                    "field": "network", "type": "nominal",
                    "scale": {"domain": names, "range": CATEGORIES},
                    "legend": top_legend(),
                },
                "tooltip": tooltip(
                    ("network", "network", ""), ("level", "level", "d"),
                    ("sparsity", "sparsity", ".1%"), ("value", label, shape),
                ),
            },
        }
    ]  # fmt: skip
    if floor is not None:
        layers.append(
            {
                "data": {"values": [{"value": number(floor)}]},
                "mark": {"type": "rule", "color": FLOOR, "strokeDash": [6, 3], "strokeWidth": 1.5},
                "encoding": {"y": y, "tooltip": tooltip(("value", "seed floor", ".3f"))},
            }
        )
    note = " Dashed: the seed floor." if floor is not None else ""
    return Chart(
        key=key,
        title=f"{label} of the ticket and its controls",
        caption=("Mean over layers of the similarity with the dense network." if measure else
                 "Networks of the same sparsity, all but random-mask in every layer too.") + note,
        rows=rows,
        spec={"height": 240, "layer": layers},
        measure=measure,
    )  # fmt: skip
