"""Similarity over depth as lines and as a layer x level map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.results import LevelResult, SimilarityResult
from tfprune.report.depth import Profile, measures_of, null_floor, profiles, seed_floor
from tfprune.report.labels import is_distance, measure_label, round_percent, sparsity_by_level
from tfprune.report.style import (
    FLOOR,
    NULL,
    depth_width,
    layer_ticks,
    legend_above,
    level_colours,
    level_ramp,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MOST_NAMED = 6  # more levels than this get a colour bar instead of names
_MOST_BANDS = 6  # more intervals than this hide one another: only the last level keeps its own


@styled
def depth_figure(
    similarities: Sequence[SimilarityResult],
    *,
    measure: str | None = None,
    levels: Sequence[LevelResult] = (),
) -> Figure:
    """Return similarity with the dense network over depth, one line per level.

    Bands are the bootstrap interval over images, or the range of replicates where there are
    several. The dashed line is the seed floor (dense networks of two seeds), the dotted one what
    unrelated layers would show. `measure` is the run's first where not given; `levels`, when
    given, add each level's sparsity to its name. Raises InputError where nothing was compared.
    """
    measure, lines = _compared(similarities, measure)
    layers = lines[0].layers
    figure, axes = new_figure(depth_width(len(layers)), 2.8)
    single = len(layers) == 1  # a point has no line and no band: drawn as a level stretch
    x = np.array([-0.3, 0.3]) if single else np.arange(len(layers))
    colours = level_colours([line.level for line in lines])
    many = len(lines) > _MOST_NAMED
    for line in lines:
        colour = colours[line.level]
        if len(lines) <= _MOST_BANDS or line is lines[-1]:
            axes.fill_between(x, line.low, line.high, color=colour, alpha=0.18, lw=0)
        axes.plot(
            x,
            np.broadcast_to(line.mean, x.shape),
            color=colour,
            marker="" if single or len(layers) > 30 else "o",
            label=None if many else _level_name(line.level, levels),
        )
    _floors(axes, similarities, measure, x)
    layer_ticks(axes, layers)
    margin = 0.5 if single else 0.25
    axes.set_xlim(-margin, len(layers) - 1 + margin)
    axes.set_ylabel(measure_label(measure))
    _similarity_limits(axes, lines, measure)
    if many:
        _level_bar(figure, axes, [line.level for line in lines])
    legend_above(figure, axes)
    return figure


@styled
def heatmap_figure(
    similarities: Sequence[SimilarityResult],
    *,
    measure: str | None = None,
    levels: Sequence[LevelResult] = (),
) -> Figure:
    """Return similarity with the dense network as a map: layers over levels, mean of replicates.

    Options and errors as in `depth_figure`. Cells carry their number where there is room.
    """
    measure, lines = _compared(similarities, measure)
    layers = lines[0].layers
    values = np.array([line.mean for line in lines])
    rows = len(lines)
    width = min(7.2, max(3.5, 1.6 + 0.36 * len(layers)))
    figure, axes = new_figure(width, 1.3 + max(0.16, 0.3 - 0.01 * rows) * rows)
    low = min(0.0, float(np.nanmin(values))) if np.isfinite(values).any() else 0.0
    high = max(1.0, float(np.nanmax(values))) if np.isfinite(values).any() else 1.0
    image = axes.imshow(
        np.ma.masked_invalid(values), aspect="auto", cmap="cividis", vmin=low, vmax=high
    )
    axes.grid(visible=False)
    axes.set_facecolor("#eeeeee")
    sparsity = sparsity_by_level(levels)
    step = max(1, -(-rows // 24))
    axes.set_yticks(
        range(0, rows, step),
        [
            f"{line.level}  ({round_percent(sparsity[line.level])})"
            if line.level in sparsity
            else str(line.level)
            for line in lines[::step]
        ],
    )
    axes.set_ylabel("Level (sparsity)" if sparsity else "Level")
    layer_ticks(axes, layers)
    if len(layers) <= 16 and rows <= 24:
        for (i, j), value in np.ndenumerate(values):
            if np.isfinite(value):
                dark = (value - low) / (high - low) < 0.55
                axes.text(
                    j, i, f"{value:.2f}", ha="center", va="center", fontsize=6.5,
                    color="white" if dark else "black",
                )  # fmt: skip
    bar = figure.colorbar(image, ax=axes, fraction=0.06, pad=0.02, aspect=max(8, 3 * rows))
    bar.outline.set_visible(False)
    axes.set_title(measure_label(measure))
    return figure


def _compared(
    similarities: Sequence[SimilarityResult], measure: str | None
) -> tuple[str, tuple[Profile, ...]]:
    """Return the measure and its profiles; raise InputError where there is nothing to draw."""
    known = measures_of(similarities)
    if not known:
        raise InputError("there is nothing to draw: no layer of any level was compared.")
    chosen = known[0] if measure is None else measure
    lines = profiles(similarities, measure=chosen)
    if not lines:
        raise InputError(
            f"no pruned level was compared by {chosen!r}. Measures of this run: {', '.join(known)}."
        )
    return chosen, lines


def _level_name(level: int, levels: Sequence[LevelResult]) -> str:
    sparsity = sparsity_by_level(levels)
    share = f" ({round_percent(sparsity[level])})" if level in sparsity else ""
    return f"level {level}{share}"


def _floors(
    axes: Axes, similarities: Sequence[SimilarityResult], measure: str, x: np.ndarray
) -> None:
    seed = seed_floor(similarities, measure=measure)
    if seed is not None:
        axes.fill_between(x, seed.low, seed.high, color=FLOOR, alpha=0.13, lw=0, zorder=0.5)
        axes.plot(
            x,
            np.broadcast_to(seed.mean, x.shape),
            color=FLOOR,
            ls=(0, (4, 2)),
            lw=1.1,
            label="dense, other seed",
        )
    null = null_floor(similarities, measure=measure)
    if null is not None:
        axes.plot(
            x,
            np.broadcast_to(null, x.shape),
            color=NULL,
            ls=(0, (1, 1.5)),
            lw=1.2,
            label="unrelated layers",
        )


def _similarity_limits(axes: Axes, lines: Sequence[Profile], measure: str) -> None:
    """Show the whole range from 0 to 1, and more where values lie outside of it."""
    low, high = axes.get_ylim()
    if is_distance(measure):
        axes.set_ylim(min(0.0, low), high)
    else:
        axes.set_ylim(low if low < -0.05 else -0.02, max(1.02, min(high, 1.5)))


def _level_bar(figure: Figure, axes: Axes, levels: Sequence[int]) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.ticker import MaxNLocator

    scale = ScalarMappable(Normalize(levels[0], levels[-1]), level_ramp())
    bar = figure.colorbar(scale, ax=axes, fraction=0.05, pad=0.02, label="Level", aspect=25)
    bar.locator = MaxNLocator(6, integer=True)
    bar.update_ticks()
    bar.outline.set_visible(False)
