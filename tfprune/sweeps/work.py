"""The tasks of a sweep on a cluster: what waits for what, what is done again, what has failed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from tfprune.errors import TfpruneError, reason
from tfprune.masking import masked
from tfprune.sweeps.cell import Job, Outcome
from tfprune.sweeps.cluster import import_distributed
from tfprune.sweeps.worker import cell_on_worker, dense_on_worker, topic_of

if TYPE_CHECKING:
    import distributed

_CELLS_IN_MESSAGE = 500
_STOP_SECONDS = 15.0  # that running cells have to stop in


@dataclass(frozen=True)
class DenseTask:
    """A dense network to be trained first: by the job of one of the cells that begin with it."""

    key: str
    job: Job
    seed: int
    folder: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """Why a cell failed: in a line, and where it happened, for those who look for the cause."""

    message: str
    trace: str = ""


class View(Protocol):
    """Who is shown how a sweep goes on."""

    def moved(self, message: Mapping[str, Any]) -> None:
        """Show where a cell is."""

    def done(self, outcome: Outcome) -> None:
        """Show that a cell has ended."""

    def failed(self, key: str, failure: Failure) -> None:
        """Show that a cell has failed."""


@dataclass
class Work:
    """What has become of the tasks so far."""

    done: dict[str, Outcome] = field(default_factory=dict)
    failed: dict[str, Failure] = field(default_factory=dict)
    dense: list[Outcome] = field(default_factory=list)
    running: dict[str, float] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    places: dict[str, tuple[int, ...]] = field(default_factory=dict)


def carry_out(
    client: distributed.Client,
    sweep: str,
    jobs: Iterable[Job],
    dense: Sequence[DenseTask],
    view: View,
    *,
    keep: Callable[[Outcome], None] = lambda outcome: None,
    cell: Callable[[Job], Outcome] | None = None,
) -> Work:
    """Return what became of all cells, after running them on the cluster: by `cell`, if given.

    A cell that shares its dense network waits for it. A cell whose worker dies goes on on another
    one; where that happens several times without its getting any further, it counts as failed.
    An interrupt stops the cells that run, so that all can be gone on with, and is raised again.
    """
    import_distributed()
    work = Work()
    waiting = {job.key: job for job in jobs}
    waits_for = Counter(cell for task in dense for cell in task.cells)
    tasks = _Tasks(client, cell or cell_on_worker)

    def heard(event: tuple[Any, Mapping[str, Any]]) -> None:
        message = event[1]
        if "cell" in message:
            _place(work, message)
            view.moved(message)

    topic = topic_of(sweep)
    client.subscribe_topic(topic, heard)
    try:
        for shared in dense:
            tasks.submit(shared)
        tasks.submit_cells([job for job in waiting.values() if not waits_for[job.key]])
        for task, future, outcome in tasks.as_completed():
            _settle(task, future, outcome, tasks, waiting, waits_for, work, view, keep)
    except KeyboardInterrupt:
        tasks.cancel()
        _await_stop(work)
        raise
    finally:
        client.unsubscribe_topic(topic)
    return work


def _settle(
    task: Job | DenseTask,
    future: distributed.Future,
    outcome: Outcome | None,
    tasks: _Tasks,
    waiting: Mapping[str, Job],
    waits_for: Counter[str],
    work: Work,
    view: View,
    keep: Callable[[Outcome], None],
) -> None:
    """Take note of how a task ended, and begin what waited for it; `outcome`: None of a failure."""
    key = task.key
    work.running.pop(key, None)
    if outcome is not None:
        if not outcome.is_done:  # it was cancelled while the scheduler had lost sight of it
            tasks.submit(task)
        elif isinstance(task, DenseTask):
            work.dense.append(outcome)
            for cell in task.cells:
                waits_for[cell] -= 1
                if not waits_for[cell]:
                    tasks.submit(waiting[cell])
        else:
            work.done[key] = outcome
            keep(outcome)
            view.done(outcome)
        return
    error = future.exception()
    if _is_killed(error) and tasks.is_worth_another_try(key, work):
        tasks.submit(task)
        return
    failure = _failure(error, future)
    for cell in task.cells if isinstance(task, DenseTask) else (key,):
        if cell not in work.failed:
            work.failed[cell] = failure
            view.failed(cell, failure)


class _Tasks:
    """The futures of a sweep; each submission has a key of its own, so that none is repeated."""

    def __init__(self, client: distributed.Client, cell: Callable[[Job], Outcome]) -> None:
        self._client, self._cell = client, cell
        self._completed = import_distributed().as_completed(loop=client.loop)
        self._tasks: dict[str, Job | DenseTask] = {}
        self._futures: dict[str, distributed.Future] = {}
        self._stamp, self._n = f"{time.time_ns():x}", 0
        self._last_place: dict[str, tuple[int, ...]] = {}

    def submit(self, task: Job | DenseTask) -> None:
        if not isinstance(task, DenseTask):
            self.submit_cells([task])
            return
        name = self._name("dense", task.key)
        future = self._client.submit(
            dense_on_worker, task.job, task.seed, task.folder,
            key=name, pure=False, priority=10,
        )  # fmt: skip
        self._tasks[name], self._futures[name] = task, future
        self._completed.add(future)

    def submit_cells(self, jobs: Sequence[Job]) -> None:
        """Submit cells, many in one message."""
        if not jobs:
            return
        names = [self._name("cell", job.key) for job in jobs]
        futures = self._client.map(
            self._cell, jobs, key=names, pure=False, batch_size=_CELLS_IN_MESSAGE
        )
        self._tasks.update(zip(names, jobs, strict=True))
        self._futures.update(zip(names, futures, strict=True))
        self._completed.update(futures)

    def _name(self, kind: str, key: str) -> str:
        self._n += 1
        return f"{kind}-{key}-{self._stamp}-{self._n}"

    def is_worth_another_try(self, key: str, work: Work) -> bool:
        """Whether a cell whose workers died got further, or had not even begun on them.

        Dask gives up on all tasks that were on their way to workers that died.
        """
        place, last = work.places.get(key, ()), self._last_place.get(key, ())
        had_begun = key in work.begun
        work.begun.discard(key)
        self._last_place[key] = place
        return place > last or not had_begun

    def as_completed(
        self,
    ) -> Iterable[tuple[Job | DenseTask, distributed.Future, Outcome | None]]:
        """Yield each task that has ended with its outcome, None where it has failed."""
        for batch in self._completed.batches():
            # fetched together: asking for one takes longer than a cell that does nothing
            outcomes = self._outcomes([future for future in batch if future.status == "finished"])
            for future in batch:
                yield self._tasks[future.key], future, outcomes.get(future.key)
                self._futures.pop(future.key, None)

    def _outcomes(self, finished: list[distributed.Future]) -> dict[str, Outcome]:
        """Return the outcomes by key; not that of a cell that got lost on its way, and failed."""
        try:
            fetched = self._client.gather(finished)
        except import_distributed().scheduler.KilledWorker:
            pass  # a worker ended with its cell's outcome, and so did those that did the cell again
        else:
            return dict(zip([str(one.key) for one in finished], fetched, strict=True))
        return {str(one.key): one.result() for one in finished if one.exception() is None}

    def cancel(self) -> None:
        self._client.cancel(list(self._futures.values()), force=True)


def _place(work: Work, message: Mapping[str, Any]) -> None:
    """Note how far a cell has come, and whether it runs."""
    key = message["cell"]
    if message["at"] == "stopped":
        work.running.pop(key, None)
        return
    work.running[key] = time.monotonic()
    work.begun.add(key)
    if message["at"] == "training":
        here = (message["seed"], message["level"], int(message.get("done", False)),
                message.get("epoch", 0))  # fmt: skip
        work.places[key] = max(work.places.get(key, ()), here)


def _await_stop(work: Work) -> None:
    """Give the cells that run the time to end their MLflow runs."""
    until = time.monotonic() + _STOP_SECONDS
    while work.running and time.monotonic() < until:
        time.sleep(0.1)


def _is_killed(error: BaseException) -> bool:
    distributed = import_distributed()
    return isinstance(error, (distributed.scheduler.KilledWorker,))


def _failure(error: BaseException, future: distributed.Future) -> Failure:
    """Return an error as a sweep tells it; what nobody foresaw has its traceback too."""
    import traceback

    if _is_killed(error):
        return Failure(
            "its worker ended several times without getting any further: out of memory, or killed"
        )
    if isinstance(error, TfpruneError):
        return Failure(" ".join(str(error).split()))
    trace = "".join(traceback.format_exception(type(error), error, future.traceback()))
    return Failure(masked(f"{type(error).__name__}: {reason(error)}"), masked(trace))
