"""Charts of all pairs of layers: dense against a level's, and one network's against another's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.report.charts.axes import layer_axis
from tfprune.report.charts.chart import Chart, Row, Spec, heat_layers, number, range_of, tooltip
from tfprune.report.data import LayerMatrix, ReportData
from tfprune.report.labels import (
    LAYOUTS,
    is_distance,
    level_name,
    measure_label,
    shorten,
    sparsity_by_level,
)

_OF_LAYOUT = {"mean": " of spatial means"}

MOST_CELLS = 33_000  # per measure; more would make the largest page take over five megabytes


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
    sparsity = sparsity_by_level(data.levels)
    label = measure_label(measure)
    others = {row.layout for row in data.similarities if row.measure == measure} - {first.layout}
    return Chart(
        key=key,
        title=f"{label}, every dense layer against every layer of a level",
        caption=f"Seed {seed}. Layers that keep their place show a diagonal of "
        + ("small" if is_distance(measure) else "large")
        + f" values. Layers are compared {LAYOUTS[first.layout]}."
        + (f" The diagonal therefore differs from {label} over depth, which compares them "
           f"{LAYOUTS[min(others)]}." if others and not others - LAYOUTS.keys() else "")
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
                label=f"{label}{_OF_LAYOUT.get(first.layout, '')}",
            ),
        },
        measure=measure,
        levels=levels,
        level_names=[level_name(level, sparsity) for level in levels],
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
    label: str = "",
) -> Spec:
    """Return the map of all pairs; `down` and `across` are a field and its layers in order."""
    label = label or measure_label(measure)
    y, x = (
        layer_axis(layers, title=t) for (_, layers), t in zip((down, across), titles, strict=True)
    )
    upright = {name: y["axis"][name] for name in ("title", "labelOverlap")}
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
