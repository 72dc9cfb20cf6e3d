"""Streamed moments of many layers: one pass, O(d^2) memory, kept per block of images."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.moments import augment, first_shift, move_shift
from tfprune.similarity.parallel import NARROW, PARTS, chunk_rows, run_tasks, tiled_product


class Key(NamedTuple):
    """A layer of one of the two networks: side `a` or `b`, and its name."""

    side: str
    layer: str


KeyPair = tuple[Key, Key]

#: layers linked by pairs: those of side a, those of side b
Group = tuple[set[Key], set[Key]]


class Piece(NamedTuple):
    """Consecutive images [start, stop) of a batch that belong to one block."""

    start: int
    stop: int
    block: int


@dataclass
class Sums:
    """Moments of the layers of one group and their pairs, to which rows are added."""

    within: dict[Key, Array]
    between: dict[KeyPair, Array]


class Task(NamedTuple):
    """Stretches of rows [start, stop) of the layers of one group, all of one block."""

    group: Group
    block: int
    stretches: list[tuple[int, int]]


class StreamedMoments:
    """Augmented moments of chosen layers and pairs, for each of `n_blocks` blocks of images.

    `within[key]` is (n_blocks, d+2, d+2), `between[pair]` (n_blocks, d1+2, d2+2), both about
    `shifts[key]`, a point near the mean that the first rows decide. Stores of disjoint images
    merge exactly. With `cross_only` the layers' own moments are left out. Stores that are filled
    in turn may share `scratch`, which outlives a batch: memory touched before is quicker.
    """

    def __init__(
        self,
        pairs: Iterable[KeyPair],
        *,
        n_blocks: int = 1,
        cross_only: bool = False,
        scratch: threading.local | None = None,
    ) -> None:
        self.pairs = list(dict.fromkeys(pairs))
        self.n_blocks = n_blocks
        self.cross_only = cross_only
        self.shifts: dict[Key, Array] = {}
        self.widths: dict[Key, int] = {}
        self.within: dict[Key, Array] = {}
        self.between: dict[KeyPair, Array] = {}
        self._shared = scratch
        self._scratch = scratch or threading.local()

    def add(
        self, rows: Mapping[Key, Array], per_image: Mapping[Key, int], pieces: list[Piece]
    ) -> None:
        """Add one batch: rows[key] is (n_images * per_image[key], d), split into `pieces`."""
        self._scratch = self._shared or threading.local()
        try:
            self._add(rows, per_image, pieces)
        finally:
            self._scratch = self._shared or threading.local()  # its own is let go

    def _add(
        self, rows: Mapping[Key, Array], per_image: Mapping[Key, int], pieces: list[Piece]
    ) -> None:
        for key, values in rows.items():
            if key not in self.shifts:
                self._open(key, values)
        for pair in self.pairs:
            if pair not in self.between:
                shape = (self.n_blocks, *(self.widths[key] for key in pair))
                self.between[pair] = np.zeros(shape)
        groups = self._groups()
        wide = any(sum(self.widths[k] for k in a | b) >= NARROW for a, b in groups)
        tasks = [task for group in groups for task in _tasks(group, per_image, pieces)]
        if wide or len(tasks) >= PARTS:  # no two tasks add to the same sums
            run_tasks(
                tasks,
                lambda task: self._add_rows(rows, task, self._block(task), wide=wide),
                threaded=not wide,
            )
            return
        parts = [part for task in tasks for part in _cut(task)]
        partial = run_tasks(parts, lambda part: self._partial_sums(rows, part), threaded=True)
        for part, sums in zip(parts, partial, strict=True):  # in order: the bits stay the same
            _add(sums, to=self._block(part))

    @property
    def nbytes(self) -> int:
        """Return the bytes of all moments."""
        return sum(part.nbytes for part in (*self.within.values(), *self.between.values()))

    def _block(self, task: Task) -> Sums:
        """Return the sums of the task's block, to be added to in place."""
        pairs = [p for p in self.pairs if p[0] in task.group[0]]
        return Sums(
            {k: self.within[k][task.block] for k in self.within if k in task.group[k.side == "b"]},
            {pair: self.between[pair][task.block] for pair in pairs},
        )

    def _partial_sums(self, rows: Mapping[Key, Array], task: Task) -> Sums:
        """Return the sums over the task's rows alone."""
        block = self._block(task)
        sums = Sums(
            {key: np.zeros_like(value) for key, value in block.within.items()},
            {pair: np.zeros_like(value) for pair, value in block.between.items()},
        )
        self._add_rows(rows, task, sums, wide=False)
        return sums

    def _open(self, key: Key, values: Array) -> None:
        self.shifts[key] = first_shift(values).astype(np.float64)
        width = self.widths[key] = values.shape[1] + 2
        if not self.cross_only:
            self.within[key] = np.zeros((self.n_blocks, width, width))

    def _groups(self) -> list[Group]:
        """Return the connected parts of the pairs' graph, as (keys on side a, keys on side b)."""
        groups: list[Group] = []
        for a, b in self.pairs:
            touching = [g for g in groups if a in g[0] or b in g[1]]
            merged: Group = ({a}, {b})
            for group in touching:
                groups.remove(group)
                merged = (merged[0] | group[0], merged[1] | group[1])
            groups.append(merged)
        return groups

    def _add_rows(self, rows: Mapping[Key, Array], task: Task, to: Sums, *, wide: bool) -> None:
        group = task.group
        keys = [k for side in group for k in self.widths if k in side]
        edges = np.concatenate([[0], np.cumsum([self.widths[k] for k in keys])])
        spans = {k: slice(edges[i], edges[i + 1]) for i, k in enumerate(keys)}
        pairs = list(to.between)
        n_left = sum(self.widths[k] for k in group[0])
        longest = max(1, *(stop - start for start, stop in task.stretches))
        step = min(chunk_rows(int(edges[-1])), longest)
        buffer = self._buffer(step, int(edges[-1]))
        joint = len(keys) == 2 and not self.cross_only
        complete = len(pairs) == len(group[0]) * len(group[1])
        for first, last in _chunks(task.stretches, step):
            z = buffer[: last - first]
            for key, span in spans.items():
                augment(rows[key][first:last], self.shifts[key], z[:, span])
            if joint:
                product = _product(z, z, wide)
                own = {k: product[spans[k], spans[k]] for k in keys}
                crosses = {p: product[spans[p[0]], spans[p[1]]] for p in pairs}
            else:
                sides = {k: z[:, span] for k, span in spans.items()}
                own = {k: _product(sides[k], sides[k], wide) for k in to.within}
                if complete:
                    product = _product(z[:, :n_left], z[:, n_left:], wide)
                    crosses = {
                        (a, b): product[spans[a], _moved(spans[b], -n_left)] for a, b in pairs
                    }
                else:
                    crosses = {p: _product(sides[p[0]], sides[p[1]], wide) for p in pairs}
            _add(Sums(own, crosses), to=to)

    def _buffer(self, rows: int, width: int) -> Array:
        """Return this thread's (rows, width) scratch."""
        buffer: Array | None = getattr(self._scratch, "buffer", None)
        if buffer is None or buffer.size < rows * width:
            buffer = self._scratch.buffer = np.empty(rows * width)
        return buffer[: rows * width].reshape(rows, width)

    def merge(self, other: StreamedMoments) -> None:
        """Add the images of another store of the same pairs and blocks, exactly."""
        for key, shift in other.shifts.items():
            if key not in self.shifts:
                self.shifts[key], self.widths[key] = shift, other.widths[key]
        for key, theirs in other.within.items():
            if key not in self.within:
                self.within[key] = np.zeros_like(theirs)
            delta = other.shifts[key] - self.shifts[key]
            self.within[key] += move_shift(theirs, delta, delta)
        for pair, cross in other.between.items():
            if pair not in self.between:
                self.between[pair] = np.zeros_like(cross)
            left, right = (other.shifts[k] - self.shifts[k] for k in pair)
            self.between[pair] += move_shift(cross, left, right)


