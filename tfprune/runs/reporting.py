"""The report of a run: pictures kept level by level, pages and figures written at the end."""

from __future__ import annotations

import dataclasses
import platform
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import numpy as np

from tfprune.config import to_yaml
from tfprune.data.lazy import chunks
from tfprune.errors import DamagedError, InputError
from tfprune.experiment.comparing import compare_layers
from tfprune.experiment.events import Event, LevelFinished, LevelStarted, RunStarted
from tfprune.report import drawing
from tfprune.report.data import (
    FirstLayerFilters,
    FlippedExample,
    LayerMatrix,
    ReportData,
    control_row,
    read_data,
    write_data,
)
from tfprune.runs.doctor import computed_on
from tfprune.runs.workspace import environment
from tfprune.tracking.store_problem import refill

if TYPE_CHECKING:
    import tf_keras

    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.pruning.kernels import PrunableTensor
    from tfprune.results import LevelResult
    from tfprune.tracking import RunInfo, Store


DATA_FILE = "report-data.npz"


class Reporter:
    """Keeps each level's pictures in `folder`, so that a resumed run still has them.

    `tell` hears which are missing in the report because they were lost. A context manager, at
    whose end nothing draws any more.
    """

    def __init__(
        self, folder: Path, *, name: str, tell: Callable[[str], None] = lambda message: None
    ) -> None:
        self._folder = folder
        self._name = name
        self._tell = tell
        self._drawing: drawing.Drawing | None = None

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop_drawing()

    def _stop_drawing(self) -> None:
        if self._drawing is not None:
            self._drawing.close()
            self._drawing = None

    def __call__(self, event: Event) -> None:
        """Keep a level's pictures."""
        if isinstance(event, RunStarted):
            self._plan, self._ledger = event.plan, event.ledger
        elif isinstance(event, LevelStarted):
            config = self._plan.config
            if (event.seed, event.level) == (config.seeds[-1], config.pruning.levels):
                self._drawing = drawing.start_drawing()
        elif isinstance(event, LevelFinished):
            pictures = level_pictures(self._plan, event.trained)
            pictures = dataclasses.replace(pictures, run_id=self._run)
            write_data(self._pictures(event.result.seed, event.result.level), pictures)

    def _pictures(self, seed: int, level: int) -> Path:
        return self._folder / "pictures" / f"seed{seed}-level{level}.npz"

    @property
    def _run(self) -> str:
        return self._folder.absolute().name

    def _kept(self, row: LevelResult) -> ReportData | None:
        """Return a level's pictures; None where they were lost, which ends no trained run."""
        path = self._pictures(row.seed, row.level)
        try:
            found = read_data(path)
            if found.run_id not in (None, self._run):  # None: of before they named their run
                raise DamagedError(path, "it is of another run")
        except InputError as error:
            self._tell(
                "The report lacks the layer-by-layer map, the filters and the images with a "
                f"changed answer of level {row.level} of seed {row.seed}: {error}"
            )
            return None
        return found

    def data(
        self, run_id: str | None, *, began: float | None = None, seconds: float | None = None
    ) -> ReportData:
        """Return everything that the report of the run shows; when it began, and took how long."""
        parts = [one for row in self._ledger.levels if (one := self._kept(row)) is not None]
        return ReportData(
            name=self._name,
            run_id=run_id,
            began=began,
            seconds=seconds,
            config=to_yaml(self._plan.config),
            versions={
                **environment(),
                "python": platform.python_version(),
                **computed_on(self._plan),
            },
            provenance={k: str(v) for k, v in self._plan.dataset.provenance.items()},
            levels=tuple(self._ledger.levels),
            similarities=tuple(self._ledger.similarities),
            descriptions=tuple(self._ledger.descriptions),
            epochs=tuple(self._ledger.epochs),
            controls=tuple(control_row(row) for row in self._ledger.controls),
            classes=tuple(self._ledger.classes),
            class_names=tuple(str(name) for name in self._plan.dataset.class_names),
            matrices=tuple(one for part in parts for one in part.matrices),
            filters=tuple(one for part in parts for one in part.filters),
            flipped=tuple(one for part in parts for one in part.flipped),
        )

    def draw(
        self, run_id: str | None, *, began: float | None = None, seconds: float | None = None
    ) -> None:
        """Write the report's data, and let its figures be drawn while something else is done."""
        self._data = self.data(run_id, began=began, seconds=seconds)
        write_data(self._folder / DATA_FILE, self._data)
        if self._drawing is None:
            self._drawing = drawing.start_drawing()
        if self._drawing is not None:
            self._drawing.draw(self._folder / DATA_FILE, self._folder / "plots")

    def write(self) -> Path:
        """Write report.html, after the figures are there; return the page's path."""
        from tfprune.report.figures import save_figures
        from tfprune.report.page import write_report

        page = self._folder / "report.html"
        write_report(page, self._data)
        if self._drawing is None or not self._drawing.is_done():
            self._stop_drawing()
            shutil.rmtree(self._folder / "plots", ignore_errors=True)  # some may be there in part
            save_figures(self._folder / "plots", self._data, formats=("png",))
        return page


def logged_data(reference: str, store: Store) -> ReportData:
    """Return what a run logged for its report; InputError says why where it is not there."""
    run = store.find_run(reference)
    if run.is_part and run.parent_id is not None:
        run = store.find_run(run.parent_id)
    if not store.has_artifact(run, DATA_FILE):
        raise InputError(f"run {reference!r} has no report data: {_why_without_data(run, store)}")
    data = read_data(store.download_artifact(run.id, DATA_FILE))
    if data.run_id not in (None, run.id) and _is_of_another(data.run_id, run, store):
        raise DamagedError(f"report-data.npz of run {reference!r}", "it is of another run")
    return dataclasses.replace(data, run_id=run.id)  # a store that was filled anew has its own


