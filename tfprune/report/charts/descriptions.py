"""Charts of what every layer is like by itself, over depth: one for each quantity."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.report.charts.axes import MOST_NAMED, layer_axis, level_colour
from tfprune.report.charts.chart import MOST_BANDS, Chart, Row, Spec, number, tooltip
from tfprune.report.collapse import kept_networks
from tfprune.report.data import ReportData
from tfprune.report.labels import listed, sparsity_by_level
from tfprune.results.descriptions import (
    BY_CHANCE,
    QUANTITIES,
    DescriptionResult,
    Quantity,
    quantity_named,
)

_MOST_REASONS = 4
_COUNTED = ("units", "concepts")  # units of what is counted


def quantities(data: ReportData) -> list[Quantity]:
    """Return the quantities of which a run has a value, as they are declared."""
    names = dict.fromkeys(row.quantity for row in data.descriptions if row.value is not None)
    places = {quantity.name: place for place, quantity in enumerate(QUANTITIES)}
    return [quantity_named(name) for name in sorted(names, key=lambda one: places.get(one, 1000))]


def without_value(data: ReportData) -> list[str]:
    """Return a sentence for what was asked for and has no value: anywhere, or in single layers.

    Of a layer the reason at the first level is told, and of many layers those of the first few.
    """
    shown = {quantity.name for quantity in quantities(data)}
    with_value = {(row.quantity, row.layer) for row in data.descriptions if row.value is not None}
    reasons: dict[str, list[str]] = {}
    in_layers: dict[str, str] = {}
    of_reason: dict[str, tuple[list[str], list[str]]] = {}
    for row in data.descriptions:
        label = quantity_named(row.quantity).label
        if row.quantity not in shown:
            reasons.setdefault(row.warnings, []).append(label)
        elif (row.quantity, row.layer) not in with_value:
            reason = in_layers.setdefault(row.layer, row.warnings)
            layers, labels = of_reason.setdefault(reason, ([], []))
            layers.append(row.layer)
            labels.append(label)
    nowhere = [
        f"No layer has a value of {listed(dict.fromkeys(labels))}: {reason}"
        for reason, labels in reasons.items()
    ]
    somewhere = [
        f"No value of {listed(dict.fromkeys(labels))} in {listed(dict.fromkeys(layers))}: {reason}"
        for reason, (layers, labels) in of_reason.items()
    ]
    if len(somewhere) > _MOST_REASONS:
        left = len(somewhere) - _MOST_REASONS
        somewhere[_MOST_REASONS:] = [f"{left} more reasons are in descriptions.csv."]
    return nowhere + somewhere


def description_chart(data: ReportData, quantity: Quantity, *, key: str) -> Chart:
    """Return a quantity over depth, a line for every level, the dense network's among them."""
    left_out = {(row.level, row.seed) for row in data.levels} - kept_networks(data.levels)
    taken = [
        row
        for row in data.descriptions
        if row.quantity == quantity.name and (row.level, row.seed) not in left_out
    ]
    index = {row.layer: row.layer_index for row in taken}
    layers = sorted(index, key=lambda layer: index[layer])
    levels = sorted({row.level for row in taken})
    sparsity = sparsity_by_level(data.levels)
    rows: list[Row] = []
    for level in levels:
        for layer in layers:
            here = [row for row in taken if (row.level, row.layer) == (level, layer)]
            rows.append(
                {
                    "level": level, "sparsity": number(sparsity.get(level)),
                    "layer_index": index[layer], "layer": layer, **_over_seeds(here),
                }
            )  # fmt: skip
    label = quantity.label[:1].upper() + quantity.label[1:]
    y: Spec = {"field": "value", "type": "quantitative", "title": label, "scale": {"zero": True}}
    if quantity.unit in _COUNTED:
        most = max((row["value"] for row in rows if row["value"] is not None), default=0)
        y |= {"axis": {"tickMinStep": 1}, "scale": {"domain": [0, max(1, most)]}}
    base = {"x": layer_axis(layers), "y": y, "color": level_colour(levels, sparsity),
            "detail": {"field": "level"}}  # fmt: skip
    shown = "true" if len(levels) <= MOST_BANDS else f"datum.level == {levels[-1]}"
    faded = {"condition": {"param": "chosen", "value": 1}, "value": 0.12}
    choice: Spec = {"name": "chosen", "select": {"type": "point", "fields": ["level"]}}
    if len(levels) > 1 and base["color"]["type"] == "ordinal":
        choice["bind"] = "legend"
    band = base | {
        "y": y | {"field": "low"}, "y2": {"field": "high"},
        "opacity": {"condition": {"param": "chosen", "value": 0.2}, "value": 0.02},
    }  # fmt: skip
    alone = len({row["layer"] for row in rows if row["value"] is not None}) == 1
    known = {"filter": "isValid(datum.value)"}
    told = tooltip(
        ("layer", "layer", ""), ("level", "level", "d"), ("sparsity", "sparsity", ".1%"),
        ("value", quantity.label, ".4~g"), ("low", "low", ".4~g"), ("high", "high", ".4~g"),
        ("images", "images", "d"),
    )  # fmt: skip
    chance: list[Spec] = []
    if any(row.floor is not None for row in taken):
        told += tooltip(("floor", "by chance", ".4~g"))
        chance = [{
            "transform": [{"filter": "isValid(datum.floor)"}],
            "mark": {"type": "line", "strokeWidth": 1, "strokeDash": [2, 3]},
            "encoding": base | {"y": y | {"field": "floor"}, "opacity": faded},
        }]  # fmt: skip
    several = len({row.seed for row in taken}) > 1
    return Chart(
        key=key,
        title=f"{label} over depth",
        caption=_caption(quantity, several, len(levels), any(r["low"] is not None for r in rows))
        + (
            f" Dotted: the same with {BY_CHANCE.get(quantity.kind, 'chance alone')}."
            if chance
            else ""
        ),
        rows=rows,
        spec={
            "height": 260,
            "layer": [
                {
                    "transform": [{"filter": f"isValid(datum.low) && {shown}"}],
                    "mark": {"type": "rule", "strokeWidth": 8} if alone else {"type": "area"},
                    "encoding": band,
                },
                {
                    "transform": [known],
                    "params": [choice],
                    "mark": {"type": "line", "strokeWidth": 2},
                    "encoding": base | {"opacity": faded},
                },
                {
                    "transform": [known],
                    "mark": {"type": "point", "filled": True, "size": 30},
                    "encoding": base | {"opacity": faded, "tooltip": told},
                },
                *chance,
            ],
        },
    )


def _over_seeds(rows: Sequence[DescriptionResult]) -> Row:
    """Return the mean over seeds with the range; of one seed the value with its interval."""
    values = [row.value for row in rows if row.value is not None]
    if not values:
        return {"value": None, "low": None, "high": None, "images": None}
    floors = [row.floor for row in rows if row.floor is not None]
    low: float | None = min(values)
    high: float | None = max(values)
    if len(rows) == 1:
        low, high = rows[0].low, rows[0].high
    return {
        "value": number(float(np.mean(values))), "low": number(low), "high": number(high),
        "images": rows[0].n_images,
    } | ({"floor": number(float(np.mean(floors)))} if floors else {})  # fmt: skip


def _caption(quantity: Quantity, several: bool, n_levels: int, banded: bool) -> str:
    text = f"{quantity.sentence} "
    if banded:
        whose = "the range over these seeds" if several else "the 95% interval over images"
        text += f"Bands: {whose}{', of the last level' if n_levels > MOST_BANDS else ''}. "
    if several:
        text += "Lines: means over the seeds that did not collapse. "
    where = "a level in the legend" if n_levels - 1 <= MOST_NAMED else "a point"
    return text + f"Click {where} to highlight its level, double-click to show all."
