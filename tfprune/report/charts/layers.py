"""Charts of layers: their sparsity, the channels that die, and dense against pruned, all pairs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.report.charts.axes import layer_axis, level_rows
from tfprune.report.charts.chart import (
    Chart,
    Row,
    Spec,
    heat_layers,
    map_height,
    number,
    range_of,
    tooltip,
    top_legend,
)
from tfprune.report.data import LayerMatrix, ReportData
from tfprune.report.depth import layers_of, measures_of
from tfprune.report.labels import is_distance, measure_label, shorten, sparsity_by_level
from tfprune.results import DENSE

_KINDS = ("masked by pruning", "dead by itself", "constant")
_KIND_COLOURS = ("#d55e00", "#56b4e9", "#009e73")


def layer_sparsity_chart(data: ReportData, *, key: str) -> Chart | None:
    """Return the layer x level map of sparsity, means over replicates."""
    found: dict[tuple[int, str], list[float]] = {}
    for row in data.levels:
        for layer, share in row.layer_sparsity.items():
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
        caption="Share of each layer's prunable weights that are zero.",
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
        for row in data.similarities
        if row.measure in measures[:1] and row.against == DENSE and row.level
    ]
    if not taken:
        return None
    layers = layers_of(taken)
    levels = sorted({row.level for row in taken})
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
        caption="Share of each layer's channels that say nothing on the probe set: all incoming "
        "weights pruned, zero for every image, or one other value for every image.",
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
    )  # fmt: skip


def _highest(rows: list[Row]) -> float:
    """Return the tallest stack of all levels, so that the slider does not move the axis."""
    stacks: dict[tuple[int, str], float] = {}
    for row in rows:
        where = row["level"], row["layer"]
        stacks[where] = stacks.get(where, 0.0) + row["share"]
    return max(stacks.values())


MOST_CELLS = 50_000  # per measure; more would make the page too large to send


def thin(matrices: Sequence[LayerMatrix], most: int) -> list[LayerMatrix]:
    """Return at most `most` of the matrices (at least two), evenly spaced, both ends kept."""
    most = max(most, 2)
    if len(matrices) <= most:
        return list(matrices)
    last = len(matrices) - 1
    return [matrices[round(i * last / (most - 1))] for i in range(most)]


def shorter(value: float) -> float | None:
    """Return a value to four decimals, None where it is not finite."""
    kept = number(value)
    return None if kept is None else round(kept, 4)


def matrix_chart(data: ReportData, measure: str, *, key: str) -> Chart | None:
    """Return every dense layer against every layer of the chosen level."""
    found = [matrix for matrix in data.matrices if matrix.measure == measure]
    if not found:
        return None
    seed = min(matrix.seed for matrix in found)
    all_levels = sorted((m for m in found if m.seed == seed), key=lambda m: m.level)
    found = thin(all_levels, MOST_CELLS // max(all_levels[0].values.size, 1))
    rows: list[Row] = [
        {
            "level": m.level,
            "dense_layer": dense,
            "layer": layer,
            "similarity": shorter(float(m.values[i, j])),
        }
        for m in found
        for i, dense in enumerate(m.dense_layers)
        for j, layer in enumerate(m.level_layers)
    ]
    first = found[0]
    levels = [m.level for m in found]
    return Chart(
        key=key,
        title=f"{measure_label(measure)}, every dense layer against every layer of a level",
        caption=f"Seed {seed}. Layers that keep their place show a diagonal of "
        + ("small" if is_distance(measure) else "large")
        + " values."
        + ("" if len(found) == len(all_levels) else f" {len(found)} of {len(all_levels)} levels."),
        rows=rows,
        spec={
            "params": [{"name": "level", "value": levels[-1]}],
            "transform": [{"filter": "datum.level == level"}],
            **_pairs(
                rows, measure, ("dense_layer", first.dense_layers), ("layer", first.level_layers),
                titles=("Dense network's layer", "Pruned network's layer"),
                tip=[("dense_layer", "dense layer", ""), ("layer", "pruned layer", ""),
                     ("level", "level", "d")],
            ),
        },
        measure=measure,
        levels=levels,
        is_map=True,
    )  # fmt: skip


def comparison_chart(
    values: np.ndarray,
    *,
    measure: str,
    a: tuple[str, Sequence[str]],
    b: tuple[str, Sequence[str]],
    key: str,
) -> Chart:
    """Return every layer of network `a` against every layer of network `b`.

    `values` is (layers of a, layers of b); `a` and `b` are a network's name and its layers.
    """
    (name_a, layers_a), (name_b, layers_b) = a, b
    rows: list[Row] = [
        {"layer_a": one, "layer": other, "similarity": shorter(float(values[i, j]))}
        for i, one in enumerate(layers_a)
        for j, other in enumerate(layers_b)
    ]
    return Chart(
        key=key,
        title=f"{measure_label(measure)}, every layer of {name_a} against every layer of {name_b}",
        caption="",
        rows=rows,
        spec=_pairs(
            rows, measure, ("layer_a", layers_a), ("layer", layers_b),
            titles=(shorten(name_a, 40), shorten(name_b, 60)),
            tip=[("layer_a", "layer of a", ""), ("layer", "layer of b", "")],
        ),
        measure=measure,
        is_map=True,
    )  # fmt: skip


def _pairs(
    rows: Sequence[Row],
    measure: str,
    down: tuple[str, Sequence[str]],
    across: tuple[str, Sequence[str]],
    *,
    titles: tuple[str, str],
    tip: list[tuple[str, str, str]],
) -> Spec:
    """Return the map of all pairs; `down` and `across` are a field and its layers in order."""
    label = measure_label(measure)
    y, x = (
        layer_axis(layers, title=t) for (_, layers), t in zip((down, across), titles, strict=True)
    )
    upright = {name: y["axis"][name] for name in ("title", "labelExpr", "labelOverlap")}
    return {
        "height": max(140, min(460, 34 * len(down[1]))),
        **heat_layers(
            {
                "x": x | {"field": across[0]},
                "y": y | {"field": down[0], "axis": upright},
                "tooltip": tooltip(*tip, ("similarity", label, ".3f")),
            },
            value="similarity",
            title=label,
            domain=range_of(
                [row["similarity"] for row in rows], high=0.0 if is_distance(measure) else 1.0
            ),
            shape=".2f",
            n_columns=len(across[1]),
        ),
    }
