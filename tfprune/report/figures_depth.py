"""Similarity over depth as lines and as a layer x level map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.results import LevelResult, SimilarityResult
from tfprune.report.depth import (
    Profile,
    measures_of,
    null_of_level,
    profiles,
    seed_floor,
    training_floor,
)
from tfprune.report.figures_levels import MOST_NAMED, level_bar, level_name, map_figure
from tfprune.report.labels import is_distance, measure_label, sparsity_by_level
from tfprune.report.style import (
    FLOOR,
    NULL,
    depth_width,
    layer_ticks,
    legend_above,
    level_colours,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Colour = tuple[float, float, float, float]

_MOST_BANDS = 6  # more intervals than this hide one another: only the last level keeps its own


@styled
def depth_figure(
    similarities: Sequence[SimilarityResult],
    *,
    measure: str | None = None,
    levels: Sequence[LevelResult] = (),
) -> Figure:
    """Return similarity with the dense network over depth, one line per level.

    Bands are the interval over images (not over seeds), or the range of replicates where there are
    several. The dashed line is the seed floor (dense networks of two seeds), the dash-dotted one
    the floor of training (the dense network and itself trained again in another order); a dotted
    line, in the colour of its level, is what unrelated layers would show at that level. `measure`
    is the run's first where not given; `levels`, when given, add each level's sparsity to its
    name. Raises InputError where nothing was compared.
    """
    measure, lines = _compared(similarities, measure)
    layers = lines[0].layers
    figure, axes = new_figure(depth_width(len(layers)), 2.8)
    single = len(layers) == 1  # a point has no line and no band: drawn as a level stretch
    x = np.array([-0.3, 0.3]) if single else np.arange(len(layers))
    colours, sparsity = level_colours([line.level for line in lines]), sparsity_by_level(levels)
    many = len(lines) > MOST_NAMED
    nulls: list[tuple[Colour, np.ndarray]] = []
    for line in lines:
        colour = colours[line.level]
        if len(lines) <= _MOST_BANDS or line is lines[-1]:
            axes.fill_between(x, line.low, line.high, color=colour, alpha=0.18, lw=0)
            null = null_of_level(similarities, measure=measure, level=line.level)
            if null is not None:
                nulls.append((colour, null))
        axes.plot(
            x,
            np.broadcast_to(line.mean, x.shape),
            color=colour,
            marker="" if single or len(layers) > 30 else "o",
            label=None if many else level_name(line.level, sparsity),
        )
    _floors(axes, similarities, measure, x)
    _nulls(axes, nulls, x)
    layer_ticks(axes, layers)
    margin = 0.5 if single else 0.25
    axes.set_xlim(-margin, len(layers) - 1 + margin)
    axes.set_ylabel(measure_label(measure))
    _similarity_limits(axes, lines, measure)
    if many:
        level_bar(figure, axes, [line.level for line in lines])
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
    return map_figure(
        np.array([line.mean for line in lines]),
        levels=[line.level for line in lines],
        layers=lines[0].layers,
        sparsity=sparsity_by_level(levels),
        title=measure_label(measure),
    )


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


def _floors(
    axes: Axes, similarities: Sequence[SimilarityResult], measure: str, x: np.ndarray
) -> None:
    seed = seed_floor(similarities, measure=measure)
    if seed is not None:
        axes.fill_between(x, seed.low, seed.high, color=FLOOR, alpha=0.13, lw=0, zorder=0.5)
    again = training_floor(similarities, measure=measure)
    for floor, dashes, label in (
        (seed, (0, (4, 2)), "dense, other seed"),
        (again, (0, (6, 1.5, 1, 1.5)), "dense, trained again"),
    ):
        if floor is not None:
            mean = np.broadcast_to(floor.mean, x.shape)
            axes.plot(x, mean, color=FLOOR, ls=dashes, lw=1.1, label=label)


def _nulls(axes: Axes, nulls: Sequence[tuple[Colour, np.ndarray]], x: np.ndarray) -> None:
    """Dot each level's null in the level's colour; the legend has one gray entry for all."""
    dotted: dict[str, Any] = {"ls": (0, (1, 1.5)), "lw": 1.2}
    for colour, null in nulls:
        axes.plot(x, np.broadcast_to(null, x.shape), color=colour, zorder=1.5, **dotted)
    if nulls:
        axes.plot([], [], color=NULL, label="unrelated layers", **dotted)


def _similarity_limits(axes: Axes, lines: Sequence[Profile], measure: str) -> None:
    """Show the whole range from 0 to 1, and more where values lie outside of it."""
    low, high = axes.get_ylim()
    if is_distance(measure):
        axes.set_ylim(min(0.0, low), high)
    else:
        axes.set_ylim(low if low < -0.05 else -0.02, max(1.02, min(high, 1.5)))
