"""Streamed moments of many layers: one pass, O(d^2) memory, kept per block of images."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.moments import augment, first_shift, move_shift
from tfprune.similarity.products import NARROW, chunk_rows, run_tasks


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


class Task(NamedTuple):
    """Rows [start, stop) of the layers of one group, to be added to one block."""

    group: Group
    start: int
    stop: int
    block: int


class MomentStore:
    """Augmented moments of chosen layers and pairs, for each of `n_blocks` blocks of images.

    `within[key]` is (n_blocks, d+2, d+2), `between[pair]` (n_blocks, d1+2, d2+2), both about
    `shifts[key]`, a point near the mean that the first rows decide. Stores of disjoint images
    merge exactly. With `cross_only` the layers' own moments are left out.
    """

    def __init__(
        self, pairs: Iterable[KeyPair], *, n_blocks: int = 1, cross_only: bool = False
    ) -> None:
        self.pairs = list(dict.fromkeys(pairs))
        self.n_blocks = n_blocks
        self.cross_only = cross_only
        self.shifts: dict[Key, Array] = {}
        self.widths: dict[Key, int] = {}
        self.within: dict[Key, Array] = {}
        self.between: dict[KeyPair, Array] = {}
        self._lock = threading.Lock()
        self._scratch = threading.local()

    def add(
        self, rows: Mapping[Key, Array], per_image: Mapping[Key, int], pieces: list[Piece]
    ) -> None:
        """Add one batch: rows[key] is (n_images * per_image[key], d), split into `pieces`."""
        for key, values in rows.items():
            if key not in self.shifts:
                self._open(key, values)
        for pair in self.pairs:
            if pair not in self.between:
                shape = (self.n_blocks, *(self.widths[key] for key in pair))
                self.between[pair] = np.zeros(shape)
        groups = self._groups()
        wide = any(sum(self.widths[k] for k in a | b) >= NARROW for a, b in groups)
        tasks = []
        for piece in pieces:
            for group in groups:
                count = per_image[next(iter(group[0]))]
                tasks.append(Task(group, piece.start * count, piece.stop * count, piece.block))
        # with few long tasks, cut them so that every core has work
        if not wide and len(tasks) < 8:
            tasks = [part for task in tasks for part in _halves(task)]
        run_tasks(tasks, lambda task: self._add_rows(rows, *task), threaded=not wide)

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

    def _add_rows(
        self,
        rows: Mapping[Key, Array],
        group: Group,
        start: int,
        stop: int,
        block: int,
    ) -> None:
        keys = [k for side in group for k in self.widths if k in side]
        edges = np.concatenate([[0], np.cumsum([self.widths[k] for k in keys])])
        spans = {k: slice(edges[i], edges[i + 1]) for i, k in enumerate(keys)}
        pairs = [p for p in self.pairs if p[0] in group[0] and p[1] in group[1]]
        n_left = sum(self.widths[k] for k in group[0])
        step = min(chunk_rows(int(edges[-1])), stop - start)
        buffer = self._buffer(step, int(edges[-1]))
        joint = len(keys) == 2 and not self.cross_only
        complete = len(pairs) == len(group[0]) * len(group[1])
        for first in range(start, stop, step):
            last = min(first + step, stop)
            z = buffer[: last - first]
            for key, span in spans.items():
                augment(rows[key][first:last], self.shifts[key], z[:, span])
            own: dict[Key, Array] = {}
            if joint:
                product = z.T @ z
                own = {k: product[spans[k], spans[k]] for k in keys}
                crosses = {p: product[spans[p[0]], spans[p[1]]] for p in pairs}
            else:
                if not self.cross_only:
                    own = {k: z[:, s].T @ z[:, s] for k, s in spans.items()}
                if complete:
                    product = z[:, :n_left].T @ z[:, n_left:]
                    shifted = {p: (spans[p[0]], _back(spans[p[1]], n_left)) for p in pairs}
                    crosses = {p: product[s] for p, s in shifted.items()}
                else:
                    crosses = {p: z[:, spans[p[0]]].T @ z[:, spans[p[1]]] for p in pairs}
            with self._lock:
                for key, value in own.items():
                    self.within[key][block] += value
                for pair, value in crosses.items():
                    self.between[pair][block] += value

    def _buffer(self, rows: int, width: int) -> Array:
        """Return this thread's (rows, width) scratch: memory touched before is quicker."""
        buffer: Array | None = getattr(self._scratch, "buffer", None)
        if buffer is None or buffer.size < rows * width:
            buffer = self._scratch.buffer = np.empty(rows * width)
        return buffer[: rows * width].reshape(rows, width)

    def merge(self, other: MomentStore) -> None:
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


def _back(span: slice, by: int) -> slice:
    return slice(span.start - by, span.stop - by)


def _halves(task: Task) -> list[Task]:
    if task.stop - task.start < 2048:
        return [task]
    middle = (task.start + task.stop) // 2
    return [task._replace(stop=middle), task._replace(start=middle)]
