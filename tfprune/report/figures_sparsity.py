"""What pruning costs and where it cuts: accuracy, controls and the sparsity of every layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.results import LevelResult
from tfprune.report.data import ControlRow
from tfprune.report.figures_levels import map_figure
from tfprune.report.labels import sparsity_by_level
from tfprune.report.levels import level_summaries
from tfprune.report.sparsity_axis import sparsity_axis
from tfprune.report.style import COLUMN, FLOOR, legend_above, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Place: TypeAlias = Callable[[np.ndarray], np.ndarray]
Points: TypeAlias = Sequence[tuple[int, float, float]]
"""Level, sparsity and accuracy, one entry per replicate; shares in [0, 1]."""


@styled
def accuracy_figure(levels: Sequence[LevelResult]) -> Figure:
    """Return test and validation accuracy over sparsity.

    Lines are medians of the replicates that did not collapse, bands reach from the lowest to the
    highest of all; the dashed line is the dense network. The sparsity axis is even in the
    logarithm of the weights kept, so that levels which remove the same share stand at equal
    distances.
    """
    figure, axes = new_figure(COLUMN, 2.5)
    place = sparsity_axis(axes, [row.sparsity for row in levels])
    rows = level_summaries(levels)
    test = [(row.level, row.sparsity, row.accuracy_test) for row in levels]
    validation = [
        (row.level, row.sparsity, row.accuracy_validation)
        for row in levels
        if row.accuracy_validation is not None
    ]
    medians = {row.level: row.accuracy_test_median for row in rows}
    _line(axes, place, test, label="test", marker="o", middle=medians)
    known = {r.level: r.accuracy_validation_median for r in rows}
    medians = {level: value for level, value in known.items() if value is not None}
    _line(axes, place, validation, label="validation", marker="s", ls=":", middle=medians)
    _finish(figure, axes, levels)
    return figure


@styled
def controls_figure(levels: Sequence[LevelResult], controls: Sequence[ControlRow]) -> Figure:
    """Return the test accuracy of the ticket beside that of its controls, over sparsity.

    Lines are means over all replicates, collapsed or not, of the ticket as of its controls; bands,
    dashed line and axis as in `accuracy_figure`. Raises InputError where no
    control was trained.
    """
    if not controls:
        raise InputError("there are no controls to draw: none was trained. Give 'run' a --control.")
    figure, axes = new_figure(COLUMN, 2.5)
    sparsities = [row.sparsity for row in levels] + [row.sparsity for row in controls]
    place = sparsity_axis(axes, sparsities)
    ticket = [(row.level, row.sparsity, row.accuracy_test) for row in levels if row.level]
    _line(axes, place, ticket, label="ticket", marker="o")
    for name, marker in zip(dict.fromkeys(row.control for row in controls), cycle("sD^v<>")):
        found = [(r.level, r.sparsity, r.accuracy_test) for r in controls if r.control == name]
        _line(axes, place, found, label=name, marker=marker)
    _finish(figure, axes, levels)
    return figure


@styled
def layer_sparsity_figure(levels: Sequence[LevelResult]) -> Figure:
    """Return the sparsity of every layer as a map: layers over levels, means of replicates.

    Raises InputError where no level was pruned.
    """
    found: dict[tuple[int, str], list[float]] = {}
    for row in levels:
        for layer, share in row.layer_sparsity.items():
            if row.level:
                found.setdefault((row.level, layer), []).append(share)
    if not found:
        raise InputError("there is no sparsity to draw: no level was pruned.")
    numbers = sorted({level for level, _ in found})
    layers = list(dict.fromkeys(layer for _, layer in found))
    unknown = [np.nan]
    return map_figure(
        np.array([[np.mean(found.get((n, layer), unknown)) for layer in layers] for n in numbers]),
        levels=numbers,
        layers=layers,
        sparsity=sparsity_by_level(levels),
        title="Sparsity of every layer",
        as_percent=True,
    )


def _line(
    axes: Axes,
    place: Place,
    points: Points,
    *,
    label: str,
    marker: str,
    ls: str = "-",
    middle: Mapping[int, float] | None = None,
) -> None:
    """Draw a line over levels, and a band from the lowest to the highest of several replicates.

    The line goes through `middle`, level -> accuracy; through the means where it is not given.
    """
    by_level: dict[int, list[tuple[float, float]]] = {}
    for level, sparsity, accuracy in points:
        by_level.setdefault(level, []).append((sparsity, 100 * accuracy))
    if not by_level:
        return
    groups = [np.array(by_level[level]) for level in sorted(by_level)]
    x = place(np.array([group[:, 0].mean() for group in groups]))
    if middle is None:
        line = [group[:, 1].mean() for group in groups]
    else:
        line = [100 * middle[level] for level in sorted(by_level)]
    (drawn,) = axes.plot(x, line, marker=marker, ls=ls, label=label)
    if max(len(group) for group in groups) > 1:
        low, high = ([end(group[:, 1]) for group in groups] for end in (np.min, np.max))
        axes.fill_between(x, low, high, color=drawn.get_color(), alpha=0.16, lw=0)


def _finish(figure: Figure, axes: Axes, levels: Sequence[LevelResult]) -> None:
    """Add the dense network's line, the label of accuracy and the legend."""
    dense = [100 * row.accuracy_test for row in levels if row.level == 0]
    if dense:
        axes.axhline(float(np.mean(dense)), color=FLOOR, ls=(0, (4, 2)), lw=1, label="dense, test")
    axes.set_ylabel("Accuracy (%)")
    axes.margins(y=0.12)
    legend_above(figure, axes)
