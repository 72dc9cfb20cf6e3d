"""How sums of canonical correlations change with the weight of a block of images."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.blocks import BlockMoments, Products
from tfprune.similarity.derivatives import (
    Change,
    Derivatives,
    Expanded,
    centring_of_correlations,
    sum_of_correlations,
)
from tfprune.similarity.pair import Pair
from tfprune.similarity.parallel import computed_once
from tfprune.similarity.side import Side


def expand_mean_correlation(pair: Pair, whole: Pair) -> Expanded:
    """Return the mean of all canonical correlations, expanded."""
    if pair is not whole and _ranks(pair) != _ranks(whole):
        raise InputError("directions that are active on all images are silent on half of them")
    whitened = pair.y.whitening.apply(pair.x.whitening.apply(pair.cross).T).T
    rotation, rho, other = np.linalg.svd(whitened)
    left = pair.x.whitening.directions(rotation, pair.x.width)
    right = pair.y.whitening.directions(other.T, pair.y.width)

    def at(blocks: BlockMoments) -> Derivatives:
        change = sum_of_correlations(
            rho,
            blocks.xx.seen(left, left),
            blocks.yy.seen(right, right),
            blocks.xy.seen(left, right),
        )
        centring = centring_of_correlations(rho, *blocks.xy.rests(left, right), blocks.n)
        return (Change(change.first, change.second + centring) * (1 / rho.size)).derivatives

    return Expanded(float(rho.mean()), at)


def _ranks(pair: Pair) -> tuple[int, int]:
    return pair.x.whitening.rank, pair.y.whitening.rank


def expand_kept_correlation(pair: Pair, whole: Pair, *, variance: float) -> Expanded:
    """Return the mean correlation of the kept directions, expanded.

    As many directions are kept of each side as `whole` keeps: where the cut lies is held
    fixed. The directions themselves turn with the images.
    """
    kept = tuple(side.principal(variance).shape[1] for side in (whole.x, whole.y))
    x, y = _Cut(pair.x, kept[0]), _Cut(pair.y, kept[1])
    rotation, rho, other = np.linalg.svd(x.kept.T @ pair.cross @ y.kept)
    x, y = x.rotated(rotation), y.rotated(other.T)
    c = rho.size
    # kept with dropped directions of the other side, and dropped with dropped
    cross_x, cross_y = x.dropped.T @ pair.cross @ y.kept, y.dropped.T @ pair.cross.T @ x.kept
    dropped = x.dropped.T @ pair.cross @ y.dropped
    swapped = [
        float(np.linalg.svd(left.T @ pair.cross @ right, compute_uv=False).mean() - rho.mean())
        for left, right in ((x.swapped(), y.kept), (x.kept, y.swapped()))
    ]

    def at(blocks: BlockMoments) -> Derivatives:
        both = blocks.xy.seen(x.all, y.all)
        turn_x, turn_y = _Turn(x, blocks.xx, blocks.n), _Turn(y, blocks.yy, blocks.n)
        kx, ky = x.kept.shape[1], y.kept.shape[1]
        g = both[:, :kx, :ky] + np.swapaxes(turn_x.first, 1, 2) @ cross_x
        g += np.swapaxes(np.swapaxes(turn_y.first, 1, 2) @ cross_y, 1, 2)
        change = sum_of_correlations(rho, turn_x.own, turn_y.own, g)
        second = change.second + centring_of_correlations(
            rho, *blocks.xy.rests(x.kept, y.kept), blocks.n
        )
        # the traces of what is of second order in g, and in e and f
        a, b = turn_x.first[:, :, :c], turn_y.first[:, :, :c]
        second += np.einsum("bli,bli->b", a, both[:, kx:, :c])
        second += np.einsum("bli,bil->b", b, both[:, :c, ky:])
        second += np.einsum("bli,bli->b", a, dropped @ b)
        second += turn_x.second_with(cross_x[:, :c]) + turn_y.second_with(cross_y[:, :c])
        second -= 0.5 * (turn_x.own_second(c) + turn_y.own_second(c)) @ rho
        first, twice, _ = (Change(change.first, second) * (1 / c)).derivatives
        unseen = turn_x.doubt * swapped[0] ** 2 + turn_y.doubt * swapped[1] ** 2
        return Derivatives(first, twice, unseen)

    return Expanded(float(rho.mean()), at)


#: a direction turns by a bounded angle, however near its neighbour's variance: gaps between
#: variances count as no smaller than this many times their noise (squared)
STEADY = 4.0


class _Cut:
    """Principal directions of a side: `kept` of unit scatter, rotated, and `dropped` (unscaled)."""

    def __init__(self, side: Side, k: int, rotation: Array | None = None) -> None:
        self.side, self.k = side, k
        values, vectors = side.spectrum
        rank = int((values > values[0] * 1e-14).sum())
        if k > rank:
            raise InputError("directions that are kept on all images are silent on half of them")
        self.rotation = np.eye(k) if rotation is None else rotation
        roots = np.sqrt(values[:k])
        #: from unscaled principal directions to rotated ones of unit scatter, and back
        self.scaled = self.rotation / roots[:, None]
        self.unscaled = self.rotation.T * roots
        self.kept = vectors[:, :k] @ self.scaled
        self.dropped = vectors[:, k:rank]
        self.dropped_values = values[k:rank]
        #: by how much the variances of kept (columns) exceed those of dropped directions (rows)
        self.gaps = values[None, :k] - values[k:rank, None]
        self.products = values[None, :k] * values[k:rank, None]

    def rotated(self, rotation: Array) -> _Cut:
        return _Cut(self.side, self.k, rotation)

    def swapped(self) -> Array:
        """Return the kept directions with the first dropped one in place of the last kept one."""
        values, vectors = self.side.spectrum
        chosen = np.arange(self.k)
        chosen[-1] += self.dropped_values.size > 0
        return np.asarray(vectors[:, chosen] / np.sqrt(values[chosen]))

    @computed_once
    def all(self) -> Array:
        return np.concatenate([self.kept, self.dropped], axis=1)


class _Turn:
    """How the kept directions turn towards dropped ones, R, as blocks of images weigh more.

    The space of I + R stays invariant: R = R1 + R2 with R1 = S21 / (l_kept - l_dropped) and
    R2 = (S22 R1 - R1 S11) / (l_kept - l_dropped), S the change of scatter among the principal
    directions. `scatter` is S with the kept ones rotated and of unit scatter.
    """

    def __init__(self, cut: _Cut, own: Products, n: float) -> None:
        self.cut, self.n = cut, n
        self.scatter = own.seen(cut.all, cut.all)
        self.rest, _ = own.rests(cut.all, cut.all)
        k = cut.k
        turned = self.scatter[:, k:, :k] @ cut.unscaled
        #: noise of a product of two directions, squared, in units of their variances
        noise = float((turned**2 / cut.products).sum()) / max(cut.products.size, 1)
        noise *= n / float(own.moments[:, -2, -2].sum())
        self.gaps = np.sqrt(cut.gaps**2 + STEADY * noise * cut.products)
        self.gaps = np.maximum(self.gaps, np.finfo(float).tiny)
        self.first_unscaled = turned / self.gaps
        #: how far the directions next to the cut may have changed places, from 0 to 1
        self.doubt = 0.0
        if cut.gaps.size:
            self.doubt = float(1 - (cut.gaps[0, -1] / self.gaps[0, -1]) ** 2)
        #: R1 towards the rotated directions of unit scatter, (b, dropped, k)
        self.first = self.first_unscaled @ cut.scaled
        #: the change of the kept directions' own scatter, (b, k, k)
        self.own = self.scatter[:, :k, :k]

    def second_with(self, cross: Array) -> Array:
        """Return tr(R2' cross), (b,), of cross (dropped, c)."""
        cut, k = self.cut, self.cut.k
        target = cross @ cut.scaled[:, : cross.shape[1]].T / self.gaps
        moved = self.scatter[:, k:, k:] @ self.first_unscaled
        moved -= (self.first_unscaled @ cut.unscaled.T) @ self.own @ cut.unscaled
        found = np.einsum("bli,li->b", moved, target)
        shift = ((self.rest[:, k:] @ target) * (self.rest[:, :k] @ cut.unscaled)).sum(axis=1)
        return np.asarray(found - shift / self.n)

    def own_second(self, c: int) -> Array:
        """Return the second-order change of the kept directions' own scatter, diagonal (b, c)."""
        first = self.first[:, :, :c]
        towards = self.scatter[:, self.cut.k :, :c]
        twice = 2 * np.einsum("bli,bli->bi", first, towards)
        return np.asarray(twice + np.einsum("bli,l->bi", first**2, self.cut.dropped_values))
