"""Charts that set the ticket beside its controls: networks of the same sparsity, other masks."""

from __future__ import annotations

import numpy as np

from tfprune.report.charts.accuracy import DENSE_TEST, dense_accuracy, over_sparsity
from tfprune.report.charts.axes import place
from tfprune.report.charts.chart import Chart, Row, Spec, number, tooltip
from tfprune.report.data import ReportData
from tfprune.report.depth import Profile, measures_of, profiles, seed_floor
from tfprune.report.labels import measure_label, sparsity_by_level

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
