"""The style sheet of all static figures, their sizes and the colour of a level."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from importlib.resources import as_file, files
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

from tfprune.report.labels import shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Draw = TypeVar("Draw", bound=Callable[..., Any])

COLUMN, PAGE = 3.5, 7.2  # inches: one column of a paper, and both
FLOOR, NULL = "#555555", "#999999"
LEVEL_MAP = "viridis_r"  # dark is far pruned; even in lightness, so it survives gray printing
_LETTER = 0.058  # inches: about the width of a letter of a tick label or a legend
_LIGHTEST = 0.12  # the palest yellow can't be seen on white


@contextmanager
def figure_style() -> Iterator[None]:
    """Draw and save with tfprune's style sheet, whatever the user's own settings are."""
    from matplotlib import style

    sheet = files("tfprune.report").joinpath("tfprune.mplstyle")
    with as_file(sheet) as path, style.context(["default", path]):
        yield


def styled(draw: Draw) -> Draw:
    """Decorate a function that draws a figure: it is drawn with our style sheet."""

    @wraps(draw)
    def inside(*args: Any, **options: Any) -> Any:
        with figure_style():
            return draw(*args, **options)

    return inside  # type: ignore[return-value]


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """Return an empty figure (inches) with one axes; pyplot knows nothing of it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height))
    return figure, figure.add_subplot()


def level_colours(levels: Sequence[int]) -> dict[int, tuple[float, float, float, float]]:
    """Return level -> RGBA, light for the first and dark for the last."""
    from matplotlib import colormaps

    ramp = colormaps[LEVEL_MAP]
    last = max(len(levels) - 1, 1)
    start = _LIGHTEST if len(levels) > 1 else 0.7
    return {n: ramp(start + (1 - start) * i / last) for i, n in enumerate(levels)}


def level_ramp() -> Any:
    """Return the colour map of `level_colours`, for a colour bar."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    return ListedColormap(
        [colormaps[LEVEL_MAP](_LIGHTEST + (1 - _LIGHTEST) * i / 255) for i in range(256)]
    )


def layer_ticks(axes: Axes, layers: Sequence[str]) -> None:
    """Label the x axis with layers; where they don't all fit, every second, third, ... of them.

    Slanted names get their own height: the figure grows, the axes don't shrink.
    """
    figure = axes.get_figure()
    assert figure is not None
    width, height = figure.get_size_inches()  # type: ignore[union-attr]
    width -= 1.0  # about what the y axis and a colour bar take
    step = max(1, math.ceil(len(layers) / (6.5 * width)))
    places = list(range(0, len(layers), step))
    names = [shorten(layers[i]) for i in places]
    axes.set_xticks(places, names)
    longest = max(len(name) for name in names)
    if longest * len(names) * _LETTER > 0.9 * width:
        for label in axes.get_xticklabels():
            label.set(rotation=45, ha="right", rotation_mode="anchor")
        figure.set_size_inches(width + 1.0, height + 0.7 * _LETTER * longest)  # type: ignore[union-attr]
    axes.set_xlabel("Layer, input to output" + (f" (every {_nth(step)} named)" if step > 1 else ""))


def _nth(n: int) -> str:
    return {2: "second", 3: "third"}.get(n, f"{n}th")


def depth_width(n_layers: int) -> float:
    """Return the figure width in inches that so many layers ask for."""
    return min(PAGE, max(COLUMN, 1.1 + 0.17 * n_layers))


def legend_above(figure: Figure, axes: Axes) -> None:
    """Put the legend over the axes, where it hides no data, in as few rows as fit."""
    handles, names = axes.get_legend_handles_labels()
    if not names:
        return
    room = figure.get_figwidth() - 0.15
    columns = next((n for n in range(len(names), 1, -1) if _legend_width(names, n) < room), 1)
    figure.legend(handles, names, loc="outside upper left", ncols=columns)


def _legend_width(names: Sequence[str], n_columns: int) -> float:
    """Return about how wide (inches) a legend of so many columns is.

    Matplotlib fills columns downwards; where they can't be equally long the first ones are longer.
    """
    rows, longer = divmod(len(names), n_columns)
    ends = [n * rows + min(n, longer) for n in range(n_columns + 1)]
    columns = (names[start:end] for start, end in pairwise(ends))
    return sum(0.36 + _LETTER * max(len(name) for name in column) for column in columns)
