"""One chart of the page: a Vega-Lite specification with its rows, and the parts they share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tfprune.report.labels import round_percent

Row = dict[str, Any]
Spec = dict[str, Any]

MOST_NAMED = 8  # more levels than this get a continuous legend
MOST_BANDS = 6  # more intervals than this hide one another: only the last level keeps its own

#: colours that page.css defines for light and dark; page.js replaces them in saved files
INK, FLOOR = "var(--ink)", "var(--floor)"

_SHORT = (
    "length(datum.label) > 16 ? slice(datum.label, 0, 7) + '…' + slice(datum.label, -8)"
    " : datum.label"
)


@dataclass(frozen=True)
class Chart:
    """A chart: `rows` are what it draws and what its CSV holds.

    `key` is unique in the page and names saved files. `measure` makes the chart one of several
    between which the reader chooses; `levels` gives it a slider that sets the parameter `level`.
    """

    key: str
    title: str
    caption: str
    rows: list[Row]
    spec: Spec
    measure: str = ""
    levels: Sequence[int] = field(default=())

    def document(self) -> dict[str, Any]:
        """Return what page.js needs to draw the chart."""
        return {
            "key": self.key,
            "measure": self.measure,
            "levels": list(self.levels),
            "columns": columns(self.rows),
            "spec": complete(self.spec, self.title),
        }


def columns(rows: Sequence[Row]) -> dict[str, Any]:
    """Return rows column by column, repeated texts by number; page.js puts them together again.

    A column of texts is {'names': [...], 'at': [index into names, ...]}, any other a list.
    """
    packed: dict[str, Any] = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name) for row in rows]
        if values and all(isinstance(value, str) for value in values):
            names = {text: index for index, text in enumerate(dict.fromkeys(values))}
            packed[name] = {"names": list(names), "at": [names[text] for text in values]}
        else:
            packed[name] = values
    return packed


def complete(spec: Spec, title: str) -> Spec:
    """Return the specification with what all charts share; its rows are named `rows`."""
    return {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "description": title,
        "data": {"name": "rows"},
        "width": "container",
        **spec,
        "params": [{"name": "dark", "value": False}, *spec.get("params", [])],
    }


def number(value: float | None) -> float | None:
    """Return a value as JSON can hold it, to six significant digits; None where not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


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
    legend: Spec = {"title": "Level (sparsity)", "orient": "top"}
    if len(levels) > MOST_NAMED:
        return {
            "field": "level",
            "type": "quantitative",
            "scale": {**scale, "domain": [levels[0], levels[-1]]},
            "legend": legend | {"title": "Level", "gradientLength": 160, "tickMinStep": 1},
        }
    names = ", ".join(
        f"'{n}': '{n} ({round_percent(sparsity[n])})'" if n in sparsity else f"'{n}': '{n}'"
        for n in levels
    )
    legend |= {
        "labelExpr": f"({{{names}}})[datum.label]",
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


def legend_columns(letters_wide: int) -> Spec:
    """Return as many legend columns as the chart's width holds, each so many pixels wide."""
    return {"expr": f"max(1, floor((width + 20) / {letters_wide}))"}


def top_legend(entry: int = 130) -> Spec:
    """Return a legend without title above the chart; `entry` is an entry's width in pixels."""
    return {"title": None, "orient": "top", "symbolOpacity": 1, "symbolStrokeWidth": 0,
            "columns": legend_columns(entry)}  # fmt: skip


def heat_layers(
    encoding: Spec, *, value: str, title: str, domain: Sequence[float], shape: str, n_columns: int
) -> Spec:
    """Return a map's two layers: cells, and their numbers where a column is wide enough.

    `encoding` has x, y and tooltip; `value` is the field that colours the cells, over `domain`,
    and `shape` its d3 format. Numbers are dark on bright cells.
    """
    low, high = domain
    middle = low + 0.55 * (high - low)
    text = {"field": value, "type": "quantitative", "format": shape}
    legend = {"title": title, "orient": "top", "gradientLength": 200}
    if shape.endswith("%"):
        legend["format"] = shape
    color = {
        "field": value,
        "type": "quantitative",
        "scale": {"domain": list(domain), "scheme": "cividis"},
        "legend": legend,
    }
    return {
        "encoding": encoding,
        "layer": [
            {"mark": {"type": "rect"}, "encoding": {"color": color}},
            {
                "transform": [{"filter": f"isValid(datum['{value}'])"}],
                "mark": {
                    "type": "text",
                    "fontSize": 11,
                    "opacity": {"expr": f"width / {n_columns} >= 36 ? 1 : 0"},
                    "color": {"expr": f"datum['{value}'] > {middle} ? 'black' : 'white'"},
                },
                "encoding": {"text": text},
            },
        ],
    }


def map_height(n_rows: int) -> int:
    """Return the height in pixels of a map of so many rows."""
    return n_rows * max(12, min(28, 420 // n_rows))


def tooltip(*columns: tuple[str, str, str]) -> list[Spec]:
    """Return tooltip lines from (field, title, d3 format; no format for text)."""
    return [
        {"field": name, "title": title, "type": "quantitative", "format": shape}
        if shape
        else {"field": name, "title": title, "type": "nominal"}
        for name, title, shape in columns
    ]


def range_of(values: Iterable[float | None], *, low: float = 0.0, high: float = 1.0) -> list[float]:
    """Return [low, high], widened where values lie outside."""
    known = [v for v in values if v is not None]
    return [min([low, *known]), max([high, *known])]
