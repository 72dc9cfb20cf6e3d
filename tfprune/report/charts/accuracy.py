"""Charts of accuracy: against sparsity, beside the controls, and over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle, islice
from statistics import median

import numpy as np

from tfprune.report.charts.axes import level_colour, place, sparsity_channel
from tfprune.report.charts.chart import (
    CATEGORIES,
    DASHED,
    FLOOR,
    SOLID,
    Chart,
    Dashes,
    Row,
    Spec,
    accuracy_scale,
    dashes_of,
    lines_by,
    number,
    points_of,
    tooltip,
)
from tfprune.report.collapse import kept_networks, means_over, not_collapsed
from tfprune.report.data import ReportData
from tfprune.report.labels import sparsity_by_level
from tfprune.report.shifted import MOST, set_summaries, short_names
from tfprune.results import EpochResult

DENSE_TEST = "dense, test"


def dense_accuracy(data: ReportData) -> dict[str, float]:
    """Return the rule of the dense networks that trained: its name and their median accuracy."""
    dense = [row.accuracy_test for row in not_collapsed(data.levels, level=0)]
    return {DENSE_TEST: float(np.median(dense))} if dense else {}


def over_sparsity(
    rows: Sequence[Row],
    y: Spec,
    tip: list[Spec],
    *,
    by: str,
    dashes: Mapping[str, Dashes] | None = None,
    rules: Mapping[str, float] | None = None,
    entry: int = 115,
) -> list[Spec]:
    """Return the layers of lines over sparsity, one for each value of the field `by`.

    Rows have `place` (see `sparsity_channel`), `sparsity`, `lowest` and `highest`, between which
    a band is drawn, and the field of the channel `y`. `rules` maps a name to the height of a
    dashed line across the chart; `dashes` are those of lines that are not told apart as usual.
    """
    names, rules = list(dict.fromkeys(row[by] for row in rows)), rules or {}
    styles = dashes_of(names) | dict(dashes or {}) | dict.fromkeys(rules, DASHED)
    colours = [*islice(cycle(CATEGORIES), len(names)), *[FLOOR] * len(rules)]
    channels = lines_by(by, styles, colours, entry=entry)
    x = sparsity_channel([row["sparsity"] for row in rows])
    band = {"x": x, "y": y | {"field": "lowest"}, "y2": {"field": "highest"}}
    across: list[Spec] = [
        {
            "data": {"values": [{by: name, y["field"]: number(height)}]},
            "mark": {"type": "rule", "strokeWidth": 1.5},
            "encoding": {
                "y": y, **channels,
                "tooltip": tooltip((by, by, ""), (y["field"], name, tip[-1]["format"])),
            },
        }
        for name, height in rules.items()
    ]  # fmt: skip
    return [
        {
            "mark": {"type": "area", "opacity": 0.16},
            "encoding": band | {"color": channels["color"]},
        },
        *across,
        {
            "mark": {"type": "line", "strokeWidth": 2, "point": points_of(by, names, size=42)},
            "encoding": {"x": x, "y": y, **channels, "tooltip": tip},
        },
    ]


def accuracy_chart(data: ReportData, *, key: str) -> Chart | None:
    """Return the accuracy on every test set, and on validation, against sparsity.

    With the replicates' spread.
    """
    if not data.levels:
        return None
    rows: list[Row] = []
    for name, attribute in (("test", "accuracy_test"), ("validation", "accuracy_validation")):
        for level, share in sparsity_by_level(data.levels).items():
            taken = [getattr(row, attribute) for row in data.levels if row.level == level]
            known = [value for value in taken if value is not None]
            if not known:
                continue
            whole = [getattr(row, attribute) for row in not_collapsed(data.levels, level=level)]
            middle = median([value for value in whole if value is not None] or known)
            rows.append(
                {
                    "data": name, "level": level, "sparsity": number(share),
                    "place": number(place(share)), "accuracy": number(middle),
                    "lowest": number(min(known)), "highest": number(max(known)),
                    "replicates": len(known),
                }
            )  # fmt: skip
    further = set_summaries(data.levels)[1 : MOST + 1]
    called = short_names([one.name for one in further])
    shares = sparsity_by_level(data.levels)
    for one in further:
        n_known = len({row.seed for row in data.levels})
        rows += [
            {
                "data": called[one.name], "level": level, "sparsity": number(shares[level]),
                "place": number(place(shares[level])), "accuracy": number(middle),
                "lowest": number(low), "highest": number(high), "replicates": n_known,
            }
            for level, (middle, low, high) in one.accuracy.items()
        ]  # fmt: skip
    y: Spec = {
        "field": "accuracy", "type": "quantitative", "title": "Accuracy",
        "axis": {"format": ".1%"}, "scale": accuracy_scale(rows, padding=10),
    }  # fmt: skip
    tip = tooltip(
        ("data", "data", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".2%"),
        ("lowest", "lowest replicate", ".2%"), ("highest", "highest replicate", ".2%"),
        ("replicates", "replicates", "d"), ("accuracy", "accuracy", ".2%"),
    )  # fmt: skip
    several = max(row["replicates"] for row in rows) > 1
    spread = (
        "Lines are medians of the seeds that did not collapse; bands span the lowest to the "
        "highest seed. "
    ) * several
    also = "Dots and dashes: further test sets. " * bool(further)
    dashes = {"validation": [3, 3], **{called[one.name]: [6, 2, 1, 2] for one in further}}
    return Chart(
        key=key,
        title="Accuracy against sparsity",
        caption=f"Dashed: the dense network on the test set. {also}{spread}The x-axis is "
        "logarithmic in the share of weights kept, with a tick at each level.",
        rows=rows,
        spec={
            "height": 280,
            "layer": over_sparsity(
                rows, y, tip, by="data", dashes=dashes, rules=dense_accuracy(data)
            ),
        },
    )


def curve_charts(data: ReportData, *, key: str) -> list[Chart]:
    """Return loss and accuracy over the epochs, one line per level.

    Of several seeds means over those that did not collapse at the level.
    """
    known, kept = {(row.level, row.seed) for row in data.levels}, kept_networks(data.levels)
    left_out = known - kept
    epochs = [row for row in data.epochs if (row.level, row.seed) not in left_out]
    if not epochs:
        return []
    sparsity = sparsity_by_level(data.levels)
    levels = sorted({row.level for row in epochs})
    return [
        _curve(epochs, metric, levels, sparsity, means_over(data.levels), key=f"{key}-{metric}")
        for metric in ("accuracy", "loss")
    ]


def _curve(
    epochs: Sequence[EpochResult],
    metric: str,
    levels: list[int],
    sparsity: dict[int, float],
    seeds: str,
    *,
    key: str,
) -> Chart:
    grouped: dict[tuple[str, int, int], list[float]] = {}
    for row in epochs:
        for name, attribute in (("training", metric), ("validation", f"validation_{metric}")):
            value = getattr(row, attribute)
            if value is not None and np.isfinite(value):
                grouped.setdefault((name, row.level, row.epoch + 1), []).append(value)
    rows: list[Row] = [
        {"data": name, "level": level, "epoch": epoch, metric: number(float(np.mean(values)))}
        for (name, level, epoch), values in sorted(grouped.items())
    ]
    # what is measured on images that the network did not learn from is drawn solid
    dashes = {"validation": SOLID, "training": [4, 3]}
    drawn = {row["data"] for row in rows}
    shape = ".2%" if metric == "accuracy" else ".4f"
    axis: Spec = {"format": ".0%"} if metric == "accuracy" else {}
    return Chart(
        key=key,
        title=f"Training curves: {metric}",
        caption="Solid: validation; dashed: training."
        + (" Loss per example, without penalties." if metric == "loss" else "")
        + seeds,
        rows=rows,
        spec={
            "height": 240,
            "mark": {"type": "line", "strokeWidth": 1.7, "point": {"filled": True, "size": 18}},
            "encoding": {
                "x": {
                    "field": "epoch", "type": "quantitative", "title": "Epoch",
                    "axis": {"values": _epoch_ticks(rows), "format": "d"},
                    "scale": {"zero": False, "nice": False, "padding": 6},
                },
                "y": {
                    "field": metric, "type": "quantitative",
                    "title": "Accuracy" if metric == "accuracy" else "Loss per example (nats)",
                    "scale": {"zero": False, "nice": False, "padding": 6}, "axis": axis,
                },
                "color": level_colour(levels, sparsity),
                **lines_by("data", {name: dashes[name] for name in dashes if name in drawn}),
                "detail": [{"field": "level"}, {"field": "data"}],
                "tooltip": tooltip(
                    ("data", "data", ""), ("level", "level", "d"), ("epoch", "epoch", "d"),
                    (metric, metric, shape),
                ),
            },
        },
    )  # fmt: skip


def _epoch_ticks(rows: Sequence[Row], *, most: int = 10) -> list[int]:
    """Return up to `most` whole epochs, the first and evenly spaced later ones."""
    epochs = sorted({row["epoch"] for row in rows})
    return epochs[:: -(-len(epochs) // most)] if epochs else []
