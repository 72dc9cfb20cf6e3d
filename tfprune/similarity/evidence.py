"""Pairs, whatever way they were collected: from kept rows or streamed moments."""

from __future__ import annotations

from functools import cached_property

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.channels import ChannelCounts, count_channels, describe_rows
from tfprune.similarity.collected import Collected, blocks_that_fit, pieces_of, run_length
from tfprune.similarity.gram import gram_coordinates
from tfprune.similarity.measure import Measure
from tfprune.similarity.moments import Centred, centre
from tfprune.similarity.pair import Pair, Rows, side_from_moments
from tfprune.similarity.qr import stand_in_rows
from tfprune.similarity.side import Side
from tfprune.similarity.store import Key, KeyPair, MomentStore


class Evidence:
    """Statistics of all layers and pairs of a comparison; each layer is whitened once."""

    def __init__(self, collected: Collected) -> None:
        self.collected = collected
        self.rows = collected.kept_rows()
        #: permuted cross-moments by pair and basis, kept for all measures
        self.nulls: dict[tuple[KeyPair, bool], list[MomentStore]] = {}
        self._pairs: dict[tuple[KeyPair, bool], Pair] = {}
        self._channels: dict[Key, tuple[Array, Array, int]] = {}

    def prepare(self, measures: list[Measure]) -> int:
        """Take the moments that the measures need, on all cores; return the widest layer."""
        widths = [
            self.moments(m).store.widths[k]
            for m in measures
            for pair in self.collected.pairs
            for k in pair
        ]
        return max(widths)

    @cached_property
    def plain(self) -> Moments:
        """Return the moments of the layers' own channels."""
        if self.rows is None:
            assert self.collected.store is not None
            return Moments(self.collected.store, self.collected)
        return moments_of_rows(self.rows, self.collected)

    @cached_property
    def compact(self) -> Moments:
        """Return moments in which layers wider than the rows are written in n coordinates."""
        if self.rows is None or not self.wide:
            return self.plain
        return moments_of_rows(self.compact_rows, self.collected)

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
        sample = self.collected.samples.get(keys)
        sums = self.collected.minibatches.get(keys)
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
            factor = self.collected.factors.get(keys)
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


class Moments:
    """Sides and cross-moments of a store: of all its blocks, or of blocks at given weights."""

    def __init__(self, store: MomentStore, collected: Collected) -> None:
        self.store = store
        self._tolerance = collected.tolerance
        self._sides: dict[Key, tuple[Side, Array]] = {}
        self._totals: dict[Key | KeyPair, Array] = {}

    def _total(self, key: Key | KeyPair) -> Array:
        if key not in self._totals:
            sums = self.store.within if isinstance(key, Key) else self.store.between
            self._totals[key] = sums[key].sum(axis=0)  # type: ignore[index]
        return self._totals[key]

    def side(self, key: Key) -> Side:
        """Return a layer's statistics over all blocks, computed once."""
        return self._side(key)[0]

    def _side(self, key: Key) -> tuple[Side, Array]:
        if key not in self._sides:
            shift = self.store.shifts[key]
            self._sides[key] = side_from_moments(self._total(key), shift, self._tolerance[key])
        return self._sides[key]

    def cross(self, keys: KeyPair) -> Centred:
        """Return a pair's centred cross-moments over all blocks."""
        offsets = (self._side(k)[1] for k in keys)
        return centre(self._total(keys), *offsets)

    def rows_in(self, key: Key) -> Array:
        """Return how many data points each block has, (n_blocks,)."""
        return np.asarray(self.store.within[key][:, -2, -2])

    def blocks_used(self, key: Key) -> Array:
        """Return the indices of the blocks that have data points."""
        return np.flatnonzero(self.rows_in(key) > 0)

    def whole_pair(self, keys: KeyPair) -> Pair:
        """Return the pair over all blocks, from its moments alone."""
        a, b = keys
        return Pair(self.side(a), self.side(b), self.cross(keys), allow_few_samples=True)

    def part(self, keys: KeyPair, blocks: Array) -> Pair:
        """Return the pair over some blocks."""
        a, b = (self.store.within[key][blocks].sum(axis=0) for key in keys)
        return self._pair(keys, a, b, self.store.between[keys][blocks].sum(axis=0))

    def without(self, keys: KeyPair, blocks: Array) -> Pair:
        """Return the pair over all blocks but some."""
        a, b = (self._total(key) - self.store.within[key][blocks].sum(axis=0) for key in keys)
        between = self._total(keys) - self.store.between[keys][blocks].sum(axis=0)
        return self._pair(keys, a, b, between)

    def weighted_pair(self, keys: KeyPair, weights: Array) -> Pair:
        """Return the pair over all blocks, each counted as often as `weights` says."""
        a, b = (np.tensordot(weights, self.store.within[key], axes=1) for key in keys)
        return self._pair(keys, a, b, np.tensordot(weights, self.store.between[keys], axes=1))

    def _pair(self, keys: KeyPair, within_a: Array, within_b: Array, between: Array) -> Pair:
        a, b = keys
        shifts, tolerance = self.store.shifts, self._tolerance
        side_a, offset_a = side_from_moments(within_a, shifts[a], tolerance[a])
        side_b, offset_b = side_from_moments(within_b, shifts[b], tolerance[b])
        return Pair(side_a, side_b, centre(between, offset_a, offset_b), allow_few_samples=True)


def moments_of_rows(rows: dict[Key, Array], collected: Collected) -> Moments:
    """Return the moments of kept rows, in as many blocks of images as were asked for and fit."""
    settings = collected.settings
    widths = {k: v.shape[1] for k, v in rows.items()}
    blocks = blocks_that_fit(collected.pairs, widths, settings.blocks, settings.memory)
    store = MomentStore(collected.pairs, n_blocks=blocks)
    run = run_length(collected.n_images, blocks)
    store.add(rows, collected.per_image, pieces_of(0, collected.n_images, run, blocks))
    return Moments(store, collected)