def _is_of_another(run_id: str, run: RunInfo, store: Store) -> bool:
    """Whether report data names another run of the store; a store filled anew has other ids."""
    try:
        return store.find_run(run_id).key != run.key
    except InputError:
        return False


def _why_without_data(run: RunInfo, store: Store) -> str:
    if run.kind != "experiment":
        return "it was not made by 'tfprune run'."
    key = run.key or run.id
    if run.status == "FINISHED":
        return (
            "it has finished, but its artifact report-data.npz is gone from the store. Store its "
            f"files again from the run's folder: {refill(key, 'URI')}"
        )
    if store.lacks_end_of(run):
        return f"it has finished, but not all of it is in MLflow. Upload it: tfprune sync {key}"
    if run.status == "RUNNING":
        return f"it has not finished. If it was killed, resume it with: tfprune resume {key}"
    return f"it was ended before it finished ({run.status}). Resume it with: tfprune resume {key}"


def _open(tracking_uri: str | None, experiment: str | None) -> Store:
    from tfprune.tracking import open_store, resolve_store

    return open_store(resolve_store(tracking_uri, experiment, writes=False), create=False)


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
    references: Sequence[str],
    folder: str | Path,
    *,
    kinds: Sequence[str] = (),
    formats: Sequence[str] = ("pdf",),
    tracking_uri: str | None = None,
    experiment: str | None = None,
) -> list[Path]:
    """Write figures of a run, or of several in one figure, from what they logged; return the files.

    All figures, or those of `kinds`. Several runs are named as they are called, with the beginning
    of their ids where two have one name.
    """
    from tfprune.report.figures import save_figures

    store = _open(tracking_uri, experiment)
    found = {data.run_id: data for one in references for data in [logged_data(one, store)]}
    if len(found) == 1:
        (data,) = found.values()
        return save_figures(folder, data, formats=tuple(formats), kinds=kinds)
    names = [data.name for data in found.values()]
    runs = {
        data.name if names.count(data.name) == 1 else f"{data.name} ({str(run)[:8]})": data
        for run, data in found.items()
    }
    return save_figures(folder, runs, formats=tuple(formats), kinds=kinds)


MATRIX_MEASURE = "cka"  # means the same for layers of any two widths
N_FILTERS = 64
N_FLIPPED = 12


def level_pictures(plan: Plan, trained: TrainedLevel) -> ReportData:
    """Return the pictures of one level as report data without tables."""
    return ReportData(
        name="",
        levels=(),
        matrices=(_matrix(plan, trained),),
        filters=tuple(_filters(plan, trained)),
        flipped=tuple(_flipped(plan, trained)),
    )


def _matrix(plan: Plan, trained: TrainedLevel) -> LayerMatrix:
    """Every dense layer against every layer of the level; maps enter by their spatial mean."""
    names = tuple(layer.name for layer in plan.hidden)
    pairs = [(a, b) for a in names for b in names]
    scores = compare_layers(
        trained.dense_reader,
        trained.reader,
        plan.probe.images,
        plan.probe.images,
        pairs,
        measures=(MATRIX_MEASURE,),
        layout="mean",
    )
    values = [float(scores[a, b, MATRIX_MEASURE]) for a, b in pairs]
    square = np.array(values).reshape(len(names), len(names))
    return LayerMatrix(trained.seed, trained.level, MATRIX_MEASURE, names, names, square)


def _first_filters(network: tf_keras.Model, tensor: PrunableTensor) -> np.ndarray:
    """Return the first filters of a convolution, (height, width, channels_in, n_filters)."""
    from tfprune.models.layer_names import spell
    from tfprune.training.prunable import kernel

    values = kernel(network.get_layer(spell(tensor.name))).numpy()
    return tensor.filters_last(values)[..., :N_FILTERS]


def _filters(plan: Plan, trained: TrainedLevel) -> list[FirstLayerFilters]:
    """The first convolution's kernels, dense and pruned; none where it is not a picture."""
    convolutions = [tensor for tensor in plan.tensors if len(tensor.shape) == 4]
    if not convolutions or convolutions[0].n_inputs not in (1, 3):
        return []
    first = convolutions[0]
    dense, pruned = (_first_filters(net, first) for net in (trained.dense, trained.network))
    return [FirstLayerFilters(trained.seed, trained.level, first.name, dense, pruned)]


def _as_uint8(image: np.ndarray, largest: float) -> np.ndarray:
    """An image as a picture: 8-bit values as they are, others stretched to their data's range."""
    if image.dtype == np.uint8 and largest > 16:
        return image
    return np.round(np.clip(image / max(largest, 1e-12), 0, 1) * 255).astype(np.uint8)


def _flipped(plan: Plan, trained: TrainedLevel) -> list[FlippedExample]:
    """The first test images that the level answers differently than the dense network."""
    dense, now = trained.dense_predictions, trained.test.predictions
    test, names = trained.dataset.test, trained.dataset.class_names
    changed = np.flatnonzero(dense != now)[:N_FLIPPED]
    largest = max(float(some.max()) for some in chunks(test.images)) if len(changed) else 0.0
    return [
        FlippedExample(
            seed=trained.seed,
            level=trained.level,
            image=_as_uint8(test.images[position], largest),
            label=str(names[test.labels[position]]),
            dense_prediction=str(names[dense[position]]),
            pruned_prediction=str(names[now[position]]),
        )
        for position in changed
    ]
