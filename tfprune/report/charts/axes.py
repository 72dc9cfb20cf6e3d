"""The axes that charts share: layers over depth, sparsity, levels as rows and as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.report.charts.chart import Spec, legend_columns
from tfprune.report.labels import round_percent

MOST_NAMED = 8  # more levels than this get a continuous legend

_SHORT = (
    "length(datum.label) > 16 ? slice(datum.label, 0, 7) + '…' + slice(datum.label, -8)"
    " : datum.label"
)

_CANDIDATES = (0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.8, 0.2, 0.95, 0.98, 0.995, 0.998, 0.7, 0.6,
               0.3, 0.4, 0.1, 0.85, 0.05)  # fmt: skip
_SMALLEST_DENSITY = 1e-5


def log_density(sparsity: np.ndarray) -> np.ndarray:
    """Return -log10 of the share of weights kept: 0 for dense, 1 at 90 %, 2 at 99 %."""
    return -np.log10(np.maximum(1 - np.asarray(sparsity, dtype=float), _SMALLEST_DENSITY))


def sparsity_ticks(highest: float, *, n: int = 7) -> list[float]:
    """Return up to `n` round sparsities from 0 to `highest`, none too close to another."""
    end = float(log_density(np.array(highest)))
    room = max(end, 0.02) / (n - 1) * 0.8
    taken: list[float] = []
    for tick in _CANDIDATES:
        place = float(log_density(np.array(tick)))
        near = (abs(place - float(log_density(np.array(other)))) for other in taken)
        if place <= end * 1.001 and all(gap >= room for gap in near):
            taken.append(tick)
    return sorted(taken)


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


def layer_axis(layers: Sequence[str], *, title: str = "Layer, input to output") -> Spec:
    """Return the x channel over layers in their order."""
    angle = 0
    if len(layers) > 6 or any(len(name) > 9 for name in layers):
        angle = -40 if len(layers) <= 10 else -90  # upright names stand closest
    return {
        "field": "layer",
        "type": "nominal",
        "scale": {"domain": list(layers)},
        "axis": {
            "title": title,
            "labelAngle": angle,
            "labelAlign": "right" if angle else "center",
            "labelBaseline": "middle" if angle == -90 else "top",
            "labelOverlap": "greedy",
            "labelExpr": _SHORT,
        },
    }


def level_colour(levels: Sequence[int], sparsity: Mapping[int, float]) -> Spec:
    """Return the colour channel over levels; the last level contrasts most with the paper."""
    scale: Spec = {
        "scheme": {"name": "viridis", "extent": [0.16, 0.88]},
        "reverse": {"expr": "!dark"},
    }
    legend: Spec = {"title": "Level (sparsity)" if sparsity else "Level", "orient": "top"}
    if len(levels) > MOST_NAMED:
        return {
            "field": "level",
            "type": "quantitative",
            "scale": {**scale, "domain": [levels[0], levels[-1]]},
            "legend": legend | {"title": "Level", "gradientLength": 160, "tickMinStep": 1},
        }
    legend |= {
        "labelExpr": _names(levels, sparsity),
        "columns": legend_columns(90),
        "symbolType": "circle",
    }
    legend |= {"symbolStrokeWidth": 0, "symbolOpacity": 1}
    return {
        "field": "level",
        "type": "ordinal",
        "scale": {**scale, "domain": list(levels)},
        "legend": legend,
    }


def level_rows(levels: Sequence[int], sparsity: Mapping[int, float]) -> Spec:
    """Return the y channel of a map whose rows are levels, named with their sparsity."""
    return {
        "field": "level",
        "type": "ordinal",
        "title": "Level (sparsity)" if sparsity else "Level",
        "axis": {"labelExpr": _names(levels, sparsity)},
    }


def _names(levels: Sequence[int], sparsity: Mapping[int, float]) -> str:
    """Return the Vega expression of a level's name, with its sparsity where that is known."""
    names = ", ".join(
        f"'{n}': '{n} ({round_percent(sparsity[n])})'" if n in sparsity else f"'{n}': '{n}'"
        for n in levels
    )
    return f"({{{names}}})[datum.label]"
