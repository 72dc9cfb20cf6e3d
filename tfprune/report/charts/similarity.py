"""Charts of similarity with the dense network: over depth, and as a layer x level map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.report.charts.axes import MOST_NAMED, layer_axis, level_colour, level_rows
from tfprune.report.charts.chart import (
    DASHED,
    FLOOR,
    MOST_BANDS,
    Chart,
    Row,
    Spec,
    heat_layers,
    lines_by,
    map_height,
    number,
    range_of,
    tooltip,
)
from tfprune.report.data import ReportData
from tfprune.report.depth import (
    Profile,
    fewer_seeds,
    null_of_level,
    profiles,
    seed_floor,
    training_floor,
)
from tfprune.report.labels import LAYOUTS, is_distance, sparsity_by_level
from tfprune.report.spoken import spoken, spoken_label

_OTHER_SEED, _TRAINED_AGAIN, _UNRELATED = (
    "dense, other seed", "dense, trained again", "unrelated layers"
)  # fmt: skip
_DASHES = {_OTHER_SEED: DASHED, _TRAINED_AGAIN: [8, 2, 2, 2], _UNRELATED: [2, 3]}


def _rows(
    line: Profile, kind: str, sparsity: Mapping[int, float], null: np.ndarray | None = None
) -> list[Row]:
    return [
        {
            "series": kind,
            "level": line.level,
            "sparsity": number(sparsity.get(line.level)),
            "layer_index": index,
            "layer": name,
            "similarity": number(line.mean[index]),
            "low": number(line.low[index]),
            "high": number(line.high[index]),
            "null": None if null is None else number(null[index]),
            "replicates": line.n_replicates,
        }
        for index, name in enumerate(line.layers)
    ]


def _label(data: ReportData, measure: str) -> str:
    label = spoken_label(data.similarities, measure)
    return label[0].upper() + label[1:]


def _layout(data: ReportData, measure: str) -> str:
    """Return the sentence that says what the measure's data points are; '' where that is mixed."""
    found = {row.layout for row in data.similarities if row.measure == measure}
    named = LAYOUTS.get(found.pop()) if len(found) == 1 else None
    return f"Convolutional layers are compared {named}. " if named else ""


class _Marks:
    """The marks over depth: areas and lines; of a single layer, which has neither, a stretch."""

    def __init__(self, layers: Sequence[str]) -> None:
        axis = layer_axis(layers)
        self.x: Spec = {"x": axis}
        self.area: Spec = {"type": "area"}
        self.line: Spec = {"type": "line"}
        if len(layers) == 1:
            axis["scale"]["type"] = "band"
            self.x = {
                "x": axis | {"bandPosition": 0.2},
                "x2": {"field": "layer", "bandPosition": 0.8},
            }
            self.area, self.line = {"type": "rect"}, {"type": "rule"}


