"""What a training logs with: runs whose every call returns as soon as the journal has it."""

from __future__ import annotations

import contextlib
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from types import TracebackType
from typing import Any, Literal

from tfprune.errors import InputError, RunError
from tfprune.interrupts import cleaning_up
from tfprune.masking import masked
from tfprune.tracking.client import DIGEST_TAG
from tfprune.tracking.delivery import Client, Delivery
from tfprune.tracking.entities import KEY_TAG
from tfprune.tracking.journal import Journal
from tfprune.tracking.kept_files import digest
from tfprune.tracking.names import MAX_PARAM, MAX_TAG, cut, metric_key, param_value
from tfprune.tracking.sender import RETRY_SECONDS, Sender

Status = Literal["FINISHED", "FAILED", "KILLED"]


def _tags(given: Mapping[str, Any]) -> dict[str, str]:
    return {metric_key(k): cut(masked(str(v)), MAX_TAG) for k, v in given.items()}


class Run:
    """One MLflow run that is being written; made by `Recorder.start_run`.

    No method waits for MLflow or fails because of it. RunError is raised only when the journal
    itself can't be written (disk full).
    """

    def __init__(self, journal: Journal, key: str, tell: Callable[[str], None]) -> None:
        self.key = key
        self._journal = journal
        self._tell = tell

    @property
    def id(self) -> str | None:
        """MLflow's id of the run; None until MLflow has given one. The `key` finds it as well."""
        return self._journal.run_ids.get(self.key)

    def log_metrics(self, values: Mapping[str, float], *, step: int = 0) -> None:
        """Log one point of each metric at `step`.

        A metric has one point per step: what the journal already holds for this run, name and
        step stands, so a resumed training may log its last steps again. NaN and infinities are
        shown as gaps by MLflow. Names are made fit by `metric_key`.
        """
        named = {metric_key(key): float(value) for key, value in values.items()}
        new = self._journal.unlogged_metrics(self.key, named, int(step))
        if new:
            self._journal.append(self.key, "metrics", step=int(step), values=new)

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log params; a param that was logged keeps its first value, and a change is told."""
        new: dict[str, str] = {}
        for key, value in params.items():
            name, text = metric_key(key), masked(param_value(value))
            logged = self._journal.param(self.key, name)
            if logged is None:
                new[name] = text
            elif logged != text:
                self._tell(
                    f"param {name!r} of run {self.id or self.key} stays {logged!r}, not {text!r}."
                )
        if new:
            self._journal.append(self.key, "params", values=new)

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags; the last value of each stands. Beyond 8000 characters a value is cut."""
        values = _tags(tags)
        if values:
            self._journal.append(self.key, "tags", values=values)

    def set_note(self, markdown: str) -> None:
        """Set the run's description, which the UI renders as markdown; cut at 8000 characters."""
        self.set_tags({"mlflow.note.content": markdown})

    def log_file(
        self,
        path: Path | str,
        folder: str | None = None,
        *,
        name: str | None = None,
        checked: bool = False,
    ) -> None:
        """Store a file, or a folder with all it holds, as an artifact under its name in `folder`.

        The journal keeps a copy: the original may change or go at once. What is `checked` has its
        SHA-256 in a tag, by which a reader tells whether the store's file is still that.
        """
        source = Path(path)
        if not source.exists():
            raise InputError(f"no file {source} to log as an artifact.")
        if folder is not None and (folder.startswith("/") or ".." in PurePosixPath(folder).parts):
            raise InputError(f"artifact folder {folder!r} must be a relative path without '..'.")
        seq, kept = self._journal.next_file(source, name or source.name)
        known = digest(self._journal.folder / kept)
        self._journal.append(self.key, "artifact", seq=seq, file=kept, folder=folder, digest=known)
        if checked:
            self.set_tags({f"{DIGEST_TAG}{name or source.name}": known})

    def log_model(
        self,
        folder: Path,
        *,
        params: Mapping[str, Any],
        tags: Mapping[str, Any],
        trained_by: str,
        metrics: Mapping[str, Mapping[str, str] | None],
        step: int,
    ) -> None:
        """Log an MLflow model folder as a model of this run, under the folder's name.

        trained_by: key of the run whose points of `metrics` are the model's own. metrics: name ->
        `name` and `digest` of the data set that it was measured on, None for what no data set
        decides. The journal keeps a copy of the folder.
        """
        seq, kept = self._journal.next_file(folder, folder.name)
        self._journal.append(
            self.key, "model", seq=seq, file=kept, folder=None, name=folder.name,
            digest=digest(self._journal.folder / kept), trained_by=trained_by,
            params={k: cut(masked(param_value(v)), MAX_PARAM) for k, v in params.items()},
            tags=_tags(tags), metrics=dict(metrics), step=step,
        )  # fmt: skip

    def log_inputs(self, datasets: Sequence[Mapping[str, str]]) -> None:
        """Say which data sets the run used, for the column *Datasets* of MLflow's pages.

        Each has `name`, `digest` (at most 36 characters), `source_type`, `source`, `schema`,
        `profile` (JSON) and `context`, such as `training`.
        """
        given = [{name: masked(text) for name, text in one.items()} for one in datasets]
        self._journal.append(self.key, "inputs", datasets=given)

    def log_text(self, text: str, path: str, *, checked: bool = False) -> None:
        """Store a text as the artifact `path`, e.g. `levels.csv` or `tables/levels.csv`."""
        place = PurePosixPath(path)
        folder = str(place.parent) if place.parent.parts else None
        with tempfile.TemporaryDirectory() as temporary:
            file = Path(temporary) / place.name
            file.write_text(text, encoding="utf-8")
            self.log_file(file, folder, checked=checked)

    def finish(self, status: Status = "FINISHED") -> None:
        """Mark the run as ended now."""
        self._journal.append(self.key, "finish", status=status)


