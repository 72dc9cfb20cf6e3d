"""Sums of augmented cross-products over chunks of rows, on all cores.

How sums are split never depends on the machine, and their parts are added in order, so the same
rows give the same bits however many threads there are and whichever finishes first.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import TypeVar

import numpy as np
from threadpoolctl import ThreadpoolController

from tfprune.similarity.arrays import Array
from tfprune.similarity.moments import augment

#: up to this joint width BLAS gains little from threads, so chunks run in threads of ours
NARROW = 1024

#: parts into which a long sum is cut, so that as many cores have work
PARTS = 8

_TILE = 512  # columns; wide products are taken tile by tile, each in one thread


def chunk_rows(width: int) -> int:
    """Return how many rows of `width` float64 are worked on at once: they stay in cache."""
    budget = (2 << 20) if width < NARROW else (32 << 20)
    return int(np.clip(budget // (8 * width), 256, 16384))


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
    workers = max(1, min(os.cpu_count() or 1, len(tasks), at_most))
    with single_threaded_blas(), ThreadPoolExecutor(workers) as pool:
        return list(pool.map(work, tasks))


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


def joint_moments(x: Array, y: Array, shift_x: Array, shift_y: Array, dtype: type) -> Array:
    """Return Z'Z, (d1+d2+4, d1+d2+4) float64, of Z = [x augmented | y augmented].

    One symmetric product gives both layers' own moments and their cross-moments. Chunks are
    multiplied in `dtype` and summed in float64.
    """
    wx, wy = x.shape[1] + 2, y.shape[1] + 2
    width = wx + wy
    step = chunk_rows(width)
    if width >= NARROW:  # the sums are large too: add to them seldom
        step = max(step, min(16 * width // np.dtype(dtype).itemsize, 16384))
    n = x.shape[0]
    step = -(-n // -(-n // step))  # chunks of one size

    def work(starts: range) -> Array:
        total = np.zeros((width, width))
        product = np.empty((width, width), dtype)
        buffer = np.empty((min(step, n), width), dtype)
        for start in starts:
            z = buffer[: min(step, n - start)]
            augment(x[start : start + step], shift_x, z[:, :wx])
            augment(y[start : start + step], shift_y, z[:, wx:])
            np.matmul(z.T, z, out=product)
            total += product
        return total

    parts = 1 if width >= NARROW or n < 4 * step else min(PARTS, -(-n // step))
    tasks = [range(k * step, n, parts * step) for k in range(parts)]
    totals = run_tasks(tasks, work, threaded=parts > 1)
    return np.asarray(sum(totals[1:], totals[0]))
