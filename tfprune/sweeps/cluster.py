"""Dask's clusters: one on this machine, sized to it, or one that is running already."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError
from tfprune.runs.doctor import cards
from tfprune.sweeps.worker import LOG_VARIABLE, PRELOAD_VARIABLE

if TYPE_CHECKING:
    import distributed

#: GiB that a worker takes for TensorFlow, MLflow and a small network
MEMORY_OF_WORKER = 1.5
_CONNECT_SECONDS = 20


@dataclass(frozen=True)
class Size:
    """A cluster on this machine: so many workers of so many threads each, on GPUs where given."""

    workers: int
    threads: int
    gpus: int = 0

    def __str__(self) -> str:
        text = f"{_counted(self.workers, 'worker')} of {_counted(self.threads, 'thread')}"
        return f"{text}, one on each GPU" if self.gpus else text


def _counted(n: int, noun: str) -> str:
    return f"{n} {noun}{'s' * (n != 1)}"


def size_for(
    n_cells: int,
    *,
    workers: int | None = None,
    threads: int | None = None,
    n_cores: int | None = None,
    memory: float | None = None,
    n_gpus: int | None = None,
) -> Size:
    """Return the size of a cluster on this machine.

    One worker per GPU where there are GPUs; else one per core with one thread each, as far as
    memory (GiB available) and the number of cells go: a small network gains little from a second
    thread, and cells gain all of a second core. Threads are what the cores have left for each
    worker. `workers` and `threads` fix either.
    """
    cores = n_cores or len(os.sched_getaffinity(0))
    gpus = len(cards()) if n_gpus is None else n_gpus
    if workers is None:
        if gpus:
            most = gpus
        else:
            available = _available_memory() if memory is None else memory
            fit = max(1, int(available / MEMORY_OF_WORKER))
            most = min(cores // (threads or 1), fit)
        workers = max(1, min(most, n_cells))
    return Size(workers, threads or max(1, cores // workers), gpus)


def _available_memory() -> float:
    import psutil

    return float(psutil.virtual_memory().available) / 2**30


def environments(
    size: Size, *, log: Path | None = None, preload: bool = False
) -> list[dict[str, str]]:
    """Return the environment of each worker: its share of the cores, and its GPU.

    TensorFlow, BLAS and tfprune's own threads each take as many cores as they see otherwise. What
    workers write to stdout and stderr goes to `log`; `preload`: see `local_cluster`.
    """
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")
    shared = {name: str(size.threads) for name in names}
    shared |= {LOG_VARIABLE: str(log)} if log is not None else {}
    shared |= {PRELOAD_VARIABLE: "yes"} if preload else {}
    visible = [one for one in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if one]
    gpus = visible or [str(index) for index in range(size.gpus)]
    return [
        shared | ({"CUDA_VISIBLE_DEVICES": gpus[at % len(gpus)]} if size.gpus else {})
        for at in range(size.workers)
    ]


@contextlib.contextmanager
def local_cluster(
    size: Size, *, log: Path | None = None, preload: bool = False
) -> Iterator[distributed.Client]:
    """Yield a client of a cluster of this machine's, which ends with the block.

    Workers end with this process, however it ends. Each works on one cell at a time, and writes
    what TensorFlow says to `log`, as soon as the folder of that file is there. With `preload` they
    import TensorFlow and MLflow while they wait for their first cell.
    """
    distributed = import_distributed()
    import dask

    settings = {
        # a worker that was killed is started again, however long that takes: after this time the
        # cluster would give it up for good
        "distributed.deploy.lost-worker-timeout": "1 day",
        # cells are told apart by how far they come, see `sweep`
        "distributed.scheduler.allowed-failures": 3,
        # a worker that traces a large network may not answer for long
        "distributed.scheduler.worker-ttl": "15 minutes",
        "distributed.worker.profile.enabled": False,
        "distributed.admin.tick.limit": "1 hour",  # TensorFlow holds Python for seconds
        # a worker's death is told by the sweep, in its own words
        "distributed.logging": {"distributed": "critical", "bokeh": "critical"},
        "distributed.comm.timeouts.connect": "60s",
        "distributed.comm.timeouts.tcp": "300s",
    }
    with dask.config.set(settings):
        _quiet()
        workers = {
            at: {"cls": distributed.Nanny,
                 "options": {"nthreads": 1, "env": environment, "memory_limit": 0,
                             "dashboard_address": None, "silence_logs": 50,
                             "preload": ["tfprune.sweeps.worker"]}}
            for at, environment in enumerate(environments(size, log=log, preload=preload))
        }  # fmt: skip
        scheduler = {
            "cls": distributed.Scheduler,
            "options": {"host": "127.0.0.1", "dashboard": True, "dashboard_address": "127.0.0.1:0"},
        }
        cluster = distributed.SpecCluster(workers, scheduler, silence_logs=50, name="tfprune")
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield client


@contextlib.contextmanager
def running_cluster(address: str) -> Iterator[distributed.Client]:
    """Yield a client of the scheduler at `address`, such as tcp://HOST:8786.

    Raises InputError where none answers.
    """
    distributed = import_distributed()
    _quiet()
    try:
        client = distributed.Client(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise InputError(
            f"no Dask scheduler answers at {address}: {str(error).splitlines()[0]}. Start one with "
            "'dask scheduler' and give its address, such as tcp://HOST:8786."
        ) from error
    with client:
        yield client


def _quiet() -> None:
    import logging

    for name in ("distributed", "bokeh", "tornado"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def import_distributed() -> Any:
    """Return Dask's `distributed`; raises InputError where the extra is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise InputError(
            "sweeps run on Dask, which is not installed. Install it with: pip install "
            "'tfprune[sweep]'"
        ) from error
    return distributed
