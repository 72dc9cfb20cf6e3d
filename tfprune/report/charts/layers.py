"""Charts of what pruning leaves in every layer: its sparsity, and the channels that die."""

from __future__ import annotations

import numpy as np

from tfprune.report.charts.axes import layer_axis, level_rows
from tfprune.report.charts.chart import (
    Chart,
    Row,
    heat_layers,
    map_height,
    number,
    tooltip,
    top_legend,
)
from tfprune.report.collapse import kept_networks, means_over
from tfprune.report.data import ReportData
from tfprune.report.depth import layers_of, measures_of
from tfprune.report.labels import level_name, sparsity_by_level
from tfprune.report.spoken import spoken
from tfprune.results import DENSE

_KINDS = ("masked by pruning", "dead by itself", "constant")
_KIND_COLOURS = ("#d55e00", "#56b4e9", "#009e73")


def layer_sparsity_chart(data: ReportData, *, key: str) -> Chart | None:
    """Return the layer x level map of sparsity, means over seeds that did not collapse."""
    kept = kept_networks(data.levels)
    found: dict[tuple[int, str], list[float]] = {}
    for row in data.levels:
        for layer, share in row.layer_sparsity.items() if (row.level, row.seed) in kept else ():
            if row.level:
                found.setdefault((row.level, layer), []).append(share)
    if not found:
        return None
    layers = list(dict.fromkeys(layer for _, layer in found))
    rows: list[Row] = [
        {"level": level, "layer": layer, "sparsity": number(float(np.mean(shares)))}
        for (level, layer), shares in sorted(
            found.items(), key=lambda item: (item[0][0], layers.index(item[0][1]))
        )
    ]
    levels = sorted({row["level"] for row in rows})
    return Chart(
        key=key,
        title="Sparsity of every layer",
        caption="Share of each layer's prunable weights that are zero." + means_over(data.levels),
        rows=rows,
        spec={
            "height": map_height(len(levels)),
            **heat_layers(
                {
                    "x": layer_axis(layers),
                    "y": level_rows(levels, sparsity_by_level(data.levels)),
                    "tooltip": tooltip(
                        ("layer", "layer", ""), ("level", "level", "d"),
                        ("sparsity", "sparsity", ".2%"),
                    ),
                },
                value="sparsity", title="Sparsity", domain=(0, 1), shape=".0%",
                n_columns=len(layers),
            ),
        },
        is_map=True,
    )  # fmt: skip


def dead_chart(data: ReportData, *, key: str) -> Chart | None:
    """Return the share of channels without signal in every layer of the chosen level."""
    measures = measures_of(data.similarities)
    taken = [
        row
        for row in spoken(data.levels, data.similarities, by_share=False)
        if row.measure in measures[:1] and row.against == DENSE and row.level
    ]
    if not taken:
        return None
    layers = layers_of(taken)
    levels = sorted({row.level for row in taken})
    sparsity = sparsity_by_level(data.levels)
    rows: list[Row] = []
    for level in levels:
        for layer in layers:
            here = [row for row in taken if (row.level, row.layer) == (level, layer)]
            if not here:
                continue
            width = here[0].width
            for kind, name in zip(_KINDS, ("masked_b", "dead_b", "constant_b"), strict=True):
                count = float(np.mean([getattr(row, name) for row in here]))
                rows.append(
                    {
                        "level": level, "layer": layer, "channels": kind, "count": number(count),
                        "width": width, "share": number(count / width),
                    }
                )  # fmt: skip
    if not any(row["count"] for row in rows):
        return None
    return Chart(
        key=key,
        title="Channels without signal",
        caption="Share of each layer's channels that carry no information on the probe set: all "
        "incoming weights pruned, zero for every image, or constant at another value."
        + means_over(data.levels),
        rows=rows,
        spec={
            "params": [{"name": "level", "value": levels[-1]}],
            "height": 220,
            "transform": [{"filter": "datum.level == level"}],
            "mark": {"type": "bar"},
            "encoding": {
                "x": layer_axis(layers),
                "y": {
                    "field": "share", "type": "quantitative", "title": "Share of channels",
                    "axis": {"format": ".0%"},
                    "scale": {"domain": [0, _highest(rows)], "nice": True},
                },
                "color": {
                    "field": "channels", "type": "nominal",
                    "scale": {"domain": list(_KINDS), "range": list(_KIND_COLOURS)},
                    "legend": top_legend(118),
                },
                "tooltip": tooltip(
                    ("layer", "layer", ""), ("channels", "channels", ""),
                    ("count", "count", ".3~g"), ("width", "of", "d"), ("share", "share", ".1%"),
                ),
            },
        },
        levels=levels,
        level_names=[level_name(level, sparsity) for level in levels],
    )  # fmt: skip


def _highest(rows: list[Row]) -> float:
    """Return the tallest stack of all levels, so that the slider does not move the axis."""
    stacks: dict[tuple[int, str], float] = {}
    for row in rows:
        where = row["level"], row["layer"]
        stacks[where] = stacks.get(where, 0.0) + row["share"]
    return max(stacks.values())