def _moved(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)


def _add(sums: Sums, *, to: Sums) -> None:
    for key, value in sums.within.items():
        to.within[key] += value
    for pair, value in sums.between.items():
        to.between[pair] += value


def _product(left: Array, right: Array, wide: bool) -> Array:
    if not wide:
        return np.asarray(left.T @ right)
    return tiled_product(left, right, np.empty((left.shape[1], right.shape[1])))


def _tasks(group: Group, per_image: Mapping[Key, int], pieces: list[Piece]) -> list[Task]:
    """Return a task for each block that has pieces, in the order in which they come."""
    count = per_image[next(iter(group[0]))]
    tasks: dict[int, Task] = {}
    for piece in pieces:
        task = tasks.setdefault(piece.block, Task(group, piece.block, []))
        task.stretches.append((piece.start * count, piece.stop * count))
    return list(tasks.values())


def _cut(task: Task) -> list[Task]:
    """Return the task cut into at most `PARTS`, of at least 1024 rows each, stretch by stretch."""
    total = sum(stop - start for start, stop in task.stretches)
    parts = max(1, min(PARTS, total // 1024))
    length = max(1, -(-total // parts))
    return [
        task._replace(stretches=[stretch])
        for start, stop in task.stretches
        for stretch in _chunks([(start, stop)], length)
    ]


def _chunks(stretches: list[tuple[int, int]], length: int) -> list[tuple[int, int]]:
    """Return the stretches cut into chunks of at most so many rows."""
    return [
        (first, min(first + length, stop))
        for start, stop in stretches
        for first in range(start, stop, length)
    ]


#: images per block piece where the number of images isn't known beforehand
RUN = 16


def run_length(n_images: int | None, n_blocks: int) -> int:
    """Return how many consecutive images go to one block before the next one's turn."""
    return RUN if n_images is None else max(1, -(-n_images // max(n_blocks, 1)))


def pieces_of(first: int, n: int, run: int, n_blocks: int) -> list[Piece]:
    """Return the pieces of images first .. first+n of the stream, in runs of `run` per block."""
    if n_blocks <= 1:
        return [Piece(0, n, 0)]
    edges = [first, *range((first // run + 1) * run, first + n, run), first + n]
    return [Piece(a - first, b - first, a // run % n_blocks) for a, b in pairwise(edges)]
