"""Static figures for papers and for MLflow, and the function that saves them all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError, unknown_name
from tfprune.report.data import ReportData
from tfprune.report.depth import measures_of, profiles
from tfprune.report.figures_depth import depth_figure, heatmap_figure
from tfprune.report.figures_sparsity import (
    accuracy_figure,
    controls_figure,
    layer_sparsity_figure,
)
from tfprune.report.figures_training import CURVES, curves_figure
from tfprune.report.style import figure_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FORMATS",
    "accuracy_figure",
    "controls_figure",
    "curves_figure",
    "depth_figure",
    "heatmap_figure",
    "layer_sparsity_figure",
    "save_figures",
]

FORMATS = ("png", "pdf", "svg")
_UNDATED: dict[str, dict[str, Any]] = {
    "png": {"Software": "tfprune"},
    "pdf": {"CreationDate": None, "Creator": "tfprune", "Producer": None},
    "svg": {"Date": None, "Creator": "tfprune"},
}


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
    if any(row.level and row.layer_sparsity for row in data.levels):
        drawn["layer-sparsity"] = layer_sparsity_figure(data.levels)
    if data.controls:
        drawn["controls-accuracy"] = controls_figure(data.levels, data.controls)
    if data.epochs:
        for metric in CURVES:
            drawn[f"curves-{metric}"] = curves_figure(
                data.epochs, metric=metric, levels=data.levels
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
