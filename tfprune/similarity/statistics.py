"""Statistics of pairs and channels, from kept rows or streamed moments alike."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

import numpy as np

from tfprune.errors import InputError, check_unmasked
from tfprune.similarity.accumulator import Accumulator
from tfprune.similarity.arrays import Array
from tfprune.similarity.blocks import Moments
from tfprune.similarity.copies import Copies
from tfprune.similarity.factorizations import gram_coordinates, stand_in_rows
from tfprune.similarity.lost import Standing
from tfprune.similarity.measure import Measure
from tfprune.similarity.pair import Pair, Rows
from tfprune.similarity.parallel import Helpers, n_cores
from tfprune.similarity.streaming import (
    Key,
    KeyPair,
    StreamedMoments,
    pieces_of,
    run_length,
)


class Statistics:
    """Statistics of all layers and pairs of a comparison; each layer is whitened once."""

    def __init__(self, accumulator: Accumulator) -> None:
        self.accumulator = accumulator
        self.rows = accumulator.kept_rows()
        #: permuted cross-moments by pair and basis, kept for all measures
        self.nulls: dict[tuple[KeyPair, bool], list[StreamedMoments]] = {}
        #: pairs of layers whose images were paired at random, and the matrix of a pair with what
        #: of it stands out, until `let_go_of_pairings`
        self.permuted: dict[tuple[KeyPair, bool], list[Pair]] = {}
        self.standing: dict[KeyPair, tuple[Array, Standing]] = {}
        #: threads for parts of the work on one pair, and how many there may be
        self.helpers, self.n_helpers = Helpers(1), 1
        self._pairs: dict[tuple[KeyPair, bool], Pair] = {}
        self._channels: dict[Key, tuple[Array, Array, int]] = {}
        self._uses = Counter(key for pair in accumulator.pairs for key in pair)
        self._lock = threading.Lock()

    def prepare(self, measures: list[Measure]) -> int:
        """Take the moments that the measures need, on all cores.

        Returns how many pairs may be worked on at a time within the bound on memory. Where there
        are more cores than pairs, and room, threads help with parts of a pair.
        """
        _ = self.copies  # looked for once, before pairs are worked on side by side
        stores = {id(moments): moments.store for moments in map(self.moments, measures)}
        own = [store for store in stores.values() if store is not self.accumulator.store]
        held = self.accumulator.held() + sum(store.nbytes for store in own)
        widest = max(stores.values(), key=lambda store: max(store.widths.values()))
        widths = {key: width - 2 for key, width in widest.widths.items()}
        each = of_pairings(self.rows, self.accumulator) if self.rows is not None else 0
        budget, cores = self.accumulator.budget(widths), n_cores()
        at_most = budget.at_a_time(held, each)
        threads = min(at_most, len(self.accumulator.pairs), cores)
        self.n_helpers = min(budget.helpers(held, threads, each) + 1, cores + 1 - threads)
        return at_most

    def let_go(self, keys: KeyPair) -> None:
        """Forget what was computed of a pair, and of its layers where no other pair has them.

        To be called once for every pair, when it is done with.
        """
        with self._lock:
            for key in keys:
                self._uses[key] -= 1
            done = [key for key in keys if self._uses[key] == 0]
            for compact in (False, True):
                self._pairs.pop((keys, compact), None)
                self.nulls.pop((keys, compact), None)
        self.let_go_of_pairings(keys)
        for name in ("plain", "compact"):
            if name in vars(self):
                getattr(self, name).let_go(keys, done)

    def let_go_of_pairings(self, keys: KeyPair) -> None:
        """Forget what was computed of a pair's random pairings; their moments stay."""
        for compact in (False, True):
            self.permuted.pop((keys, compact), None)
        self.standing.pop(keys, None)

    @cached_property
    def copies(self) -> Copies | None:
        """Return how many images are copies of one another; None where that can't be said."""
        return self.accumulator.sketch.copies()

    @cached_property
    def plain(self) -> Moments:
        """Return the moments of the layers' own channels."""
        if self.rows is None:
            assert self.accumulator.store is not None
            return Moments(self.accumulator.store, self.accumulator.tolerance)
        return moments_of_rows(self.rows, self.accumulator)

    @cached_property
    def compact(self) -> Moments:
        """Return moments in which layers wider than the rows are written in n coordinates."""
        if self.rows is None or not self.wide:
            return self.plain
        return moments_of_rows(self.compact_rows, self.accumulator)

    @cached_property
    def compact_rows(self) -> dict[Key, Array]:
        """Return the kept rows, of wide layers their Gram coordinates."""
        assert self.rows is not None
        return {k: gram_coordinates(v) if k in self.wide else v for k, v in self.rows.items()}

    @cached_property
    def wide(self) -> set[Key]:
        """Return the layers with more features than data points."""
        return {k for k, v in (self.rows or {}).items() if v.shape[1] > v.shape[0]}

    def moments(self, measure: Measure) -> Moments:
        """Return the moments from which this measure is computed."""
        return self.compact if measure.is_basis_free else self.plain

    def pair(self, keys: KeyPair, measure: Measure) -> Pair:
        """Return the pair's statistics for this measure, the same object for the same needs."""
        compact = measure.is_basis_free and bool(self.wide & set(keys))
        if (keys, compact) not in self._pairs:
            self._pairs[keys, compact] = self._pair(keys, measure)
        pair = self._pairs[keys, compact]
        pair.caller = measure.name
        return pair

    def _pair(self, keys: KeyPair, measure: Measure) -> Pair:
        moments = self.moments(measure)
        sample = self.accumulator.samples.get(keys)
        sums = self.accumulator.minibatches.get(keys)
        return Pair(
            moments.side(keys[0]),
            moments.side(keys[1]),
            moments.cross(keys),
            names=(_named(keys[0]), _named(keys[1])),
            rows=None if sample is None else sample.rows,
            minibatches=None if sums is None else sums.values(),
            stand_in=self._stand_in(keys),
        )

    def _stand_in(self, keys: KeyPair) -> Rows | None:
        if self.rows is None:
            factor = self.accumulator.factors.get(keys)
            return None if factor is None else factor.stand_in
        x, y = (self.rows[k] for k in keys)
        return lambda: stand_in_rows(x, y)

    def channels(self, key: Key, masked: Array | None) -> ChannelCounts:
        """Return the counts of a layer's channels that carry no signal."""
        if key not in self._channels:
            if key in self.wide:
                assert self.rows is not None
                self._channels[key] = describe_rows(self.rows[key])
            else:
                side = self.plain.side(key)
                self._channels[key] = (side.mean, side.live, side.duplicates)
        return count_channels(*self._channels[key], masked, key.layer)


