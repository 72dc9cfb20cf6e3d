"""A finished run in Python: its tables, figures and networks, fresh from `run` or opened again."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tfprune.disk import write_whole
from tfprune.errors import DamagedError, InputError, check_path, reason
from tfprune.report.classes import classes_csv, classes_table, forgotten_csv
from tfprune.results import (
    ControlResult,
    ForgottenImage,
    OverlapResult,
    RunResult,
    controls_csv,
    levels_csv,
    mask_overlap_csv,
    similarity_csv,
)
from tfprune.results.descriptions import UnitResult, descriptions_csv, units_csv
from tfprune.tracking.candidates import check_reference

if TYPE_CHECKING:
    import pandas
    import tf_keras

    from tfprune.report.notebook import Figure
    from tfprune.tracking import RunInfo, Store, StoreLocation

Record = TypeVar("Record")
_Rows = Sequence[Mapping[str, str]]


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

        It is a tf_keras model, as tfmot needs; `tfprune.export` writes the same network as a
        file of Keras 3. It takes images as the run normalised them. `seed` may be left out: then
        it is the first. Raises InputError for a level or seed that the run does not have, and
        where its networks are not in the store.
        """
        from tfprune.runs.networks import load_network
        from tfprune.tracking import open_store
        from tfprune.training.backend import start_tensorflow

        seed = self.levels[0].seed if seed is None else seed
        level = max(row.level for row in self.levels) if level is None else level
        self._rows({"level": level, "seed": seed})
        if self.run_id is None or self.location is None:
            raise InputError(
                f"the networks of run {self.name!r} are not in an MLflow store yet. Upload them "
                f"with: tfprune sync {self.key}"
            )
        start_tensorflow()
        store = open_store(self.location, create=False)
        return load_network(f"{self.run_id}:{level}:{seed}", store).model

    def classes_frame(self) -> pandas.DataFrame:
        """Return the change of each class's test accuracy as a table with `classes.csv`'s columns.

        One row per seed, pruned level and class; the dense level has none.
        """
        import pandas

        header, rows = classes_table(self.classes, self.class_names)
        return pandas.DataFrame(rows, columns=header)

    def write_tables(self, folder: str | Path) -> list[Path]:
        """Write the tables as CSV into `folder` (made when missing); return the files.

        levels.csv and similarity.csv, and controls.csv, mask-overlap.csv, classes.csv,
        forgotten.csv, descriptions.csv and units.csv where there are any: as in MLflow.
        """
        tables = {
            "levels.csv": levels_csv(self.levels),
            "similarity.csv": similarity_csv(self.similarities),
            "controls.csv": controls_csv(self.controls) if self.controls else "",
            "mask-overlap.csv": mask_overlap_csv(self.overlaps) if self.overlaps else "",
            "classes.csv": classes_csv(self.classes, self.class_names) if self.classes else "",
            "forgotten.csv": (
                forgotten_csv(self.forgotten, self.class_names) if self.forgotten else ""
            ),
            "descriptions.csv": descriptions_csv(self.descriptions) if self.descriptions else "",
            "units.csv": units_csv(self.units) if self.units else "",
        }
        check_path(folder, "a folder")
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
    from tfprune.tracking import open_store, resolve_store

    check_reference(reference)
    location = resolve_store(tracking_uri, experiment, folder=folder, writes=False)
    return read_run(reference, open_store(location, create=False), Path(folder))


def read_run(reference: str, store: Store, root: Path) -> FinishedRun:
    """Return what the store holds of a finished run; `root` is where its folder may lie.

    Raises InputError as `open_run` does, and DamagedError for a table that is not what was logged.
    """
    from tfprune.runs.reporting import logged_data

    data = logged_data(reference, store)
    assert data.run_id is not None
    run = store.find_run(data.run_id)

    def table(name: str, read: Callable[[_Rows], Iterable[Record]]) -> tuple[Record, ...]:
        if not store.has_artifact(run, name):
            return ()
        text = store.read_text(run.id, name)
        return read_table(f"{name} of run {run.name!r} ({run.id})", text, read)

    controls = table("controls.csv", _controls)
    if not controls and any(row.similarity for row in data.controls):  # of before checksums
        raise DamagedError(
            f"controls.csv of run {run.name!r} ({run.id})",
            "it is gone from the store, and the run had controls",
        )
    return FinishedRun(
        name=data.name,
        run_id=run.id,
        key=run.key,
        levels=data.levels,
        similarities=data.similarities,
        epochs=data.epochs,
        descriptions=data.descriptions,
        units=table("units.csv", _units),
        controls=controls,
        overlaps=table("mask-overlap.csv", _overlaps),
        classes=data.classes,
        forgotten=table("forgotten.csv", _forgotten),
        class_names=data.class_names,
        report=_report(run, store, root),
        location=store.location,
    )


