"""The only module that imports mlflow: every call that tfprune makes of it, and nothing else.

Imports happen inside the functions. What MLflow raises leaves as one of two errors: the store
is not available now, or it refused for good.
"""

from __future__ import annotations

import contextlib
import functools
import getpass
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tfprune.masking import masked
from tfprune.tracking.answers import ForeignError, bounded
from tfprune.tracking.artifacts import listed, place_of
from tfprune.tracking.entities import KEY_TAG, Point, RunInfo
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.kept_files import make_way
from tfprune.tracking.logged_models import LoggedModels, ModelInfo, info, settle_folder

DIGEST_TAG = "tfprune.sha256."  # and an artifact's name

# MLflow's own values let one call take 245 s; what can't be delivered waits in the journal.
_ENVIRONMENT = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "PGCONNECT_TIMEOUT": "10",  # of a PostgreSQL server; the driver's own is 130 s
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
}
# What a repeated call can't cure. All else (a lock, a 500, a lost connection) may pass.
_FINAL = frozenset(
    {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS",
     "ENDPOINT_NOT_FOUND", "NOT_IMPLEMENTED"}
)  # fmt: skip


def import_mlflow() -> Any:
    """Return the mlflow package: telemetry off before the import, time limits set, noise off."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    first = "mlflow" not in sys.modules
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow

        if first and "MLFLOW_LOGGING_LEVEL" not in os.environ:
            # our own messages say what matters; a locked database logs a traceback per call
            logging.getLogger("mlflow").setLevel(logging.CRITICAL)
            logging.getLogger("alembic").setLevel(logging.ERROR)
            logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
            logging.getLogger("psycopg").setLevel(logging.ERROR)
    # whoever imported MLflow before: it logs what it raises, some 60 kB for a full disk
    if "MLFLOW_LOGGING_LEVEL" not in os.environ:
        logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)
    _bound_answers()
    return mlflow


def _bound_answers() -> None:
    """Have the answers of servers read within bounds; see `tracking.answers`."""
    from mlflow.utils import request_utils

    made = getattr(request_utils, "_get_request_session", None)
    if made is None or hasattr(made, "__wrapped__"):  # another version of MLflow, or done
        return

    @functools.wraps(made)
    def session(*arguments: Any, **named: Any) -> Any:
        return bounded(made(*arguments, **named))

    request_utils._get_request_session = session


def _bound_connecting() -> None:
    """Have MLflow ask a database that refuses a connection three times (0.4 s), not ten (102 s)."""
    from mlflow.store.db import utils

    utils.MAX_RETRY_COUNT = 3


@contextlib.contextmanager
def _store_errors() -> Iterator[None]:
    """Turn whatever an MLflow call raises into UnavailableError or RejectedError."""
    from mlflow.exceptions import MlflowException

    try:
        yield
    except (UnavailableError, RejectedError):
        raise
    except MlflowException as error:
        text = _first_line(error)
        if error.error_code in _FINAL:
            raise RejectedError(text) from error
        raise UnavailableError(text) from error
    # Reason for the breadth: artifact stores and database drivers raise their own types, and
    # tracking must never end a training, whatever they raise.
    except Exception as error:
        raise UnavailableError(_first_line(error) or type(error).__name__) from error


_LONGEST_LINE = 300  # characters


def _first_line(error: Exception) -> str:
    """Return the line of an error's message that says what happened, its secrets masked."""
    # masked before it is cut: half a secret can't be told
    lines = masked(str(error)).strip().splitlines()
    # what SQLAlchemy says first of a write that something else has brought about
    lines = [line for line in lines if not line.startswith("(raised as a result of ")] or lines
    if not lines or len(lines[0]) <= _LONGEST_LINE:
        return lines[0] if lines else ""
    cut = lines[0][: _LONGEST_LINE - 3]
    return (cut.rpartition(" ")[0] or cut) + "..."


