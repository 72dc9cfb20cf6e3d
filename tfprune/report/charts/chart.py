"""One chart of the page: a Vega-Lite specification with its rows, and the parts they share."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

Row = dict[str, Any]
Spec = dict[str, Any]

MOST_BANDS = 6  # more intervals than this hide one another: only the last level keeps its own

#: colours that page.css defines for light and dark paper
INK, FLOOR = "var(--ink)", "var(--floor)"

#: the same on white, for figures and for what the page saves
ON_WHITE = {
    "ink": "#1c2024",
    "soft": "#59636e",
    "faint": "#8a939c",
    "floor": "#555d66",
    "grid": "#e3e6ea",
}

#: Okabe and Ito (2008): told apart with any kind of colour vision, on light and dark paper
CATEGORIES = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"]

_TEXT = {
    "labelColor": INK, "titleColor": INK, "titleFontWeight": 500,
    "labelFontSize": 12, "titleFontSize": 12,
}  # fmt: skip

#: what all charts look like, on the page and in figures; the font is the medium's
CONFIG: Spec = {
    "background": "transparent",
    "view": {"stroke": None},
    "axis": {
        **_TEXT, "domainColor": "var(--faint)", "tickColor": "var(--faint)",
        "gridColor": "var(--grid)", "labelLimit": 0,
    },
    "axisBand": {"grid": False},
    "legend": {**_TEXT, "offset": 10, "symbolStrokeColor": FLOOR, "titleLimit": 0,
               "layout": {"top": {"direction": "vertical", "anchor": "start"}}},
    "point": {"filled": True},
    "line": {"strokeCap": "round"},
}  # fmt: skip


@dataclass(frozen=True)
class Chart:
    """A chart: `rows` are what it draws and what its CSV holds.

    `key` is unique in the page and names saved files. `measure` makes the chart one of several
    between which the reader chooses; `levels` gives it a slider that sets the parameter `level`.
    `level_names` are what the slider and saved pictures call its levels. `is_map`: cells with
    numbers in them, which need their room.
    """

    key: str
    title: str
    caption: str
    rows: list[Row]
    spec: Spec
    measure: str = ""
    levels: Sequence[int] = field(default=())
    level_names: Sequence[str] = field(default=())
    is_map: bool = False

    def document(self) -> dict[str, Any]:
        """Return what page.js needs to draw the chart."""
        return {
            "key": self.key,
            "measure": self.measure,
            "levels": list(self.levels),
            "names": list(self.level_names),
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
        "params": [
            {"name": "dark", "value": False},
            {"name": "room", "expr": "width"},
            *spec.get("params", []),
        ],
    }


def on_white(spec: Spec) -> Spec:
    """Return a specification or configuration with the page's colours as they are on white."""
    text = json.dumps(spec)
    for name, colour in ON_WHITE.items():
        text = text.replace(f"var(--{name})", colour)
    return dict(json.loads(text))


def number(value: float | None) -> float | None:
    """Return a value as JSON can hold it, to six significant digits; None where not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value:.6g}")


def accuracy_scale(rows: Iterable[Row], *, padding: int) -> Spec:
    """Return a scale of accuracies, from `lowest` to `highest` of the rows, that ends at 1.

    Left to itself, it would go on to the next round number beyond.
    """
    ends = [row[name] for row in rows for name in ("lowest", "highest") if row[name] is not None]
    scale: Spec = {"zero": False, "padding": padding}
    low, high = min(ends, default=0.0), max(ends, default=0.0)
    room = 0.1 * (high - low)  # more than the padding takes
    return scale | ({"domainMax": 1} if low < high <= 1 < high + room else {})


def legend_columns(letters_wide: int) -> Spec:
    """Return as many legend columns as the chart's width holds, each so many pixels wide."""
    return {"expr": f"max(1, floor((room + 20) / {letters_wide}))"}


def top_legend(entry: int = 130) -> Spec:
    """Return a legend without title above the chart; `entry` is an entry's width in pixels."""
    return {"title": None, "orient": "top", "symbolOpacity": 1, "symbolStrokeWidth": 0,
            "columns": legend_columns(entry)}  # fmt: skip


Dashes = Sequence[float]

