"""Charts of accuracy: against sparsity, and over the epochs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import numpy as np

from tfprune.experiment.results import EpochResult
from tfprune.report.charts.chart import (
    FLOOR,
    Chart,
    Row,
    Spec,
    level_colour,
    number,
    tooltip,
    top_legend,
)
from tfprune.report.data import ReportData
from tfprune.report.labels import sparsity_by_level
from tfprune.report.levels import standing
from tfprune.report.sparsity_axis import log_density, sparsity_ticks

# Okabe and Ito (2008), told apart with any kind of colour vision, light or dark paper
CATEGORIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]


def sparsity_channel(sparsities: Sequence[float]) -> Spec:
    """Return the x channel: even in the logarithm of the weights kept, labelled with sparsity."""
    highest = max(sparsities, default=0.0)
    end = max(float(log_density(np.array(highest))), 0.02)
    ticks = [float(log_density(np.array(tick))) for tick in sparsity_ticks(highest)]
    return {
        "field": "place",
        "type": "quantitative",
        "scale": {"domain": [-0.02 * end, 1.03 * end], "nice": False},
        "axis": {
            "title": "Sparsity (% of prunable weights)",
            "values": ticks,
            "labelExpr": "format(100 * (1 - pow(10, -datum.value)), '.4~g')",
        },
    }


def place(sparsity: float) -> float:
    """Return where a sparsity stands on the axis of `sparsity_channel`."""
    return float(log_density(np.array(sparsity)))


def accuracy_chart(data: ReportData, *, key: str) -> Chart | None:
    """Return test and validation accuracy against sparsity with the replicates' spread."""
    if not data.levels:
        return None
    sparsity = sparsity_by_level(data.levels)
    rows: list[Row] = []
    for name, attribute in (("test", "accuracy_test"), ("validation", "accuracy_validation")):
        for level, share in sparsity.items():
            taken = [getattr(row, attribute) for row in data.levels if row.level == level]
            known = [value for value in taken if value is not None]
            if not known:
                continue
            whole = [getattr(row, attribute) for row in standing(data.levels, level=level)]
            middle = median([value for value in whole if value is not None] or known)
            rows.append(
                {
                    "data": name, "level": level, "sparsity": number(share),
                    "place": number(place(share)), "accuracy": number(middle),
                    "lowest": number(min(known)), "highest": number(max(known)),
                    "replicates": len(known),
                }
            )  # fmt: skip
    dense = [row.accuracy_test for row in data.levels if row.level == 0]
    x = sparsity_channel(list(sparsity.values()))
    y: Spec = {
        "field": "accuracy",
        "type": "quantitative",
        "title": "Accuracy",
        "axis": {"format": ".1%"},
        "scale": {"zero": False},
    }
    colour: Spec = {
        "field": "data",
        "type": "nominal",
        "scale": {"domain": ["test", "validation"], "range": CATEGORIES[:2]},
        "legend": top_legend(),
    }
    layers: list[Spec] = [
        {
            "mark": {"type": "area", "opacity": 0.18},
            "encoding": {
                "x": x, "y": y | {"field": "lowest"}, "y2": {"field": "highest"}, "color": colour,
            },
        },
        {
            "mark": {"type": "line", "strokeWidth": 2, "point": {"filled": True, "size": 45}},
            "encoding": {
                "x": x, "y": y, "color": colour,
                "strokeDash": {
                    "field": "data", "type": "nominal", "legend": top_legend(),
                    "scale": {"domain": ["test", "validation"], "range": [[1, 0], [3, 3]]},
                },
                "tooltip": tooltip(
                    ("data", "data", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".2%"),
                    ("accuracy", "accuracy", ".2%"), ("lowest", "lowest replicate", ".2%"),
                    ("highest", "highest replicate", ".2%"), ("replicates", "replicates", "d"),
                ),
            },
        },
    ]  # fmt: skip
    if dense:
        layers.insert(
            0,
            {
                "data": {"values": [{"accuracy": number(float(np.mean(dense)))}]},
                "mark": {"type": "rule", "color": FLOOR, "strokeDash": [6, 3], "strokeWidth": 1.5},
                "encoding": {"y": y, "tooltip": tooltip(("accuracy", "dense, test", ".2%"))},
            },
        )
    several = max(row["replicates"] for row in rows) > 1
    spread = (
        "Lines are medians of the replicates that did not collapse, bands reach from the lowest "
        "to the highest. "
    ) * several
    return Chart(
        key=key,
        title="Accuracy against sparsity",
        caption=f"Dashed: the dense network on the test set. {spread}The axis is even in the "
        "logarithm of the weights kept.",
        rows=rows,
        spec={"height": 280, "layer": layers},
    )


def curve_charts(data: ReportData, *, key: str) -> list[Chart]:
    """Return loss and accuracy over the epochs, one line per level, means over replicates."""
    if not data.epochs:
        return []
    sparsity = sparsity_by_level(data.levels)
    levels = sorted({row.level for row in data.epochs})
    return [
        _curve(data.epochs, metric, levels, sparsity, key=f"{key}-{metric}")
        for metric in ("accuracy", "loss")
    ]


def _curve(
    epochs: Sequence[EpochResult],
    metric: str,
    levels: list[int],
    sparsity: dict[int, float],
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
    shape = ".2%" if metric == "accuracy" else ".4f"
    axis: Spec = {"format": ".0%"} if metric == "accuracy" else {}
    return Chart(
        key=key,
        title=f"Training curves: {metric}",
        caption="Solid: validation; dashed: training."
        + (" Loss per example, without penalties." if metric == "loss" else ""),
        rows=rows,
        spec={
            "height": 240,
            "mark": {"type": "line", "strokeWidth": 1.7, "point": {"filled": True, "size": 18}},
            "encoding": {
                "x": {
                    "field": "epoch", "type": "quantitative", "title": "Epoch",
                    "axis": {"values": _epoch_ticks(rows), "format": "d"},
                    "scale": {"zero": False, "nice": False},
                },
                "y": {
                    "field": metric, "type": "quantitative", "title": metric.capitalize(),
                    "scale": {"zero": False}, "axis": axis,
                },
                "color": level_colour(levels, sparsity),
                "strokeDash": {
                    "field": "data", "type": "nominal", "legend": None,
                    "scale": {"domain": ["validation", "training"], "range": [[1, 0], [4, 3]]},
                },
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