def migrate_new_database(path: Path, artifact_root: str) -> None:
    """Create MLflow's tables in the new SQLite file at `path` (1 to 2 s; takes no lock itself).

    Without SQLite's waits for the disk, of which a hundred migrations make seconds: a file that
    a crash spoils here has not got its name yet. The caller makes it durable.
    """
    import_mlflow()
    with _store_errors():
        from mlflow.store.tracking import sqlalchemy_store
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        def do_not_wait(connection: Any, _: object) -> None:
            connection.execute("PRAGMA synchronous = OFF")

        store_class: Any = sqlalchemy_store.SqlAlchemyStore
        uri = f"sqlite:///{path}"
        event.listen(Engine, "connect", do_not_wait)
        try:
            store_class(uri, artifact_root).engine.dispose()
        finally:
            event.remove(Engine, "connect", do_not_wait)
        store_class._engine_map.pop(uri, None)  # the file is about to get another name


def save_keras_model(
    model: Any, folder: Path, *, example: Any, metadata: Mapping[str, Any]
) -> None:
    """Write a Keras 3 model as an MLflow model folder, for `mlflow.keras` and `mlflow.pyfunc`.

    With signature and input example from `example` (a batch), and the requirements said, not
    inferred: that would load the model in a process of its own. No clock and nothing drawn is in
    the folder: the same model gives the same bytes.
    """
    from importlib.metadata import version

    from tfprune.models.files.write import without_clock

    mlflow = import_mlflow()
    folder.mkdir(parents=True)  # MLflow writes the example before it makes the folder
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mlflow.keras
        from mlflow.models import infer_signature

        signature = infer_signature(example, model.predict(example, verbose=0))
        pins = [f"{name}=={version(name)}" for name in ("keras", "tensorflow", "numpy")]
        with _pins_unchecked():
            mlflow.keras.save_model(
                model,
                str(folder),
                save_exported_model=False,
                signature=signature,
                input_example=example,
                pip_requirements=pins,
                metadata=dict(metadata),
            )
    settle_folder(folder, without_clock(folder / "data" / "model.keras"))


@contextlib.contextmanager
def _pins_unchecked() -> Iterator[None]:
    """Keep MLflow from comparing pinned requirements with what is installed, in the block.

    It only warns of a difference, and there is none: the pins are what is installed. To look
    them up it lists every file of every installed package, which takes seconds.
    """
    from mlflow.utils import environment

    name = "warn_dependency_requirement_mismatches"
    check = getattr(environment, name, None)
    if check is None:  # another version of MLflow: it checks, and takes its time
        yield
        return
    setattr(environment, name, lambda requirements: None)
    try:
        yield
    finally:
        setattr(environment, name, check)