def _named(key: Key) -> str:
    return f"layer {key.layer!r} of network {key.side}"


def moments_of_rows(rows: dict[Key, Array], accumulator: Accumulator) -> Moments:
    """Return the moments of kept rows, in as many blocks of images as were asked for and fit."""
    settings = accumulator.settings
    widths = {k: v.shape[1] for k, v in rows.items()}
    room = accumulator.budget(widths)
    held = sum(values.nbytes for values in rows.values()) + of_pairings(rows, accumulator)
    blocks = room.blocks(settings.blocks, held + room.scratch)
    store = StreamedMoments(accumulator.pairs, n_blocks=blocks)
    run = run_length(accumulator.n_images, blocks)
    store.add(rows, accumulator.per_image, pieces_of(0, accumulator.n_images, run, blocks))
    return Moments(store, accumulator.tolerance)


def of_pairings(rows: Mapping[Key, Array], accumulator: Accumulator) -> int:
    """Return the bytes that random pairings of kept rows take for one pair, the widest."""
    n = accumulator.settings.permutations
    cross = max(rows[a].shape[1] * rows[b].shape[1] for a, b in accumulator.pairs)
    shuffled = max(rows[b].nbytes for _, b in accumulator.pairs)
    return int(8 * n * cross + (shuffled if n else 0))


class ChannelCounts(NamedTuple):
    """How many of a layer's `width` channels are dead, constant, masked or duplicate.

    `masked` channels don't vary and pruning removed all their weights; `dead` ones are zero
    everywhere, `constant` ones another value everywhere, with weights left. No channel counts
    twice. `duplicate` channels copy an earlier live one up to shift and scale.
    """

    width: int
    dead: int
    constant: int
    masked: int
    duplicate: int


def count_channels(
    mean: Array, live: Array, duplicate: int, masked: Array | None, layer: str
) -> ChannelCounts:
    """Return the counts, from the channels' means (d,) and the indices of the live ones.

    `masked` (channels,) says which channels lost all weights; it is repeated over positions
    when the layer was flattened.
    """
    width = mean.size
    still = np.ones(width, bool)
    still[live] = False
    cut = np.zeros(width, bool) if masked is None else _spread(masked, width, layer)
    cut &= still
    dead = still & ~cut & (mean == 0)
    constant = still & ~cut & (mean != 0)
    return ChannelCounts(width, int(dead.sum()), int(constant.sum()), int(cut.sum()), duplicate)


def _spread(masked: Array, width: int, layer: str) -> Array:
    check_unmasked(masked, f"the mask of layer {layer!r}")
    flags = np.asarray(masked, bool).ravel()
    if flags.size == 0 or width % flags.size:
        raise InputError(
            f"the mask of layer {layer!r} must have one value per channel: it has {flags.size}, "
            f"the layer {width}."
        )
    return np.tile(flags, width // flags.size)


def describe_rows(rows: Array) -> tuple[Array, Array, int]:
    """Return means (d,), indices of live columns and number of duplicates, of rows (n, d).

    For layers too wide for a (d, d) matrix: columns that agree after standardising are found by
    their products with two random vectors.
    """
    mean = rows.mean(axis=0, dtype=np.float64)
    live = np.flatnonzero(rows.max(axis=0) > rows.min(axis=0))
    probes = np.random.default_rng(0).normal(size=(2, rows.shape[0]))
    probes -= probes.mean(axis=1, keepdims=True)
    squares = np.einsum("ij,ij->j", rows, rows, dtype=np.float64) - rows.shape[0] * mean**2
    products = (probes @ rows)[:, live] / np.sqrt(np.maximum(squares[live], 1e-300))
    products = products[:, np.argsort(products[0])]
    same = (np.abs(np.diff(products, axis=1)) < 1e-6).all(axis=0)
    return mean, live, int(same.sum())
