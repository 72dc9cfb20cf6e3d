"""The moments of single blocks of images, about the mean of all of them and in any basis."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.moments import Centred, centre, move_shift, offset_of_mean
from tfprune.similarity.pair import Pair, side_from_moments
from tfprune.similarity.parallel import computed_once
from tfprune.similarity.side import Side
from tfprune.similarity.streaming import (
    Key,
    KeyPair,
    StreamedMoments,
)

#: blocks are worked on so many numbers at a time: a few copies of them stay in cache
AT_A_TIME = 1 << 18


@dataclass(frozen=True)
class Products:
    """Products of some blocks' rows, (b, d1+2, d2+2), to be seen about means and in a basis."""

    moments: Array
    mean_left: Array
    mean_right: Array

    @computed_once
    def centred(self) -> Array:
        """Return the moments about the means, (b, d1+2, d2+2)."""
        return move_shift(self.moments, -self.mean_left, -self.mean_right)

    def seen(self, left: Array, right: Array) -> Array:
        """Return left' (sum of (x - mean)(y - mean)' over a block) right, (b, r1, r2).

        `left` is (d1, r1), `right` (d2, r2). Moments hold sums and counts behind the products, so
        that weights of -mean there move the origin in the same two products of matrices.
        """
        d1, d2 = left.shape[0], right.shape[0]
        own = np.concatenate([left, -(self.mean_left @ left)[None]])  # (d1 + 1, r1)
        same = left is right and self.mean_left is self.mean_right
        other = own if same else np.concatenate([right, -(self.mean_right @ right)[None]])
        return np.asarray(own.T @ (self.moments[:, : d1 + 1, : d2 + 1] @ other))

    def _sums(self, left: Array, right: Array) -> tuple[Array, Array]:
        d1, d2 = left.shape[0], right.shape[0]
        return self.moments[:, :d1, d2] @ left, self.moments[:, d1, :d2] @ right

    def rests(self, left: Array, right: Array) -> tuple[Array, Array]:
        """Return the blocks' sums of left'(x - mean) and right'(y - mean), (b, r1), (b, r2)."""
        sums_x, sums_y = self._sums(left, right)
        n = self.moments[:, left.shape[0], right.shape[0], None]
        return sums_x - n * (self.mean_left @ left), sums_y - n * (self.mean_right @ right)


@dataclass(frozen=True)
class BlockMoments:
    """Of some blocks of images: x's products with x, y's with y, x's with y; `n` rows in all.

    All are about the means of x and of y over the `n` rows, of which these blocks are a part;
    `whole` are the products over all `n` rows, about the means (d+2, d+2).
    """

    xx: Products
    yy: Products
    xy: Products
    n: float
    whole: tuple[Array, Array, Array]


class Blocks:
    """Groups of a pair's blocks, each as one block, to be looked at some at a time.

    Means are those over all of `groups`, which are arrays of indices.
    """

    def __init__(self, store: StreamedMoments, keys: KeyPair, groups: Sequence[Array]) -> None:
        a, b = keys
        self._sums = store.within[a], store.within[b], store.between[keys]
        used = np.concatenate(groups)
        totals = [parts[used].sum(axis=0) for parts in self._sums]
        mean_a, mean_b = (offset_of_mean(total) for total in totals[:2])
        self._about = ((mean_a, mean_a), (mean_b, mean_b), (mean_a, mean_b))
        xx, yy, xy = (
            move_shift(total, -left, -right)
            for total, (left, right) in zip(totals, self._about, strict=True)
        )
        self._whole = xx, yy, xy
        self._n = float(totals[0][-2, -2])
        step = max(1, AT_A_TIME // max(len(total) for total in totals) ** 2)
        #: as many groups as are worked on at a time
        self.chunks = [groups[start : start + step] for start in range(0, len(groups), step)]

    def of(self, chunk: Sequence[Array]) -> BlockMoments:
        """Return the moments of some groups."""
        xx, yy, xy = (
            Products(_summed(each, chunk), *means)
            for each, means in zip(self._sums, self._about, strict=True)
        )
        return BlockMoments(xx, yy, xy, self._n, self._whole)


def _summed(moments: Array, groups: Sequence[Array]) -> Array:
    """Return the sums over groups of blocks, (groups, d1+2, d2+2), of moments (blocks, ...)."""
    if all(len(group) == 1 for group in groups):
        return np.asarray(moments[np.concatenate(groups)])
    found = np.empty((len(groups), *moments.shape[1:]))
    for total, group in zip(found, groups, strict=True):
        np.copyto(total, moments[group[0]])
        for block in group[1:]:
            total += moments[block]
    return found


class Moments:
    """Sides and cross-moments of a store: of all its blocks, or of blocks at given weights."""

    def __init__(self, store: StreamedMoments, tolerance: Mapping[Key, float]) -> None:
        self.store = store
        self._tolerance = tolerance
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

    def let_go(self, keys: KeyPair, layers: Iterable[Key]) -> None:
        """Forget what was computed of a pair and of some layers."""
        self._totals.pop(keys, None)
        for key in layers:
            self._totals.pop(key, None)
            self._sides.pop(key, None)

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

    def images_in_effect(self, key: Key, per_image: int, *, alike: bool) -> float:
        """Return how many images carry a layer's variance: n / (1 + CV^2), in (0, n].

        CV is the coefficient of variation over images of their squared distance from the mean,
        read off the blocks, whose sums vary as the root of their number of images. Few strong
        images, or channels that few images reach, leave few. With `alike` every channel counts
        the same, as in a measure that whitens; else by its variance.
        """
        within, (side, offset) = self.store.within[key], self._side(key)
        d = side.width
        rows = within[:, d, d]
        if alike:
            squares = np.einsum("bii->bi", within[:, :d, :d]) - 2 * offset * within[:, :d, d]
            squares = squares + rows[:, None] * offset**2
            sums = (squares[:, side.live] / side.moments.diagonal[side.live]).sum(axis=1)
        else:
            sums = within[:, d + 1, d] - 2 * within[:, :d, d] @ offset + rows * (offset @ offset)
        images = rows / per_image
        n, mean = images.sum(), sums.sum() / images.sum()
        variance = ((sums - images * mean) ** 2).sum() / (n - (images**2).sum() / n)
        return float(n / (1 + variance / mean**2))

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
