"""Sums of augmented cross-products over chunks of rows, on all cores."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
from threadpoolctl import ThreadpoolController

from tfprune.similarity.arrays import Array
from tfprune.similarity.moments import augment

#: up to this joint width BLAS gains little from threads, so chunks run in threads of ours
NARROW = 1024


def chunk_rows(width: int) -> int:
    """Return how many rows of `width` float64 are worked on at once: they stay in cache."""
    budget = (2 << 20) if width < NARROW else (32 << 20)
    return int(np.clip(budget // (8 * width), 256, 16384))


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


def run_tasks(tasks: list[Any], work: Callable[[Any], None], *, threaded: bool) -> None:
    """Call `work` on every task, on all cores when `threaded`."""
    workers = min(os.cpu_count() or 1, len(tasks))
    if not threaded:
        for task in tasks:
            work(task)
        return
    with single_threaded_blas(), ThreadPoolExecutor(workers) as pool:
        for _ in pool.map(work, tasks):
            pass


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
    totals: list[Array] = []

    def work(starts: range) -> None:
        total = np.zeros((width, width))
        product = np.empty((width, width), dtype)
        buffer = np.empty((min(step, n), width), dtype)
        for start in starts:
            z = buffer[: min(step, n - start)]
            augment(x[start : start + step], shift_x, z[:, :wx])
            augment(y[start : start + step], shift_y, z[:, wx:])
            np.matmul(z.T, z, out=product)
            total += product
        totals.append(total)

    workers = 1 if width >= NARROW or n < 4 * step else os.cpu_count() or 1
    tasks = [range(k * step, n, workers * step) for k in range(workers)]
    run_tasks(tasks, work, threaded=workers > 1)
    return np.asarray(sum(totals[1:], totals[0]))
