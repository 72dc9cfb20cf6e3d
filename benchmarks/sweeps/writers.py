"""Eight processes that log to one MLflow store at once: how fast, and whether all of it arrives.

Each logs what a sweep's cell does, in the way a cell does: through the journal of a folder of its
own. Nothing is trained in between, so that the store is what they wait for. They log twice: "in
bulk", as fast as the journal goes, so that one call carries up to 1,000 points, and "by epoch",
where each waits until the store has an epoch's five points before it logs the next.

What is in the store afterwards is read from the database itself, not through MLflow.
"""

from __future__ import annotations

import contextlib
import dataclasses
import multiprocessing
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from benchmarks.sweeps.postgres import postgres

N_WRITERS = 8
_QUERY = (
    "select tags.value, metrics.key, metrics.step, metrics.value from metrics "
    "join tags on tags.run_uuid = metrics.run_uuid where tags.key = 'tfprune.key'"
)
_WAIT = 600.0  # seconds that one writer may take
_EPOCH = ("loss/training", "accuracy/training", "loss/validation", "accuracy/validation", "rate")

Row = tuple[str, str, int, float]  # key of the run, metric, step, value


@dataclasses.dataclass(frozen=True)
class Amount:
    """How much one writer logs: runs of levels under one parent, epochs of five points each.

    `name` begins the keys of its runs. In `bulk` a writer waits for the store at the end only.
    """

    name: str
    levels: int
    epochs: int
    is_bulk: bool
    of_level: int = 60  # points once a level, as of four measures and some layers

    def key(self, writer: int) -> str:
        """Return the key of a writer's parent run."""
        return f"{self.name}{writer}"

    def rows(self, writer: int) -> Iterator[tuple[str, int, dict[str, float]]]:
        """Yield what a writer logs, in order: the key of a run, the step, the points."""
        for level in range(self.levels):
            key = f"{self.key(writer)}-s0-l{level}"
            for epoch in range(self.epochs):
                value = writer + level / 8 + epoch / 4096
                yield key, epoch, {name: value + at for at, name in enumerate(_EPOCH)}
            yield key, level, {f"cka/{n:02d}": writer + n / 64 for n in range(self.of_level)}

    def points(self) -> Counter[Row]:
        """Return what the store should hold of all writers in the end."""
        return Counter(
            (key, name, step, value)
            for writer in range(N_WRITERS)
            for key, step, values in self.rows(writer)
            for name, value in values.items()
        )


@dataclasses.dataclass(frozen=True)
class Rate:
    """How many points a store took, in what time of the slowest writer, and what that computed.

    `own` are processor seconds of all writers, `server` those of the database's processes.
    """

    n_points: int
    seconds: float
    own: float
    server: float

    @property
    def per_second(self) -> float:
        """Points per second of all writers together."""
        return self.n_points / self.seconds


def write(uri: str, folder: str, writer: int, amount: Amount, barrier: Any) -> tuple[float, float]:
    """Log one writer's share once all are ready; return seconds until the store had it, and own."""
    from tfprune.tracking import open_store, resolve_store

    store = open_store(resolve_store(uri, folder=folder))
    told: list[str] = []
    recorder = store.record(Path(folder) / amount.key(writer), on_gap=told.append)
    barrier.wait(_WAIT)
    started, computed = time.monotonic(), time.process_time()
    with recorder:
        parent = recorder.start_run(amount.key(writer), key=amount.key(writer))
        runs: dict[str, Any] = {}
        for key, step, values in amount.rows(writer):
            if key not in runs:
                runs[key] = recorder.start_run(key, key=key, parent=parent, params={"seed": writer})
            runs[key].log_metrics(values, step=step)
            if not amount.is_bulk:
                _flush(recorder)
        for run in (*runs.values(), parent):
            run.finish()
        _flush(recorder)
        seconds = time.monotonic() - started, time.process_time() - computed
    if told:
        print(f"writer {writer} was told: {' '.join(told)}", flush=True)
    return seconds


def _flush(recorder: Any) -> None:
    """Wait until the store has all, through the gaps that it makes."""
    until = time.monotonic() + _WAIT
    while recorder.flush(timeout=30).left:
        if time.monotonic() > until:
            raise RuntimeError("the store did not take the points in time")


