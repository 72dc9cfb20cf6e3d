"""The report of a run: pictures kept level by level, pages and figures written at the end."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.config import to_yaml
from tfprune.errors import InputError
from tfprune.experiment.events import Event, LevelFinished, RunStarted
from tfprune.report.data import ControlRow, ReportData, read_data, write_data
from tfprune.runs.computed import computed_on
from tfprune.runs.pictures import level_pictures
from tfprune.runs.workspace import environment

if TYPE_CHECKING:
    from tfprune.results import ControlResult
    from tfprune.tracking import Store


class Reporter:
    """Keeps each level's pictures in `folder`, so that a resumed run still has them."""

    def __init__(self, folder: Path, *, name: str) -> None:
        self._folder = folder
        self._name = name

    def __call__(self, event: Event) -> None:
        """Keep a level's pictures."""
        if isinstance(event, RunStarted):
            self._plan, self._ledger = event.plan, event.ledger
        elif isinstance(event, LevelFinished):
            pictures = level_pictures(self._plan, event.trained)
            write_data(self._pictures(event.result.seed, event.result.level), pictures)

    def _pictures(self, seed: int, level: int) -> Path:
        return self._folder / "pictures" / f"seed{seed}-level{level}.npz"

    def data(self, run_id: str | None) -> ReportData:
        """Return everything that the report of the run shows."""
        parts = [read_data(self._pictures(row.seed, row.level)) for row in self._ledger.levels]
        return ReportData(
            name=self._name,
            run_id=run_id,
            config=to_yaml(self._plan.config),
            versions={
                **environment(),
                "python": platform.python_version(),
                **computed_on(self._plan),
            },
            provenance={k: str(v) for k, v in self._plan.dataset.provenance.items()},
            levels=tuple(self._ledger.levels),
            similarities=tuple(self._ledger.similarities),
            epochs=tuple(self._ledger.epochs),
            controls=tuple(_control_row(row) for row in self._ledger.controls),
            matrices=tuple(one for part in parts for one in part.matrices),
            filters=tuple(one for part in parts for one in part.filters),
            flipped=tuple(one for part in parts for one in part.flipped),
        )

    def write(self, run_id: str | None) -> Path:
        """Write report.html, its data and the figures; return the page's path."""
        from tfprune.report.figures import save_figures
        from tfprune.report.page import write_report

        data = self.data(run_id)
        write_data(self._folder / "report-data.npz", data)
        save_figures(self._folder / "plots", data, formats=("png",))
        page = self._folder / "report.html"
        write_report(page, data)
        return page


def _control_row(row: ControlResult) -> ControlRow:
    means = {
        measure: sum(layers.values()) / len(layers) for measure, layers in row.similarity.items()
    }
    return ControlRow(
        row.control, row.seed, row.level, row.sparsity, row.accuracy_test, similarity=means
    )


def logged_data(reference: str, store: Store) -> ReportData:
    """Return what a run logged for its report; raises InputError when it has not finished."""
    run = store.find_run(reference)
    if run.parent_id is not None:
        run = store.find_run(run.parent_id)
    if "report-data.npz" not in store.list_artifacts(run.id):
        raise InputError(
            f"run {reference!r} has no report data: it was not made by 'tfprune run', or has not "
            "finished. An interrupted run goes on with 'tfprune resume'."
        )
    return read_data(store.download_artifact(run.id, "report-data.npz"))


def _open(tracking_uri: str | None, experiment: str | None) -> Store:
    from tfprune.tracking import open_store, resolve_store

    return open_store(resolve_store(tracking_uri, experiment), create=False)


def write_again(
    references: Sequence[str],
    page: str | Path,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
) -> Path:
    """Write the page of one run, or of several side by side, from what they logged."""
    from tfprune.report.page import write_report

    store = _open(tracking_uri, experiment)
    found = [logged_data(reference, store) for reference in references]
    write_report(page, found[0] if len(found) == 1 else found)
    return Path(page)


def write_figures(
    reference: str,
    folder: str | Path,
    *,
    kind: str | None = None,
    formats: Sequence[str] = ("pdf",),
    tracking_uri: str | None = None,
    experiment: str | None = None,
) -> list[Path]:
    """Write a run's figures, or the one called `kind`, from what it logged; return the files."""
    from tfprune.report.figures import save_figures

    data = logged_data(reference, _open(tracking_uri, experiment))
    return save_figures(folder, data, formats=tuple(formats), kind=kind)