def _report(run: RunInfo, store: Store, root: Path) -> str | None:
    """Return where the run's page lies: in its own folder, else where the store has it, if any."""
    from tfprune.runs.workspace import RUNS

    own = root / RUNS / (run.key or run.id) / "report.html"
    if own.is_file():
        return str(own)
    there = store.has_artifact(run, "report.html")
    return str(store.download_artifact(run.id, "report.html")) if there else None


def read_table(
    what: str, text: str, read: Callable[[_Rows], Iterable[Record]]
) -> tuple[Record, ...]:
    """Return the records that `read` makes of a CSV table's rows.

    Raises DamagedError, which begins with `what` the table is called, where it is no such table.
    """
    try:
        rows = list(csv.DictReader(io.StringIO(text), strict=True))
        for number, row in enumerate(rows, start=2):
            if None in row or None in row.values():
                raise ValueError(f"line {number} has not as many cells as the first")
        if not rows:
            raise ValueError("it has no rows")
        return tuple(read(rows))
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        cause = f"it lacks the column {error}" if isinstance(error, KeyError) else reason(error)
        raise DamagedError(what, f"it is not the table that was logged ({cause})") from error


#: columns of `controls.csv` by layer and measure that came later
_OF_CONTROLS: dict[str, Callable[[str], Any]] = {
    "dense_share": float,
    "rank_a": int,
    "rank_b": int,
}


def _controls(rows: _Rows) -> tuple[ControlResult, ...]:
    """Return the controls that `controls.csv` holds, a row per layer and measure, in its order."""
    found: dict[tuple[str, ...], dict[str, Any]] = {}
    for row in rows:
        key = (row["control"], row["seed"], row["level"])
        record = found.setdefault(
            key,
            _record(ControlResult, row)
            | {name: {} for name in ("similarity", "layer_sparsity", *_OF_CONTROLS)},
        )
        record["similarity"].setdefault(row["measure"], {})[row["layer"]] = float(row["similarity"])
        if row.get("layer_sparsity"):
            record["layer_sparsity"][row["layer"]] = float(row["layer_sparsity"])
        for name, read in _OF_CONTROLS.items():
            if row.get(name):  # runs of before had no such columns
                record[name].setdefault(row["measure"], {})[row["layer"]] = read(row[name])
    return tuple(ControlResult(**record) for record in found.values())


def _forgotten(rows: _Rows) -> tuple[ForgottenImage, ...]:
    """Return the images that `forgotten.csv` holds."""
    return tuple(ForgottenImage(**_record(ForgottenImage, row)) for row in rows)


def _overlaps(rows: _Rows) -> tuple[OverlapResult, ...]:
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


def _units(rows: _Rows) -> tuple[UnitResult, ...]:
    """Return the units that `units.csv` holds."""
    return tuple(UnitResult(**_record(UnitResult, row)) for row in rows)


def _truth(cell: str) -> bool:
    return {"True": True, "False": False}[cell]


def _record(kind: type[Any], row: Mapping[str, str]) -> dict[str, Any]:
    """Return the cells of a table's row that are plain fields of a record, as what they are."""
    read: dict[str, Callable[[str], object]] = {
        "str": str,
        "int": int,
        "float": float,
        "bool": _truth,
        "float | None": _or_none,
    }
    return {
        item.name: read[str(item.type)](row[item.name])
        for item in fields(kind)
        if str(item.type) in read and (item.name in row or item.default is MISSING)
    }


def _or_none(cell: str) -> float | None:
    return float(cell) if cell else None