SOLID: Dashes = (1, 0)
DASHED: Dashes = (6, 3)  # of lines across a chart

_SYMBOL, _LETTER = 34, 7  # pixels that a line's piece and each letter take in a legend

#: what tells lines apart beside their colour: dashes, and shapes of the points on them
_DASHES: tuple[Dashes, ...] = (
    SOLID, (2, 3), (10, 4), (9, 3, 2, 3), (4, 1.5), (9, 3, 2, 3, 2, 3),
)  # fmt: skip
_SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")


def dashes_of(names: Iterable[str]) -> dict[str, Dashes]:
    """Return the dashes of each line, those of the first six different from one another."""
    return dict(zip(names, cycle(_DASHES), strict=False))


def points_of(field: str, names: Iterable[str], *, size: int) -> Spec:
    """Return the points of lines, which have a shape of their own for each value of a field.

    The shapes are no channel, whose legend would take the place of that of the dashes.
    """
    shapes = json.dumps(dict(zip(names, cycle(_SHAPES), strict=False)))
    return {"filled": True, "size": size, "shape": {"expr": f"({shapes})[datum['{field}']]"}}


_MOST_LETTERS = 48  # of a name in a legend: what a figure of one column holds


def legend_names(names: Iterable[str]) -> dict[str, str]:
    """Return name -> what a legend shows: a long name without its middle, never two alike.

    >>> legend_names(["digits", "c" * 60])["digits"]
    'digits'
    """
    names = list(names)
    half = (_MOST_LETTERS - 1) // 2
    shown = {
        name: name if len(name) <= _MOST_LETTERS else f"{name[:half].rstrip()}…{name[-half:]}"
        for name in names
    }
    seen = list(shown.values())
    for index, name in enumerate(names):
        if seen.count(shown[name]) > 1:
            shown[name] = f"{index + 1}: {shown[name]}"
    return shown


def lines_by(
    field: str,
    dashes: Mapping[str, Dashes],
    colours: Sequence[str] = (),
    *,
    entry: int = 150,
) -> Spec:
    """Return the channels that tell the lines of a nominal field apart, named above the chart.

    `dashes` maps every line's name to its dashes, `colours` has one for each; without them only
    the dashes tell. `entry` is the width of a legend's entry in pixels, of longer names more.
    """
    names, shown = list(dashes), legend_names(dashes)
    entry = max(entry, _SYMBOL + _LETTER * max(map(len, shown.values()), default=0))
    legend = top_legend(entry) | {
        "symbolType": "stroke", "symbolStrokeWidth": 2, "symbolSize": 350,
        "symbolFillColor": "transparent", "labelLimit": entry - _SYMBOL,
    }  # fmt: skip
    if list(shown.values()) != names:
        legend["labelExpr"] = f"({json.dumps(shown)})[datum.label]"
    by: Spec = {"field": field, "type": "nominal", "legend": legend}
    channels = {
        "strokeDash": by | {"scale": {"domain": names, "range": [*map(list, dashes.values())]}}
    }
    if colours:
        channels["color"] = by | {"scale": {"domain": names, "range": list(colours)[: len(names)]}}
    return channels


def heat_layers(
    encoding: Spec, *, value: str, title: str, domain: Sequence[float], shape: str, n_columns: int
) -> Spec:
    """Return a map's two layers: cells, and their numbers where a column is wide enough.

    `encoding` has x, y and tooltip; `value` is the field that colours the cells, over `domain`,
    and `shape` its d3 format. Numbers are dark on bright cells.
    """
    low, high = domain
    middle = low + 0.55 * (high - low)
    text = {"field": "text", "type": "nominal"}
    digits = f"'{shape}'"
    if shape == ".0%":  # never a false 100%
        digits = (
            f"datum['{value}'] >= 1 || datum['{value}'] < 0.985 ? '.0%' : "
            f"datum['{value}'] < 0.9995 ? '.1%' : datum['{value}'] < 0.99995 ? '.2%' : '.3%'"
        )
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
                "transform": [
                    {"filter": f"isValid(datum['{value}']) && room / {n_columns} >= 36"},
                    {"calculate": f"format(datum['{value}'], {digits})", "as": "text"},
                ],
                "mark": {
                    "type": "text",
                    "fontSize": 11,
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
