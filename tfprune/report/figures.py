"""Static figures for papers and for MLflow, and the function that saves them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.errors import InputError, unknown_name
from tfprune.experiment.results import LevelResult
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of, profiles
from tfprune.report.figures_depth import depth_figure, heatmap_figure
from tfprune.report.sparsity_axis import sparsity_axis
from tfprune.report.style import COLUMN, FLOOR, figure_style, legend_above, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FORMATS", "accuracy_figure", "depth_figure", "heatmap_figure", "save_figures"]

FORMATS = ("png", "pdf", "svg")
_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": "tfprune"},
    "pdf": {"CreationDate": None, "Creator": "tfprune", "Producer": None},
    "svg": {"Date": None, "Creator": "tfprune"},
}


@styled
def accuracy_figure(levels: Sequence[LevelResult]) -> Figure:
    """Return test and validation accuracy over sparsity.

    Lines are means over replicates, bands reach from the lowest to the highest replicate; the
    dashed line is the dense network. The sparsity axis is even in the logarithm of the weights
    kept, so that levels which remove the same share stand at equal distances.
    """
    figure, axes = new_figure(COLUMN, 2.5)
    place = sparsity_axis(axes, [row.sparsity for row in levels])
    for name, label, mark, line in (
        ("accuracy_test", "test", "o", "-"),
        ("accuracy_validation", "validation", "s", ":"),
    ):
        found: dict[int, list[tuple[float, float]]] = {}
        for row in levels:
            if (value := getattr(row, name)) is not None:
                found.setdefault(row.level, []).append((row.sparsity, 100 * value))
        if not found:
            continue
        groups = [np.array(found[level]) for level in sorted(found)]
        x = place(np.array([group[:, 0].mean() for group in groups]))
        means = [group[:, 1].mean() for group in groups]
        (drawn,) = axes.plot(x, means, marker=mark, ls=line, label=label)
        if max(len(group) for group in groups) > 1:
            low, high = ([end(g[:, 1]) for g in groups] for end in (np.min, np.max))
            axes.fill_between(x, low, high, color=drawn.get_color(), alpha=0.16, lw=0)
    dense = [100 * row.accuracy_test for row in levels if row.level == 0]
    if dense:
        axes.axhline(float(np.mean(dense)), color=FLOOR, ls=(0, (4, 2)), lw=1, label="dense, test")
    axes.set_ylabel("Accuracy (%)")
    axes.margins(y=0.12)
    legend_above(figure, axes)
    return figure


def named_figures(data: ReportData) -> dict[str, Figure]:
    """Return file stem -> figure for everything that the data can show."""
    drawn = {}
    if data.levels:
        drawn["accuracy"] = accuracy_figure(data.levels)
    for measure in measures_of(data.similarities):
        if profiles(data.similarities, measure=measure):
            for kind, draw in (("depth", depth_figure), ("heatmap", heatmap_figure)):
                drawn[f"{kind}-{measure}"] = draw(
                    data.similarities, measure=measure, levels=data.levels
                )
    return drawn


def save_figures(
    folder: str | Path,
    data: ReportData,
    formats: Sequence[str] = ("png",),
    *,
    kind: str | None = None,
) -> list[Path]:
    """Write every figure of the data into `folder` (made when missing); return the files.

    `formats` are among 'png', 'pdf' and 'svg'; files carry no date, so the same data gives the
    same files. `kind` chooses one figure by its stem. Raises InputError for another format or kind.
    """
    for name in formats:
        if name not in FORMATS:
            raise InputError(f"figures are saved as {', '.join(FORMATS)}; got {name!r}.")
    figures = named_figures(data)
    if kind is not None and kind not in figures:
        raise unknown_name("figure", kind, figures)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    with figure_style():
        for stem, figure in figures.items():
            if kind not in (None, stem):
                continue
            for suffix in formats:
                path = folder / f"{stem}.{suffix}"
                figure.savefig(path, metadata=_UNDATED[suffix])
                written.append(path)
    return written
