"""The axes that charts share: layers over depth, sparsity, levels as rows and as colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.report.charts.chart import Spec, legend_columns
from tfprune.report.labels import round_percent

MOST_NAMED = 8  # of more levels than this the legend names a few

# viridis at 0, 1/8, ..., 1: red, green, blue
_VIRIDIS = (
    (68, 1, 84), (71, 45, 123), (59, 82, 139), (44, 114, 142), (33, 145, 140),
    (40, 174, 128), (94, 201, 98), (173, 220, 48), (253, 231, 37),
)  # fmt: skip

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
    if len(layers) * max(map(len, layers), default=0) > 54:
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
    many = len(levels) > MOST_NAMED
    scale: Spec = {"range": _ramp(9 if many else len(levels)), "reverse": {"expr": "!dark"}}
    legend: Spec = {"title": "Level (sparsity)" if sparsity else "Level", "orient": "top"}
    look = {"symbolStrokeWidth": 0, "symbolOpacity": 1}
    if many:
        return {
            "field": "level",
            "type": "quantitative",
            "scale": {**scale, "domain": [levels[0], levels[-1]]},
            "legend": legend
            | {"title": "Level", "values": _spread(levels, 5), "symbolType": "circle", **look},
        }
    legend |= look | {
        "labelExpr": _names(levels, sparsity),
        "columns": legend_columns(90),
        "symbolType": "circle",
    }
    return {
        "field": "level",
        "type": "ordinal",
        "scale": {**scale, "domain": list(levels)},
        "legend": legend,
    }


def _spread(levels: Sequence[int], n: int) -> list[int]:
    """Return n of the levels, evenly spread, both ends among them."""
    return [levels[round(i * (len(levels) - 1) / (n - 1))] for i in range(n)]


def _ramp(n: int) -> list[str]:
    """Return n colours from dark to light, evenly spaced in lightness, of viridis' middle part.

    Viridis (van der Walt and Smith 2015) is told apart with any kind of colour vision and in gray;
    its darkest end can't be seen on black, its lightest not on white.
    """
    shares = np.linspace(0.25, 0.88, n) if n > 1 else np.array([0.4])
    known = np.linspace(0, 1, len(_VIRIDIS))
    mixed = [np.interp(shares, known, channel) for channel in np.array(_VIRIDIS).T]
    return [f"#{r:02x}{g:02x}{b:02x}" for r, g, b in np.round(mixed).astype(int).T]


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
