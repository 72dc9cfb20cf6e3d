"""The parts that figures over levels share: their names, their colour bar, a layer x level map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.report.labels import round_percent
from tfprune.report.style import layer_ticks, level_ramp, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_NAMED = 6  # more levels than this get a colour bar instead of names


def level_name(level: int, sparsity: Mapping[int, float]) -> str:
    """Return a level's name for a legend, with its sparsity where that is known."""
    share = f" ({round_percent(sparsity[level])})" if level in sparsity else ""
    return f"level {level}{share}"


def level_bar(figure: Figure, axes: Axes, levels: Sequence[int]) -> None:
    """Add the colour bar of `level_colours`, for more levels than can be named."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(levels[0], levels[-1]), level_ramp())
    bar = figure.colorbar(scale, ax=axes, fraction=0.05, pad=0.02, label="Level", aspect=25)
    bar.locator = MaxNLocator(6, integer=True)
    bar.update_ticks()
    bar.outline.set_visible(False)


def map_figure(
    values: np.ndarray,
    *,
    levels: Sequence[int],
    layers: Sequence[str],
    sparsity: Mapping[int, float],
    title: str,
    as_percent: bool = False,
) -> Figure:
    """Return the map of `values` (n_levels, n_layers), blank where NaN.

    The scale holds 0 to 1, and more where values lie outside. Cells carry their number where
    there is room; `as_percent` writes numbers and scale as percentages.
    """
    from matplotlib.ticker import PercentFormatter

    rows = len(levels)
    width = min(7.2, max(3.5, 1.6 + 0.36 * len(layers)))
    figure, axes = new_figure(width, 1.3 + max(0.16, 0.3 - 0.01 * rows) * rows)
    known = values[np.isfinite(values)]
    low, high = min(0.0, *known, 0.0), max(1.0, *known, 1.0)
    image = axes.imshow(
        np.ma.masked_invalid(values), aspect="auto", cmap="cividis", vmin=low, vmax=high
    )
    axes.grid(visible=False)
    axes.set_facecolor("#eeeeee")
    step = max(1, -(-rows // 24))
    axes.set_yticks(range(0, rows, step), [_row_name(n, sparsity) for n in levels[::step]])
    axes.set_ylabel("Level (sparsity)" if sparsity else "Level")
    layer_ticks(axes, layers)
    if len(layers) <= 16 and rows <= 24:
        _write_numbers(axes, (values - low) / (high - low) < 0.55, values, as_percent)
    bar = figure.colorbar(
        image, ax=axes, fraction=0.06, pad=0.02, aspect=max(8, 3 * rows),
        format=PercentFormatter(1) if as_percent else None,
    )  # fmt: skip
    bar.outline.set_visible(False)
    axes.set_title(title)
    return figure


def _row_name(level: int, sparsity: Mapping[int, float]) -> str:
    return f"{level}  ({round_percent(sparsity[level])})" if level in sparsity else str(level)


def _write_numbers(axes: Axes, dark: np.ndarray, values: np.ndarray, as_percent: bool) -> None:
    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            text = round_percent(value) if as_percent else f"{value:.2f}"
            colour = "white" if dark[i, j] else "black"
            axes.text(j, i, text, ha="center", va="center", fontsize=6.5, color=colour)
