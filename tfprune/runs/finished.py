"""A finished run in Python: its tables, figures and networks, fresh from `run` or opened again."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.disk import write_whole
from tfprune.errors import InputError
from tfprune.results import (
    ControlResult,
    OverlapResult,
    RunResult,
    controls_csv,
    levels_csv,
    mask_overlap_csv,
    similarity_csv,
)

if TYPE_CHECKING:
    import tf_keras

    from tfprune.report.notebook import Figure
    from tfprune.tracking import RunInfo, Store, StoreLocation


@dataclass(frozen=True, repr=False)
class FinishedRun(RunResult):
    """A run's result that can draw its figures and fetch its networks.

    A notebook shows the answer, the table of levels and the similarity over depth. `location` is
    the MLflow store in which the run's networks lie.
    """

    location: StoreLocation | None = field(default=None, compare=False)

    def _repr_html_(self) -> str:
        from tfprune.report.notebook import result_html

        return result_html(self)

    @property
    def answer(self) -> str:
        """What may be said of the last level, as the report and the terminal say it."""
        from tfprune.report.answer import answer

        return str(answer(self.levels, self.similarities))

    def plot(self, kind: str | None = None) -> Figure:
        """Return a figure, which a notebook shows and `save("name.pdf")` writes (PNG, PDF, SVG).

        `kind` is one of those of `tfprune figure`: 'accuracy', 'depth-svcca' and 'heatmap-svcca'
        (one for each of the run's measures), 'layer-sparsity', 'controls-accuracy',
        'curves-accuracy', 'curves-loss'; by default the similarity over depth by the first
        measure. Raises InputError for a kind that the run can't show, naming those that it can.
        """
        from tfprune.report.notebook import figure_of

        return figure_of(self, kind)

    def model(self, level: int | None = None, *, seed: int | None = None) -> tf_keras.Model:
        """Return the network of a level, by default the last, without tfmot's wrappers.

        It takes images as the run normalised them. `seed` may be left out: then it is the first.
        Raises InputError for a level or seed that the run does not have, and where its networks
        are not in the store.
        """
        from tfprune.runs.networks import load_network
        from tfprune.tracking import open_store
        from tfprune.training.backend import start_tensorflow

        seed = self.levels[0].seed if seed is None else seed
        level = max(row.level for row in self.levels) if level is None else level
        self._rows({"level": level, "seed": seed})
        if self.run_id is None or self.location is None:
            raise InputError(
                f"the networks of run {self.name!r} are not in an MLflow store yet. Deliver them "
                f"with: tfprune sync {self.key}"
            )
        start_tensorflow()
        store = open_store(self.location, create=False)
        return load_network(f"{self.run_id}:{level}:{seed}", store).model

    def write_tables(self, folder: str | Path) -> list[Path]:
        """Write the tables as CSV into `folder` (made when missing); return the files.

        levels.csv and similarity.csv, and controls.csv and mask-overlap.csv where there are any:
        as in MLflow.
        """
        tables = {
            "levels.csv": levels_csv(self.levels),
            "similarity.csv": similarity_csv(self.similarities),
            "controls.csv": controls_csv(self.controls) if self.controls else "",
            "mask-overlap.csv": mask_overlap_csv(self.overlaps) if self.overlaps else "",
        }
        Path(folder).mkdir(parents=True, exist_ok=True)
        written = []
        for name, text in tables.items():
            if text:
                write_whole(Path(folder) / name, text.encode())
                written.append(Path(folder) / name)
        return written


def open_run(
    reference: str,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> FinishedRun:
    """Return the result of a finished run, as `tfprune.run` returned it.

    `reference` is its name, its MLflow id or its key (four letters of either are enough), looked
    for in the store that `tracking_uri`, `experiment` and `folder` lead to, as `tfprune.run` does.
    Raises InputError when there is no such run, when several are called so, and when it has not
    finished.

    >>> import tfprune
    >>> tfprune.open_run("example").similarity("svcca", seed=0, level=1).keys()
    dict_keys(['conv1', 'conv2', 'dense1'])
    """
    from tfprune.runs.reporting import logged_data
    from tfprune.tracking import open_store, resolve_store

    location = resolve_store(tracking_uri, experiment, folder=folder)
    store = open_store(location, create=False)
    data = logged_data(reference, store)
    assert data.run_id is not None
    run = store.find_run(data.run_id)
    artifacts = store.list_artifacts(run.id)

    def rows(name: str) -> list[dict[str, str]]:
        if name not in artifacts:
            return []
        return list(csv.DictReader(io.StringIO(store.read_text(run.id, name))))

    return FinishedRun(
        name=data.name,
        run_id=run.id,
        key=run.key,
        levels=data.levels,
        similarities=data.similarities,
        epochs=data.epochs,
        controls=_controls(rows("controls.csv")),
        overlaps=_overlaps(rows("mask-overlap.csv")),
        report=_report(run, store, Path(folder)) if "report.html" in artifacts else None,
        location=location,
    )


def _report(run: RunInfo, store: Store, root: Path) -> str:
    """Return where the run's page lies: in its own folder, else where the store has it."""
    from tfprune.runs.workspace import RUNS

    own = root / RUNS / (run.key or run.id) / "report.html"
    return str(own if own.is_file() else store.download_artifact(run.id, "report.html"))


def _controls(rows: list[dict[str, str]]) -> tuple[ControlResult, ...]:
    """Return the controls that `controls.csv` holds, a row per layer and measure, in its order."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["control"], row["seed"], row["level"])
        record = found.setdefault(
            key, _record(ControlResult, row) | {"similarity": {}, "layer_sparsity": {}}
        )
        record["similarity"].setdefault(row["measure"], {})[row["layer"]] = float(row["similarity"])
        if row.get("layer_sparsity"):
            record["layer_sparsity"][row["layer"]] = float(row["layer_sparsity"])
    return tuple(ControlResult(**record) for record in found.values())


def _overlaps(rows: list[dict[str, str]]) -> tuple[OverlapResult, ...]:
    """Return the overlaps that `mask-overlap.csv` holds."""
    return tuple(
        OverlapResult(
            **_record(OverlapResult, row),
            layer_jaccard=_by_layer(row, "jaccard/"),
            layer_chance=_by_layer(row, "chance/"),
        )
        for row in rows
    )


def _by_layer(row: Mapping[str, str], start: str) -> dict[str, float]:
    return {
        name.removeprefix(start): float(cell)
        for name, cell in row.items()
        if name.startswith(start)
    }


def _record(kind: type[Any], row: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells of a table's row that are plain fields of a record, as what they are."""
    read = {"str": str, "int": int, "float": float, "float | None": float}
    return {
        item.name: None if row[item.name] == "" else read[str(item.type)](row[item.name])
        for item in fields(kind)
        if str(item.type) in read and item.name in row
    }
