"""`tfprune.sweep`: a grid of experiments, each an ordinary run, on this machine or a cluster."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import RunConfig
from tfprune.errors import InputError
from tfprune.sweeps.cell import Job
from tfprune.sweeps.cluster import import_distributed, local_cluster, running_cluster, size_for
from tfprune.sweeps.grid import Cell
from tfprune.sweeps.plan import Sweep, grid_of, job_of, plan_sweep, shared_dense
from tfprune.sweeps.progress import Progress, Shown
from tfprune.sweeps.record import SweepRecord
from tfprune.sweeps.result import FinishedSweep, SweepCell
from tfprune.sweeps.work import DenseTask, Work, carry_out
from tfprune.tracking import open_store

if TYPE_CHECKING:
    import distributed


def _tell_on_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def sweep(
    config: RunConfig | Mapping[str, Any] | str | Path | None = None,
    *,
    grid: Mapping[str, Any] | None = None,
    zip: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    name: str | None = None,
    experiment: str | None = None,
    tracking_uri: str | None = None,
    folder: str | Path = ".",
    workers: int | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    deterministic: bool = False,
    checkpoint_every: int = 1,
    tell: Callable[[str], None] = _tell_on_stderr,
    progress: bool = True,
    **settings: Any,
) -> FinishedSweep:
    """Return the result of a grid of experiments, each an ordinary run, once all have ended.

    config: what all cells share, as in `tfprune.run`, or the path of a YAML file that also has
        `grid` and `zip`. settings: override those of `config`.
    grid: setting -> its values, a list or a range such as '0..4'; the cells are all combinations.
    zip: setting -> values that change together, or a list of such mappings.
    workers, threads: processes on this machine and threads of each; by default one process per GPU
        or per core. scheduler: the address of a running Dask cluster instead, such as
        'tcp://HOST:8786'; its workers need `folder` under the same path.
    name, experiment, tracking_uri, folder, deterministic, checkpoint_every, tell, progress: as in
        `tfprune.run`.

    Cells that begin with the same dense network train it once. A cell with a finished run of its
    configuration in `folder` is not run again, an interrupted one is resumed. A cell that fails
    does not stop the others: see `FinishedSweep.failed`. After an interrupt, the same call resumes
    the sweep.

    Raises InputError for an invalid grid or settings, where Dask is not installed, and where the
    same sweep is running in another process.

    >>> import tfprune
    >>> tfprune.sweep("digits-quick", grid={"levels": [1, 1]})  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: two cells of the grid are the same experiment: ... and ...
    """
    planned = plan_sweep(
        grid_of(config, grid=grid, together=zip, settings=settings),
        name=name,
        experiment=experiment,
        tracking_uri=tracking_uri,
        folder=folder,
        deterministic=deterministic,
        checkpoint_every=checkpoint_every,
    )
    return run_sweep(
        planned,
        workers=workers,
        threads=threads,
        scheduler=scheduler,
        tell=tell,
        progress=progress,
    )


def run_sweep(
    planned: Sweep,
    *,
    workers: int | None = None,
    threads: int | None = None,
    scheduler: str | None = None,
    tell: Callable[[str], None] = _tell_on_stderr,
    progress: bool = True,
) -> FinishedSweep:
    """Return the result of a planned sweep, after running the cells of it that are missing."""
    import_distributed()
    if scheduler is not None and (workers is not None or threads is not None):
        raise InputError(
            "workers and threads are those of a cluster of this machine's; that of --scheduler has "
            "its own. Leave one of the two out."
        )
    found = planned.found(tell)
    missing = [cell for cell in planned.cells if cell.key not in found.finished]
    done = len(planned.cells) - len(missing)
    with contextlib.ExitStack() as held:
        # MLflow and a new store take seconds of one core: the workers start meanwhile
        opening = held.enter_context(ThreadPoolExecutor(1)).submit(open_store, planned.location)
        cluster = None
        if missing:
            cluster = held.enter_context(_cluster(planned, missing, workers, threads, scheduler))
        record = held.enter_context(SweepRecord.opened(planned, opening.result(), tell))
        if done:
            tell(f"{done} of {len(planned.cells)} cells are done already.")
        work = Work()
        if cluster is not None:
            jobs = [job_of(planned, cell, found.begun.get(cell.key, ())) for cell in missing]
            tasks = shared_dense(planned, jobs)
            started = time.monotonic()
            cluster.introduce(len(missing), tell)
            try:
                with _progress(planned, jobs, tasks, cluster, progress) as view:
                    work = carry_out(
                        cluster.client, planned.key, jobs, tasks, view, keep=record.note_outcome
                    )
            except KeyboardInterrupt:
                tell("Nothing is lost: the same command resumes the sweep.")
                raise
            record.note_end(work, seconds=time.monotonic() - started)
        cells = tuple(
            SweepCell(
                key=cell.key,
                label=cell.label,
                settings=dict(cell.settings),
                run=found.finished.get(cell.key) or _run_of(work, cell.key),
                error=work.failed[cell.key].message if cell.key in work.failed else None,
            )
            for cell in planned.cells
        )
        result = FinishedSweep(
            key=planned.key,
            name=record.name,
            cells=cells,
            root=planned.root,
            location=planned.location,
            steps=record.steps,
            undelivered=sum(outcome.undelivered for outcome in work.done.values()),
        )
        run_id = record.finish(result)
    return result.logged_as(run_id)


def _run_of(work: Work, key: str) -> str | None:
    return work.done[key].run if key in work.done else None


@dataclass(frozen=True)
class _Cluster:
    """What the cells run on: its name for people, how many workers, and what is to be known."""

    client: distributed.Client
    name: str
    n_workers: int
    remarks: tuple[str, ...] = ()

    def introduce(self, n_cells: int, tell: Callable[[str], None]) -> None:
        """Tell what it is and where it can be watched."""
        for remark in self.remarks:
            tell(remark)
        tell(f"{n_cells} cells on {self.name}. Dashboard: {self.client.dashboard_link}")


@contextlib.contextmanager
def _cluster(
    planned: Sweep,
    cells: Sequence[Cell],
    workers: int | None,
    threads: int | None,
    scheduler: str | None,
) -> Iterator[_Cluster]:
    """Yield the cluster that the cells run on."""
    if scheduler is None:
        size = size_for(len(cells), workers=workers, threads=threads)
        log = planned.folder / "workers.log"
        with local_cluster(size, log=log, preload=True) as client:
            yield _Cluster(client, str(size), size.workers)
        return
    with running_cluster(scheduler) as client:
        held = client.nthreads()
        remarks = []
        if not held:
            remarks.append("The cluster has no worker yet: cells begin when one comes.")
        if any(n > 1 for n in held.values()):
            remarks.append(
                "A worker takes one cell at a time, whatever its threads: start workers with "
                "'--nthreads 1 --nworkers N'."
            )
        yield _Cluster(client, scheduler, max(1, len(held)), tuple(remarks))


@contextlib.contextmanager
def _progress(
    planned: Sweep,
    jobs: Sequence[Job],
    tasks: Sequence[DenseTask],
    cluster: _Cluster,
    is_shown: bool,
) -> Iterator[Progress]:
    labels = {job.key: job.label for job in jobs}
    labels |= {task.key: f"dense network of seed {task.seed}" for task in tasks}
    shown = Shown(
        labels=labels,
        n_cells=len(planned.cells),
        n_done=len(planned.cells) - len(jobs),
        n_workers=cluster.n_workers,
        dashboard=str(cluster.client.dashboard_link),
    )
    progress = Progress(shown, quiet=not is_shown)
    try:
        yield progress
    finally:
        progress.stop()
