"""What stands between Dask's workers and a cell: messages, cancelling, and a worker's start."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tfprune.collecting import collect_seldom
from tfprune.errors import InputError
from tfprune.sweeps.cell import Job, Outcome, run_cell, train_shared

if TYPE_CHECKING:
    import distributed

#: names the file that takes what a worker of this machine's cluster writes to stdout and stderr
LOG_VARIABLE = "TFPRUNE_WORKER_LOG"
#: is set where such a worker imports TensorFlow and MLflow while it waits for its first cell
PRELOAD_VARIABLE = "TFPRUNE_WORKER_PRELOAD"

_preloading: list[threading.Thread] = []
_preloaded: list[float] = []  # in so many seconds, which belong to the first cell


def topic_of(sweep: str) -> str:
    """Return the topic under which Dask carries the messages of a sweep's cells."""
    return f"tfprune-{sweep}"


def cell_on_worker(job: Job) -> Outcome:
    """Run a cell within a Dask task."""
    say, is_cancelled = _within_task(job.sweep)
    return _with_start(run_cell(job, say=say, is_cancelled=is_cancelled))


def dense_on_worker(job: Job, seed: int, folder: str) -> Outcome:
    """Train a dense network that cells share within a Dask task."""
    say, is_cancelled = _within_task(job.sweep)
    return _with_start(train_shared(job, seed, folder, say=say, is_cancelled=is_cancelled))


def _with_start(outcome: Outcome) -> Outcome:
    """Return the outcome with the seconds of the imports, which a run by itself would have had."""
    start = sum(_preloaded)
    _preloaded.clear()
    return dataclasses.replace(outcome, seconds=outcome.seconds + start)


def _within_task(sweep: str) -> tuple[Callable[[dict[str, Any]], None], Callable[[], bool]]:
    import distributed

    for thread in _preloading:  # what two threads import at once may be there by half
        thread.join()
    write_to_log()  # after it, for it sets stderr aside and back
    worker = distributed.get_worker()
    key = worker.get_current_task()
    topic, address = topic_of(sweep), str(worker.address)

    def say(message: dict[str, Any]) -> None:
        worker.log_event(topic, {**message, "worker": address, "pid": os.getpid()})

    def is_cancelled() -> bool:
        task = worker.state.tasks.get(key)
        return task is None or task.state == "cancelled"

    return say, is_cancelled


def dask_setup(worker: distributed.Worker) -> None:
    """Start a worker of this machine's cluster: its output goes to a file, Ctrl-C to the sweep."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)  # the terminal sends them to every process
    write_to_log()
    collect_seldom()
    if PRELOAD_VARIABLE in os.environ:
        _preloading.append(threading.Thread(target=_preload, daemon=True))
        _preloading[0].start()


def write_to_log() -> None:
    """Send what this worker writes to its file, as soon as the sweep has made the folder."""
    log = os.environ.get(LOG_VARIABLE)
    if log and os.path.isdir(os.path.dirname(log)):
        opened = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        os.dup2(opened, 1)
        os.dup2(opened, 2)
        os.close(opened)
        del os.environ[LOG_VARIABLE]


def _preload() -> None:
    from tfprune.tracking.client import import_mlflow
    from tfprune.training.backend import load_tensorflow

    began = time.monotonic()
    with contextlib.suppress(InputError):  # the cell will meet it again, and say it
        load_tensorflow()
    import_mlflow()
    _preloaded.append(time.monotonic() - began)
