"""Curves over the epochs of every level's training, as a figure for a paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.results import EpochResult, LevelResult
from tfprune.report.figures_levels import MOST_NAMED, level_bar, level_name
from tfprune.report.labels import sparsity_by_level
from tfprune.report.style import (
    COLUMN,
    FLOOR,
    legend_above,
    level_colours,
    new_figure,
    styled,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CURVES = {"accuracy": "Accuracy (%)", "loss": "Loss per example (nats)"}
"""Metric -> label of its axis."""

# what is measured on data that the network did not learn from is drawn solid
_LINES = {"validation": "-", "training": (0, (3, 1.5))}


@styled
def curves_figure(
    epochs: Sequence[EpochResult], *, metric: str = "accuracy", levels: Sequence[LevelResult] = ()
) -> Figure:
    """Return accuracy or loss over the epochs, one line per level, means over replicates.

    Solid lines are the validation set's, left out where none was held out; dashed ones the
    training set's, as the network met it while it learnt. `metric` is a key of `CURVES`; the
    loss is without penalties. `levels`, when given, add each level's sparsity to its name.
    Raises InputError where no epoch was recorded.
    """
    if not epochs:
        raise InputError("there are no training curves to draw: no epoch was recorded.")
    from matplotlib.ticker import MaxNLocator

    figure, axes = new_figure(COLUMN, 2.7)
    numbers = sorted({row.level for row in epochs})
    colours, sparsity = level_colours(numbers), sparsity_by_level(levels)
    many = len(numbers) > MOST_NAMED
    drawn = []
    for data, line in _LINES.items():
        for level in numbers:
            x, y = _means(epochs, level, metric if data == "training" else f"{data}_{metric}")
            if not len(x):
                continue
            drawn.append(data)
            axes.plot(
                x, 100 * y if metric == "accuracy" else y, color=colours[level], ls=line,
                marker="o" if len(x) == 1 else "",
            )  # fmt: skip
    # what the lines mean, told apart from what their colours mean
    for data in dict.fromkeys(drawn):
        axes.plot([], [], color=FLOOR, ls=_LINES[data], label=data)
    for level in () if many else numbers:
        axes.plot([], [], color=colours[level], label=level_name(level, sparsity))
    if many:
        level_bar(figure, axes, numbers)
    axes.set_xlabel("Epoch")
    axes.set_ylabel(CURVES[metric])
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    legend_above(figure, axes)
    return figure


def _means(epochs: Sequence[EpochResult], level: int, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return epochs, counted from 1, and the mean over replicates of what is known of each."""
    found: dict[int, list[float]] = {}
    for row in epochs:
        value = getattr(row, name)
        if row.level == level and value is not None and np.isfinite(value):
            found.setdefault(row.epoch + 1, []).append(value)
    return np.array(sorted(found)), np.array([np.mean(found[epoch]) for epoch in sorted(found)])
