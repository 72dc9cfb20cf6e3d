"""First and second derivatives of measures in the weight of a block of images.

A measure is a smooth function f of the moments S(w) = sum_j w_j S_j of blocks of images, taken at
w = 1. Its derivatives f_j, f_jj in single weights give the infinitesimal jackknife: the variance
sum_j f_j^2 and the bias sum_j f_jj / 2 (Efron 1982, chapter 6), at the cost of a few products of
(d, d) matrices per block; nothing is solved again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.blocks import BlockMoments, Products

#: correlations below this are as good as none: the sum has no derivative there
_LEAST = 1e-6


class Derivatives(NamedTuple):
    """First and second derivative in the weight of each of some blocks, (b,) both.

    `unseen` is the variance of what no derivative sees, of all blocks together.
    """

    first: Array
    second: Array
    unseen: float = 0.0


#: from the blocks' moments to derivatives, for one pair
Expansion = Callable[[BlockMoments], Derivatives]


@dataclass(frozen=True)
class Change:
    """First-order change of a quantity, and second-order change (half its second derivative)."""

    first: Array
    second: Array

    def __mul__(self, factor: float) -> Change:
        return Change(self.first * factor, self.second * factor)

    def __add__(self, other: Change) -> Change:
        return Change(self.first + other.first, self.second + other.second)

    def times(self, value: float, other: Change, other_value: float) -> Change:
        """Return the change of a product of `value`, which changes by this, and `other_value`."""
        second = self.second * other_value + other.second * value + self.first * other.first
        return Change(self.first * other_value + other.first * value, second)

    def log(self, value: float) -> Change:
        """Return the change of the logarithm of a quantity that is `value`."""
        first = self.first / value
        return Change(first, self.second / value - first**2 / 2)

    def exp(self, value: float) -> Change:
        """Return the change of `value` when its logarithm changes by this."""
        return Change(self.first * value, (self.second + self.first**2 / 2) * value)

    @property
    def derivatives(self) -> Derivatives:
        """Return the first and second derivative."""
        return Derivatives(self.first, 2 * self.second)


def trace_of(own: Products, width: int, n: float) -> Change:
    """Return the change of a layer's total squared norm."""
    eye = np.eye(width)
    first = np.einsum("bii->b", own.moments[:, :width, :width])
    sums = own.moments[:, :width, width]
    mean = own.mean_left
    count = own.moments[:, width, width]
    first = first - 2 * sums @ mean + count * (mean @ mean)
    rest, _ = own.rests(eye, eye)
    return Change(first, -(rest**2).sum(axis=1) / n)


def sum_of_correlations(rho: Array, e: Array, f: Array, g: Array) -> Change:
    """Return the change of sum(rho) when the canonical moments I, I, diag(rho) change by e, f, g.

    e (b, r1, r1), f (b, r2, r2), g (b, r1, r2). The whitened cross-products become
    (I+e)^-1/2 (D+g) (I+f)^-1/2, of which the nuclear norm is taken to second order: sums are
    smooth where single correlations cross.
    """
    c = rho.size
    h = g.copy()
    h[:, :, :c] -= 0.5 * e[:, :, :c] * rho
    h[:, :c, :] -= 0.5 * rho[:, None] * f[:, :c, :]
    change = _nuclear_norm(rho, h)
    second = change.second + 3 / 8 * np.einsum("bij,j->b", e[:, :, :c] ** 2, rho)
    second += 3 / 8 * np.einsum("bij,j->b", f[:, :, :c] ** 2, rho)
    second += 1 / 4 * np.einsum("bik,k,bik->b", e[:, :c, :c], rho, f[:, :c, :c])
    second -= 1 / 2 * np.einsum("bki,bki->b", e[:, :, :c], g[:, :, :c])
    second -= 1 / 2 * np.einsum("bik,bik->b", g[:, :c, :], f[:, :c, :])
    return Change(change.first, second)


def _nuclear_norm(values: Array, h: Array) -> Change:
    """Return the change of the sum of singular values of diag(values) (r1, r2) as it changes by h.

    To second order: sum_i h_ii + sum_{i<k} (h_ik - h_ki)^2 / (2 (s_i + s_k)), and for rows or
    columns without a partner sum h_ik^2 / (2 s_k).
    """
    c = values.size
    values = np.maximum(values, _LEAST * max(1.0, float(values.max(initial=0.0))))
    square = h[:, :c, :c]
    first = np.einsum("bii->b", square)
    turned = square - np.swapaxes(square, 1, 2)
    turned *= turned
    second = np.einsum("bik,ik->b", turned, 0.25 / (values[:, None] + values))
    if h.shape[1] > c:
        second += np.einsum("bik,k->b", h[:, c:, :c] ** 2, 0.5 / values)
    if h.shape[2] > c:
        second += np.einsum("bik,i->b", h[:, :c, c:] ** 2, 0.5 / values)
    return Change(first, second)


def centring_of_correlations(rho: Array, left: Array, right: Array, n: float) -> Array:
    """Return the second-order change of sum(rho) by the shift of the mean, (b,).

    `left` (b, r1) and `right` (b, r2) are the blocks' sums of the canonical variates.
    """
    c = rho.size
    left, right = left[:, :c], right[:, :c]
    squares = ((left**2 + right**2) * rho).sum(axis=1)
    return np.asarray((0.5 * squares - (left * right).sum(axis=1)) / n)


def nuclear_norm_of(cross: Array) -> tuple[float, Callable[[BlockMoments], Change]]:
    """Return ||X'Y||_* and the way to its change, `cross` being X'Y (d1, d2)."""
    left, values, right = np.linalg.svd(cross)
    right = right.T
    c = values.size

    def at(blocks: BlockMoments) -> Change:
        change = _nuclear_norm(values, blocks.xy.seen(left, right))
        rest_x, rest_y = blocks.xy.rests(left[:, :c], right[:, :c])
        return Change(change.first, change.second - (rest_x * rest_y).sum(axis=1) / blocks.n)

    return float(values.sum()), at


class Expanded(NamedTuple):
    """A measure's number and the way to its derivatives."""

    value: float
    derivatives: Expansion