class MlflowClient:
    """The calls that tfprune makes of one MLflow store, in one experiment.

    Every method raises UnavailableError where trying again later may help and RejectedError
    where the store refused for good.
    """

    def __init__(self, uri: str, *, artifact_root: Path | None = None) -> None:
        try:
            self._mlflow = import_mlflow()  # not inside _store_errors, which imports a part of it
        except (MemoryError, ImportError, RuntimeError) as error:  # as under 'ulimit -v'
            raise UnavailableError(_first_line(error) or type(error).__name__) from error
        with _store_errors():
            if not uri.startswith("http"):
                _bound_connecting()
            self._client = self._mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
        self._uri = uri
        self._artifact_root = artifact_root
        self._roots: dict[str, Path] = {}  # of the artifacts of runs
        self.experiment_id = ""
        self.identity = ""

    def open_experiment(self, name: str, *, create: bool) -> str | None:
        """Return None when the experiment is there (or was made), else what is wrong with it.

        The answer is `missing` or `deleted <id>`.
        """
        with _store_errors():
            found = self._client.get_experiment_by_name(name)
        if found is None and create:
            location = str(self._artifact_root) if self._artifact_root is not None else None
            refused = None
            try:
                with _store_errors():
                    self._client.create_experiment(name, location)
            except RejectedError as error:  # another process may have made it in the meantime
                refused = error
            with _store_errors():
                found = self._client.get_experiment_by_name(name)
            if found is None and refused is not None:
                raise refused
        if found is None:
            return "missing"
        if not found.experiment_id or not found.name:
            why = "it answers with an experiment that has no name"
            raise UnavailableError(why) from ForeignError(why)
        if found.lifecycle_stage != "active":
            return f"deleted {found.experiment_id}"
        self.experiment_id = found.experiment_id
        # stays what it is when the project folder, and with it the URI, moves
        self.identity = f"experiment {found.experiment_id} made at {found.creation_time}"
        return None

    def register_model(
        self, name: str, source: str, run_id: str, tags: Mapping[str, str], *, model: str | None
    ) -> str:
        """Register the model under `source` as the next version of `name`; return the version.

        `model` is the id of the logged model that it is, if it is one.
        """
        from mlflow.exceptions import MlflowException

        with _store_errors():
            with contextlib.suppress(MlflowException):  # it has versions already
                self._client.create_registered_model(name)
            made = self._client.create_model_version(
                name, source, run_id, tags=dict(tags), model_id=model
            )
        return str(made.version)

    @property
    def _models(self) -> LoggedModels:
        return LoggedModels(self._mlflow, self._client, self.experiment_id)

    def log_model(self, run_id: str, folder: Path, **model: Any) -> Path | None:
        """Log a model folder, with what `LoggedModels.log` takes; return where it lies."""
        with _store_errors():
            return self._models.log(run_id, folder, **model)

    def logged_models(self, run_id: str) -> list[ModelInfo]:
        """Return the models that a run logged, by name; none where the store keeps no models."""
        try:
            with _store_errors():
                return [info(model) for model in self._models.of_run(run_id)]
        except RejectedError:  # a server of MLflow 2
            return []

    def log_inputs(self, run_id: str, datasets: Sequence[Mapping[str, str]]) -> None:
        """Say which data sets a run used; each has what MLflow's Dataset takes, and its `context`.

        One that the run has already is left as it is.
        """
        with _store_errors():
            from mlflow.entities import Dataset, DatasetInput, InputTag

            self._client.log_inputs(run_id, datasets=[
                DatasetInput(
                    Dataset(**{name: text for name, text in given.items() if name != "context"}),
                    [InputTag("mlflow.data.context", given["context"])],
                )
                for given in datasets
            ])  # fmt: skip

    def find_key(self, key: str) -> str | None:
        """Return the id of the run whose tag `tfprune.key` is `key`, None when there is none."""
        with _store_errors():
            runs = self._client.search_runs(
                [self.experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1
            )
        return str(runs[0].info.run_id) if runs else None

    def key_of(self, run_id: str) -> str | None:
        """Return the tag `tfprune.key` of a run, empty without one; None where no run is there."""
        try:
            return self.get_run(run_id).key or ""
        except RejectedError:
            return None

    def create_run(self, key: str, name: str, tags: Mapping[str, str], time: int) -> str:
        """Create a run that began at `time` (ms since 1970) and return its id."""
        full = {
            "mlflow.user": _user(),
            "mlflow.source.name": "tfprune",
            "mlflow.source.type": "LOCAL",
            **tags,
            KEY_TAG: key,
        }
        with _store_errors():
            run = self._client.create_run(
                self.experiment_id, start_time=time, tags=full, run_name=name
            )
        return str(run.info.run_id)

    def reopen_run(self, run_id: str) -> None:
        """Mark an existing run as running again."""
        with _store_errors():
            self._client.update_run(run_id, status="RUNNING")

    def log_batch(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log points, params and tags in one call; the caller keeps to MLflow's limits."""
        with _store_errors():
            from mlflow.entities import Metric, Param, RunTag

            self._client.log_batch(
                run_id,
                metrics=[Metric(p.key, p.value, p.time, p.step) for p in points],
                params=[Param(key, value) for key, value in (params or {}).items()],
                tags=[RunTag(key, value) for key, value in (tags or {}).items()],
            )

    def log_artifact(self, run_id: str, path: Path, folder: str | None) -> Path | None:
        """Store a file, or a folder with all it holds, under its own name in `folder`.

        Returns where it lies, None where that is not on this machine.
        """
        with _store_errors():
            if run_id not in self._roots:
                self._sweep(run_id)
            root = self._roots[run_id]
            place = root / (folder or "") / path.name if root.is_absolute() else None
            if place is not None:
                make_way(path, place)
            self._client.log_artifact(run_id, str(path), folder)
        return place

    def _sweep(self, run_id: str) -> None:
        """Delete what MLflow had copied half when an earlier process was killed; once a run."""
        root = Path(self._client.get_run(run_id).info.artifact_uri)
        if root.is_absolute():  # on this machine, and a run has one writer
            for left in list(root.rglob(".artifact.uploading.*")):
                left.unlink(missing_ok=True)
        self._roots[run_id] = root

    def finish_run(self, run_id: str, status: str, time: int) -> None:
        """Mark a run as ended at `time` (ms since 1970): FINISHED, FAILED or KILLED."""
        with _store_errors():
            self._client.set_terminated(run_id, status, time)

    def get_run(self, run_id: str) -> RunInfo:
        """Return a run by the store's id of it."""
        with _store_errors():
            return _info(self._client.get_run(run_id))

    def search_runs(self, query: str = "", *, everywhere: bool = False) -> list[RunInfo]:
        """Return the runs that match MLflow's filter string, the newest first."""
        found: list[RunInfo] = []
        with _store_errors():
            ids = [self.experiment_id]
            if everywhere:
                ids = [e.experiment_id for e in self._client.search_experiments()]
            token = None
            while True:
                page = self._client.search_runs(
                    ids, query, max_results=1000, page_token=token, order_by=["start_time DESC"]
                )
                found += [_info(run) for run in page]
                token = page.token
                if not token:
                    return found

    def metric_history(self, run_id: str, key: str) -> list[Point]:
        """Return all points of a metric, ordered by step."""
        with _store_errors():
            history = self._client.get_metric_history(run_id, key)
        points = [Point(m.key, m.value, m.timestamp, m.step) for m in history]
        return sorted(points, key=lambda point: (point.step, point.time))

    def list_artifacts(self, run_id: str, folder: str | None = None) -> list[str]:
        """Return the paths of all files among a run's artifacts, sorted; see `artifacts.listed`."""
        with _store_errors():
            return listed(self._client, run_id, self.logged_models(run_id), folder)

    def download(self, run_id: str, path: str, destination: Path | None) -> Path:
        """Return the local path of an artifact: where it lies, or fetched into `destination`.

        What a model holds that the run logged lies under the model's name.
        """
        with _store_errors():
            root = self._client.get_run(run_id).info.artifact_uri
            place = place_of(root, path, lambda: self.logged_models(run_id))
            if destination is None and place.startswith("/"):
                if not Path(place).exists():
                    raise RejectedError(f"no artifact {path}")
                return Path(place)
            target = str(destination) if destination is not None else None
            if place == f"{root}/{path}":
                return Path(self._client.download_artifacts(run_id, path, target))
            fetch = self._mlflow.artifacts.download_artifacts
            return Path(fetch(artifact_uri=place, dst_path=target, tracking_uri=self._uri))


def _info(run: Any) -> RunInfo:
    info = run.info
    if info.lifecycle_stage != "active":
        raise RejectedError(f"run {info.run_id} was deleted")
    return RunInfo(
        id=info.run_id,
        name=info.run_name or "",
        status=info.status,
        experiment_id=info.experiment_id,
        start_time=info.start_time or 0,
        end_time=info.end_time,
        artifact_uri=info.artifact_uri or "",
        metrics=dict(run.data.metrics),
        params=dict(run.data.params),
        tags=dict(run.data.tags),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return "unknown"
