"""Work on all cores whose bits don't depend on how many there are.

How sums are split never depends on the machine, and their parts are added in order, so the same
rows give the same bits however many threads there are and whichever finishes first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any, Generic, TypeVar, overload

import numpy as np
from threadpoolctl import ThreadpoolController

from tfprune.similarity.arrays import Array

#: up to this joint width BLAS gains little from threads, so chunks run in threads of ours
NARROW = 1024

#: parts into which a long sum is cut, so that as many cores have work
PARTS = 8

_TILE = 512  # columns; wide products are taken tile by tile, each in one thread


def chunk_rows(width: int) -> int:
    """Return how many rows of `width` float64 are worked on at once: they stay in cache."""
    budget = (2 << 20) if width < NARROW else (32 << 20)
    return int(np.clip(budget // (8 * width), 256, 16384))


def n_cores() -> int:
    """Return among how many cores work is shared: those of the machine, or OMP_NUM_THREADS.

    Who runs several processes side by side says by that variable how many each of them gets.
    """
    told = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    cores = os.cpu_count() or 1
    return min(cores, int(told)) if told.isdigit() and int(told) > 0 else cores


Task = TypeVar("Task")
Result = TypeVar("Result")


@cache
def _controller() -> ThreadpoolController:
    return ThreadpoolController()  # looks through all loaded libraries: once is enough


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Hold BLAS to one thread while threads of ours run."""
    with _controller().limit(limits=1, user_api="blas"):
        yield


def blas_threads(width: int) -> AbstractContextManager[None]:
    """Hold BLAS to one thread for problems too small to share, which it would only slow down."""
    return single_threaded_blas() if width <= 128 else nullcontext()


def run_tasks(
    tasks: Sequence[Task], work: Callable[[Task], Result], *, threaded: bool, at_most: int = 64
) -> list[Result]:
    """Return what `work` makes of every task, in their order.

    When `threaded`, on all cores, in `at_most` threads.
    """
    if not threaded or len(tasks) < 2:
        return [work(task) for task in tasks]
    workers = max(1, min(n_cores(), len(tasks), at_most))
    with single_threaded_blas(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, tasks))


class Helpers:
    """Threads that take parts of the work on one pair of layers; without any, its own does it.

    For use in a `with` block, in which BLAS is to be held to one thread. Tasks must not hand out
    tasks themselves: all threads might wait for one.
    """

    def __init__(self, n: int) -> None:
        self._pool = ThreadPoolExecutor(n) if n > 1 else None

    def __enter__(self) -> Helpers:
        return self

    def __exit__(self, *error: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, tasks: Sequence[Task], work: Callable[[Task], Result]) -> list[Result]:
        """Return what `work` makes of every task, in their order."""
        if self._pool is None or len(tasks) < 2:
            return [work(task) for task in tasks]
        return list(self._pool.map(work, tasks))


class computed_once(Generic[Result]):  # noqa: N801 (a decorator)
    """A property that is computed when it is first asked for, as `functools.cached_property`.

    Before Python 3.12 that one holds a lock that all objects of a class share, so that threads
    which whiten different layers would wait for each other. Two threads that ask the same object
    at the same time may both compute.
    """

    def __init__(self, compute: Callable[[Any], Result]) -> None:
        self._compute = compute
        self.__doc__ = compute.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self._name = name

    @overload
    def __get__(self, instance: None, owner: type) -> computed_once[Result]: ...

    @overload
    def __get__(self, instance: object, owner: type) -> Result: ...

    def __get__(self, instance: object | None, owner: type) -> computed_once[Result] | Result:
        if instance is None:
            return self
        found = self._compute(instance)
        vars(instance)[self._name] = found  # from now on found before this is asked
        return found


def tiled_product(left: Array, right: Array, out: Array) -> Array:
    """Write left' right, (d1, d2), of float64 rows (n, d1) and (n, d2) into `out` and return it.

    Tile by tile on all cores, each by BLAS in one thread: BLAS's own threads would make the last
    bits depend on their number. Where both are one array, only half of the tiles are multiplied.
    """
    symmetric = left is right
    rows, columns = (range(0, side.shape[1], _TILE) for side in (left, right))
    tiles = [(i, j) for i in rows for j in columns if i <= j or not symmetric]

    def work(tile: tuple[int, int]) -> None:
        i, j = (slice(start, start + _TILE) for start in tile)
        np.matmul(left[:, i].T, right[:, j], out=out[i, j])
        if symmetric and i != j:
            out[j, i] = out[i, j].T

    run_tasks(tiles, work, threaded=True)
    return out