class Recorder:
    """Writes runs of one experiment into a journal folder and has them delivered behind it.

    A context manager: an exception that leaves it ends the open runs, KILLED when interrupted,
    else FAILED. `on_gap` hears, once per gap, that MLflow does not answer and that it does
    again (called from the delivering thread). Opening the folder again, after a crash or to
    resume, goes on where delivery had come to. Raises InputError when another process has the
    folder open or it was begun with another store.
    """

    def __init__(
        self,
        client: Client,
        folder: Path | str,
        *,
        on_gap: Callable[[str], None],
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        self._tell = on_gap
        self.standing = Delivery(0, 0, 0)
        """How delivery stood when the recorder was closed."""
        self.journal = Journal(Path(folder), store=client.identity)
        if self.journal.damage:
            on_gap(self.journal.damage)
        self._sender = Sender(self.journal, client, on_gap, retry_seconds=retry_seconds)

    def start_run(
        self,
        name: str,
        *,
        key: str | None = None,
        params: Mapping[str, Any] | None = None,
        tags: Mapping[str, Any] | None = None,
        parent: Run | None = None,
        run_id: str | None = None,
        within: str | None = None,
    ) -> Run:
        """Begin a run, or go on with it: at once, whether MLflow answers or not.

        `key` says which run it is: where the store has a run with that key, the same one goes on
        (so give a resumed run's children the keys they had); by default a new, random one.
        `run_id` goes on with a run by MLflow's id. MLflow's UI shows the children under `parent`.
        `within` is the key of a run that another recorder began, such as a sweep's, and stands for
        a parent where the store has it.
        """
        more: dict[str, Any] = {} if within is None else {"within": within}
        run = Run(self.journal, key or uuid.uuid4().hex, self._tell)
        if "'" in run.key or "`" in run.key:
            raise InputError(f"run key {run.key!r} must not hold quotes.")
        self.journal.append(
            run.key,
            "start",
            name=name,
            parent=parent.key if parent is not None else None,
            run_id=run_id,
            tags=_tags(tags or {}),
            **more,
        )
        if run_id is not None:
            run.set_tags({KEY_TAG: run.key})
        run.log_params(params or {})
        return run

    def flush(self, timeout: float = 30.0) -> Delivery:
        """Wait until all is delivered, at most `timeout` seconds; return how it stands."""
        return self._sender.flush(timeout)

    def close(self, timeout: float = 30.0) -> Delivery:
        """Deliver what can be in `timeout` seconds and end; what is left stays in the journal.

        Where `left` is not 0, `sync` on the folder delivers it later.
        """
        self._sender.stop(timeout, then=self.journal.close)
        self.standing = self._sender.flush(0)
        return self.standing

    def __enter__(self) -> Recorder:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with cleaning_up(self._sender.hurry, is_ending=kind is not None):
            if kind is not None:
                with contextlib.suppress(RunError):  # the journal itself: `kind` says so already
                    interrupted = not issubclass(kind, Exception)
                    self.journal.finish_open_runs("KILLED" if interrupted else "FAILED")
            self.close()