def depth_chart(data: ReportData, measure: str, *, key: str) -> Chart | None:
    """Return similarity with the dense network over depth, one line per level."""
    similarities = spoken(data.levels, data.similarities)
    lines = profiles(similarities, measure=measure)
    if not lines:
        return None
    sparsity = sparsity_by_level(data.levels)
    layers, levels = lines[0].layers, [line.level for line in lines]
    nulls = {n: null_of_level(similarities, measure=measure, level=n) for n in levels}
    rows = [row for line in lines for row in _rows(line, "level", sparsity, null=nulls[line.level])]
    floor = seed_floor(similarities, measure=measure)
    if floor is not None:
        rows += _rows(floor, _OTHER_SEED, {})
    again = training_floor(similarities, measure=measure)
    if again is not None:
        rows += _rows(again, _TRAINED_AGAIN, {})
    any_null = any(null is not None for null in nulls.values())
    label = _label(data, measure)
    values = [row[name] for row in rows for name in ("similarity", "low", "high", "null")]
    domain = range_of(values, high=0.0 if is_distance(measure) else 1.0)
    y: Spec = {
        "field": "similarity",
        "type": "quantitative",
        "title": label,
        "scale": {"domain": domain, "nice": False, "zero": False},
    }
    over_depth = _Marks(layers)
    here = over_depth.x | {"y": y}
    band = over_depth.x | {"y": y | {"field": "low"}, "y2": {"field": "high"}}
    colour = level_colour(levels, sparsity)
    shown = "true" if len(levels) <= MOST_BANDS else f"datum.level == {levels[-1]}"
    faded = {"condition": {"param": "chosen", "value": 1}, "value": 0.12}
    floors = {
        name: _DASHES[name]
        for name, known in ((_OTHER_SEED, floor), (_TRAINED_AGAIN, again))
        if known is not None
    }
    names = lines_by("series", floors | ({_UNRELATED: _DASHES[_UNRELATED]} if any_null else {}))
    tip = tooltip(
        ("layer", "layer", ""),
        ("level", "level", "d"),
        ("sparsity", "sparsity", ".1%"),
        ("similarity", label, ".3f"),
        ("low", "low", ".3f"),
        ("high", "high", ".3f"),
        *([("null", _UNRELATED, ".3f")] if any_null else []),
    )
    line_layers: list[Spec] = [
        {
            "transform": [{"filter": f"datum.series == '{_OTHER_SEED}'"}],
            "mark": over_depth.area | {"color": FLOOR, "opacity": 0.15},
            "encoding": band,
        },
        {
            "transform": [{"filter": f"datum.series == 'level' && {shown}"}],
            "mark": over_depth.area,
            "encoding": band
            | {
                "color": colour,
                "detail": {"field": "level"},
                "opacity": {"condition": {"param": "chosen", "value": 0.2}, "value": 0.02},
            },
        },
    ]
    for name in floors:
        of_floor = {"transform": [{"filter": f"datum.series == '{name}'"}]}
        line = over_depth.line | {"color": FLOOR, "strokeWidth": 1.5}
        seen = {"type": "point", "filled": True, "size": 70, "opacity": 0, "color": FLOOR}
        told = tooltip(
            ("series", "floor", ""), ("layer", "layer", ""), ("similarity", label, ".3f")
        )
        line_layers += [
            of_floor | {"mark": line, "encoding": here | names},
            of_floor
            | {"mark": seen, "encoding": {"x": layer_axis(layers), "y": y, "tooltip": told}},
        ]
    drawn = here | {"color": colour, "detail": {"field": "level"}}
    only_levels = [{"filter": "datum.series == 'level'"}]
    if any_null:
        as_null = {"calculate": f"'{_UNRELATED}'", "as": "series"}
        line_layers.append(
            {
                "transform": [{"filter": f"datum.series == 'level' && {shown}"}, as_null],
                "mark": over_depth.line | {"strokeWidth": 1.5},
                "encoding": drawn | names | {"y": y | {"field": "null"}, "opacity": faded},
            }
        )
    choice = {"name": "chosen", "select": {"type": "point", "fields": ["level"]}}
    if len(levels) > 1 and colour["type"] == "ordinal":
        choice["bind"] = "legend"
    line_layers += [
        {
            "transform": only_levels,
            "params": [choice],
            "mark": over_depth.line | {"strokeWidth": 2},
            "encoding": drawn | {"opacity": faded},
        },
        {
            "transform": only_levels,
            "mark": {"type": "point", "filled": True, "size": 30 if len(layers) <= 30 else 12},
            "encoding": drawn | {"x": layer_axis(layers), "opacity": faded, "tooltip": tip},
        },
    ]
    return Chart(
        key=key,
        title=f"{label}, over depth",
        caption=_depth_caption(lines, floor, again is not None, any_null, _layout(data, measure)),
        rows=rows,
        spec={"height": 320, "layer": line_layers},
        measure=measure,
    )


def _depth_caption(
    lines: tuple[Profile, ...], seeds: Profile | None, again: bool, null: bool, layout: str
) -> str:
    several = max(line.n_replicates for line in lines) > 1
    text = "Each pruned level's layers against the same layers of the dense network. " + layout
    text += (
        "Lines are means over seeds, bands the range of the seeds. "
        + "".join(f"{text} " for text in filter(None, [fewer_seeds(lines)]))
        if several
        else "Bands are 95% intervals over images of the probe set, not over seeds. "
    )
    if seeds is not None:
        pairs = f"{seeds.n_replicates} pair{'s' * (seeds.n_replicates > 1)} of seeds"
        text += f"Dashed: dense networks of different seeds ({pairs}), the seed floor. "
    if again:
        text += (
            "Dash-dotted: the dense network against itself, trained again from the same "
            "initialisation with the images in another order, the training floor. "
        )
    if null:
        text += "Dotted: what unrelated layers would show at that level. "
        if len(lines) > MOST_BANDS:
            text += "Only the last level shows its band and its dotted line. "
    where = "a level in the legend" if len(lines) <= MOST_NAMED else "a point"
    return text + f"Click {where} to highlight its level, double-click to show all."


def heat_chart(data: ReportData, measure: str, *, key: str) -> Chart | None:
    """Return the layer x level map of similarity, means over replicates."""
    lines = profiles(spoken(data.levels, data.similarities), measure=measure)
    if not lines:
        return None
    sparsity = sparsity_by_level(data.levels)
    rows = [
        {k: v for k, v in row.items() if k != "series"}
        for line in lines
        for row in _rows(line, "level", sparsity)
    ]
    label = _label(data, measure)
    domain = range_of([r["similarity"] for r in rows], high=0.0 if is_distance(measure) else 1.0)
    return Chart(
        key=key,
        title=f"{label}, layer by level",
        caption="Each layer of each level against the same layer of the dense network"
        + (", means over seeds" if max(line.n_replicates for line in lines) > 1 else "")
        + f". {_layout(data, measure)}{fewer_seeds(lines)}".rstrip(),
        rows=rows,
        spec={
            "height": map_height(len(lines)),
            **heat_layers(
                {
                    "x": layer_axis(lines[0].layers),
                    "y": level_rows([line.level for line in lines], sparsity),
                    "tooltip": tooltip(
                        ("layer", "layer", ""),
                        ("level", "level", "d"),
                        ("sparsity", "sparsity", ".1%"),
                        ("similarity", label, ".3f"),
                    ),
                },
                value="similarity",
                title=label,
                domain=domain,
                shape=".2f",
                n_columns=len(lines[0].layers),
            ),
        },
        measure=measure,
        is_map=True,
    )