class Database(Protocol):
    """A store as the writers and the count afterwards need it."""

    uri: str

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, asked without MLflow."""

    def cpu_seconds(self) -> float:
        """Return the processor seconds of the database's own processes until now."""


class Sqlite:
    """A SQLite file, which has no process of its own."""

    def __init__(self, path: Path) -> None:
        self._path, self.uri = path, f"sqlite:///{path}"

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self._path)) as database:
            return database.execute(sql).fetchall()

    def cpu_seconds(self) -> float:
        return 0.0


def write_at_once(database: Database, folder: Path, amounts: Sequence[Amount]) -> list[Rate]:
    """Have eight writers log each amount to a store at once; return how fast it took each.

    Raises RuntimeError where the store lacks a point in the end, or holds one twice.
    """
    from tfprune.tracking import open_store, resolve_store

    folder.mkdir(parents=True, exist_ok=True)
    # its tables, as a sweep makes them before its cells begin
    open_store(resolve_store(database.uri, folder=folder))
    processes = multiprocessing.get_context("forkserver")
    # imported once, in the process that all writers are copies of
    processes.set_forkserver_preload(["mlflow.store.tracking.sqlalchemy_store", "tfprune.tracking"])
    rates = []
    with processes.Manager() as manager, processes.Pool(N_WRITERS) as pool:
        for amount in amounts:
            barrier, before = manager.Barrier(N_WRITERS), database.cpu_seconds()
            asked = [
                pool.apply_async(write, (database.uri, str(folder), writer, amount, barrier))
                for writer in range(N_WRITERS)
            ]
            took = [one.get(2 * _WAIT) for one in asked]
            rates.append(
                Rate(
                    n_points=amount.points().total(),
                    seconds=max(seconds for seconds, _ in took),
                    own=sum(own for _, own in took),
                    server=database.cpu_seconds() - before,
                )
            )
    expected = sum((amount.points() for amount in amounts), Counter[Row]())
    found: Counter[Row] = Counter(
        (key, name, int(step), float(value))
        for key, name, step, value in database.query(_QUERY)
        if key.startswith(tuple(amount.name for amount in amounts))
    )
    lost, more = (expected - found).total(), (found - expected).total()
    if lost or more:
        raise RuntimeError(f"of {expected.total()} points {lost} are lost; {more} are one too many")
    return rates


@contextlib.contextmanager
def sqlite(folder: Path) -> Iterator[Database]:
    """Yield a SQLite store in a folder."""
    yield Sqlite(folder / "mlruns" / "mlflow.db")


@contextlib.contextmanager
def server(folder: Path) -> Iterator[Database]:
    """Yield a PostgreSQL store on a server of its own."""
    with postgres() as started:
        yield started


STORES = {"PostgreSQL": server, "SQLite": sqlite}
BULK = Amount("bulk", levels=6, epochs=100, is_bulk=True)
BY_EPOCH = Amount("epochs", levels=2, epochs=20, is_bulk=False)


def writers(amounts: Sequence[Amount] = (BULK, BY_EPOCH)) -> dict[str, float]:
    """Print and return the points per second that each store takes of eight writers at once.

    Raises RuntimeError where a point is lost, or in the store twice.
    """
    found: dict[str, float] = {}
    for name, opened in STORES.items():
        with tempfile.TemporaryDirectory() as temporary, opened(Path(temporary)) as database:
            rates = write_at_once(database, Path(temporary), amounts)
        for amount, rate in zip(amounts, rates, strict=True):
            how = "in bulk" if amount.is_bulk else "epoch by epoch"
            print(
                f"{name}, {N_WRITERS} writers, {how}: {rate.n_points:,} points in "
                f"{rate.seconds:.1f} s, {rate.per_second:,.0f} per second, each in the store once; "
                f"computed per point: {1000 * rate.own / rate.n_points:.2f} ms by the writers"
                + (
                    f", {1000 * rate.server / rate.n_points:.2f} ms by the server"
                    * (rate.server > 0)
                ),
                flush=True,
            )
            key = f"{name.lower()}_{amount.name}"
            found[f"{key}_per_s"] = rate.per_second
            found[f"{key}_writers_ms"] = 1000 * rate.own / rate.n_points
            found[f"{key}_server_ms"] = 1000 * rate.server / rate.n_points
    return found
