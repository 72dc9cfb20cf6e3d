"""The chart that compares every dense layer with every layer of a chosen level."""

from __future__ import annotations

from collections.abc import Sequence

from tfprune.report.data import LayerMatrix, ReportData
from tfprune.report.html.chart import Chart, Row, heat_layers, layer_axis, number, range_of, tooltip
from tfprune.report.labels import is_distance, measure_label

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
    label = measure_label(measure)
    levels = [m.level for m in found]
    domain = range_of([r["similarity"] for r in rows], high=0.0 if is_distance(measure) else 1.0)
    dense_axis = layer_axis(first.dense_layers)
    dense_axis["axis"] = {
        "title": "Dense network's layer", "labelExpr": dense_axis["axis"]["labelExpr"],
        "labelOverlap": "greedy",
    }  # fmt: skip
    return Chart(
        key=key,
        title=f"{label}, every dense layer against every layer of a level",
        caption=f"Seed {seed}. Layers that keep their place show a diagonal of "
        + ("small" if is_distance(measure) else "large")
        + " values."
        + ("" if len(found) == len(all_levels) else f" {len(found)} of {len(all_levels)} levels."),
        rows=rows,
        spec={
            "params": [{"name": "level", "value": levels[-1]}],
            "height": max(140, min(460, 34 * len(first.dense_layers))),
            "transform": [{"filter": "datum.level == level"}],
            **heat_layers(
                {
                    "x": layer_axis(first.level_layers, title="Pruned network's layer"),
                    "y": dense_axis | {"field": "dense_layer"},
                    "tooltip": tooltip(
                        ("dense_layer", "dense layer", ""),
                        ("layer", "pruned layer", ""),
                        ("level", "level", "d"),
                        ("similarity", label, ".3f"),
                    ),
                },
                value="similarity",
                title=label,
                domain=domain,
                shape=".2f",
                n_columns=len(first.level_layers),
            ),
        },
        measure=measure,
        levels=levels,
    )
