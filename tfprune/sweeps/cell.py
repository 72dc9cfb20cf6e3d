"""What a worker does: one cell of a sweep, or one dense network that several cells begin with.

A cell is done once: its configuration's hash names a file that says which runs were begun for it,
and a lock beside it lets one process at a time work on it. A worker that is given a cell looks
there first, so one that was killed, or lost to the scheduler, costs no more than its last epoch.
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from tfprune.config import RunConfig, from_dict
from tfprune.disk import UNREADABLE, make_folder, write_whole
from tfprune.errors import DamagedError, InputError
from tfprune.experiment.events import EpochFinished, LevelFinished, LevelStarted, RunStarted
from tfprune.interrupts import Interrupted
from tfprune.runs.run_file import read_run
from tfprune.runs.workspace import RUNS, new_key, store_facts
from tfprune.tracking.store_problem import StoreProblem

if TYPE_CHECKING:
    from tfprune.experiment.events import Event
    from tfprune.runs.finished import FinishedRun

CELLS = Path("mlruns") / "cells"

Say = Callable[[dict[str, Any]], None]

_BETWEEN = 0.5  # seconds between two messages of a cell, of those that may be dropped
_POLL = 1.0  # seconds
_STORE_SECONDS = 300.0  # that a cell waits at its beginning for a store that does not answer
_STORE_POLLS = 5  # between two tries
_alone = threading.Lock()  # TensorFlow's settings and stderr are the process's: one cell at a time


@dataclass(frozen=True)
class Job:
    """A cell as it travels to a worker: plain values only.

    `settings` is the whole configuration as nested values, `known` are keys of runs in which the
    cell may have been begun, `dense` maps each seed to the folder of its dense phase.
    """

    key: str
    label: str
    settings: dict[str, Any]
    sweep: str
    folder: str
    tracking_uri: str | None = None
    experiment: str | None = None
    deterministic: bool = False
    checkpoint_every: int = 1
    known: tuple[str, ...] = ()
    dense: dict[int, str] = field(default_factory=dict)

    @property
    def config(self) -> RunConfig:
        """The configuration of the cell."""
        return from_dict(self.settings)


@dataclass(frozen=True)
class Outcome:
    """How a cell ended: in the run `run`, in so many seconds of this worker.

    `n_steps` are the optimizer steps that its experiment has, `n_shared` those of them that a
    dense phase had taken before; both 0 where the run was there already. `told` are the run's
    remarks. `is_done` is False where it was interrupted.
    """

    key: str
    run: str | None
    seconds: float = 0.0
    n_steps: int = 0
    n_shared: int = 0
    undelivered: int = 0
    told: tuple[str, ...] = ()
    is_done: bool = True


class Cancelled(Interrupted):
    """The sweep was interrupted: the cell stops, and can be gone on with."""


def run_cell(
    job: Job,
    *,
    say: Say = lambda message: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Return how a cell ended, after running it or what is left of it; `say` hears how it goes on.

    Raises what `tfprune.run` raises.
    """
    with _alone, _held(job, is_cancelled):
        started = time.monotonic()
        runs = _begun(job)
        finished = [run for run in runs if is_finished(job, run)]
        if finished:
            return Outcome(job.key, finished[0])
        say({"cell": job.key, "at": "started"})
        key = new_key()
        _note(job, [*runs, key])
        told: list[str] = []
        counted = Counted(job, say, is_cancelled)
        try:
            result = _run_with_patience(job, key, runs, counted, told.append, is_cancelled)
        except Cancelled:
            say({"cell": job.key, "at": "stopped"})
            return Outcome(job.key, None, is_done=False)
        finally:
            _forget_networks()
        return Outcome(
            job.key,
            result.key,
            seconds=time.monotonic() - started,
            n_steps=counted.n_steps,
            n_shared=counted.n_shared,
            undelivered=result.undelivered,
            told=tuple(told),
        )


def _run_with_patience(
    job: Job,
    key: str,
    among: list[str],
    watch: Counted,
    tell: Callable[[str], None],
    is_cancelled: Callable[[], bool],
) -> FinishedRun:
    """Run a cell; one whose store does not answer at its beginning waits for it, some minutes.

    A user who starts a run is told at once, but nobody looks at a sweep: while a server starts
    again, every cell that begins would fail. Nothing has been written by then.
    """
    from tfprune.runs.run import run_checked

    until = time.monotonic() + _STORE_SECONDS
    while True:
        try:
            return run_checked(
                job.config,
                folder=job.folder,
                tracking_uri=job.tracking_uri,
                experiment=job.experiment,
                deterministic=job.deterministic,
                checkpoint_every=job.checkpoint_every,
                key=key,
                among=among,
                sweep=job.sweep,
                dense={int(seed): Path(folder) for seed, folder in job.dense.items()},
                watch=watch,
                tell=tell,
            )
        except StoreProblem as problem:
            if not problem.is_silent or time.monotonic() > until:
                raise
        for _ in range(_STORE_POLLS):
            if is_cancelled():
                raise Cancelled
            time.sleep(_POLL)


def train_shared(
    job: Job,
    seed: int,
    folder: str,
    *,
    say: Say = lambda message: None,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Train the dense network of a seed in `folder`, by the configuration of one of its cells."""
    from tfprune.experiment.dense_phase import is_trained, train_dense
    from tfprune.runs.run import planned

    with _alone, _locked(Path(folder) / "lock", is_cancelled):
        started = time.monotonic()
        if is_trained(Path(folder)):
            return Outcome(job.key, None)
        say({"cell": job.key, "at": "started"})
        counted = Counted(job, say, is_cancelled)
        try:
            plan = planned(
                job.config,
                tracking_uri=job.tracking_uri,
                experiment=job.experiment,
                folder=job.folder,
                deterministic=job.deterministic,
            )
            train_dense(plan, seed, Path(folder), watch=counted)
        except Cancelled:
            say({"cell": job.key, "at": "stopped"})
            return Outcome(job.key, None, is_done=False)
        finally:
            _forget_networks()
        seconds = time.monotonic() - started
        return Outcome(job.key, None, seconds=seconds, n_steps=plan.n_steps)


class Counted:
    """A watch that says where a cell is, now and then, and stops it when it is cancelled."""

    def __init__(self, job: Job, say: Say, is_cancelled: Callable[[], bool]) -> None:
        self._job, self._say, self._is_cancelled = job, say, is_cancelled
        self._last = 0.0
        self.n_steps = self.n_shared = 0

    def __call__(self, event: Event) -> None:
        """Say what happened, where someone wants to know."""
        if self._is_cancelled():
            raise Cancelled
        if isinstance(event, RunStarted):
            self.n_steps = event.plan.total_steps
            n_seeds = sum(seed in self._job.dense for seed in event.plan.config.seeds)
            self.n_shared = event.plan.n_steps * n_seeds
        elif isinstance(event, LevelStarted):
            self._tell(seed=event.seed, level=event.level, epoch=0)
        elif isinstance(event, EpochFinished):
            row = event.result
            known = row.validation_accuracy
            accuracy = row.accuracy if known is None else known
            self._tell(seed=row.seed, level=row.level, epoch=row.epoch + 1, accuracy=accuracy)
        elif isinstance(event, LevelFinished):
            done = event.result
            self._last = 0.0
            self._tell(seed=done.seed, level=done.level, accuracy=done.accuracy_test, done=True)

    def _tell(self, **facts: Any) -> None:
        if time.monotonic() - self._last >= _BETWEEN:
            self._last = time.monotonic()
            self._say({"cell": self._job.key, "at": "training", **facts})


def is_finished(job: Job, run: str) -> bool:
    """Whether a run that was begun for a cell has finished, in the store of the sweep."""
    from tfprune.tracking import resolve_store

    root = Path(job.folder)
    location = resolve_store(job.tracking_uri, job.experiment, folder=root)
    try:
        facts = read_run(root / RUNS / run)
    except DamagedError:
        return False
    return (
        facts["finished"]
        and facts["store"] == store_facts(location, root)
        and facts.get("deterministic", False) == job.deterministic
    )


def _file(job: Job) -> Path:
    return Path(job.folder) / CELLS / f"{job.key}.json"


def _begun(job: Job) -> list[str]:
    """Return the keys of the runs that were begun for a cell, the oldest first."""
    try:
        noted = [str(key) for key in json.loads(_file(job).read_text(encoding="utf-8"))["runs"]]
    except UNREADABLE:  # none yet, or a power cut: then the cell is run again
        noted = []
    runs = Path(job.folder) / RUNS
    return [key for key in dict.fromkeys([*job.known, *noted]) if (runs / key).is_dir()]


def _note(job: Job, runs: list[str]) -> None:
    write_whole(_file(job), json.dumps({"label": job.label, "runs": runs}).encode(), durable=False)


@contextlib.contextmanager
def _held(job: Job, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    path = _file(job)
    with _locked(path.with_suffix(".lock"), is_cancelled):
        yield


@contextlib.contextmanager
def _locked(path: Path, is_cancelled: Callable[[], bool]) -> Iterator[None]:
    """Hold a lock for the block, waiting for the process that has it; it goes with a process."""
    make_folder(path.parent)
    lock = FileLock(path)
    while True:
        try:
            lock.acquire(timeout=_POLL)
            break
        except Timeout:
            if is_cancelled():
                raise InputError(f"{path} is held by another process.") from None
    try:
        yield
    finally:
        lock.release()


def _forget_networks() -> None:
    """Let the next cell of this process begin like the first: names of layers, and memory."""
    import gc
    import sys

    if "tf_keras" in sys.modules:
        sys.modules["tf_keras"].backend.clear_session()
    gc.collect()
