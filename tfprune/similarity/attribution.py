"""What of a layer the other one has lost, by channel and direction; and held-out CCA."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.blocks import Moments
from tfprune.similarity.pair import Pair
from tfprune.similarity.streaming import KeyPair


@dataclass(frozen=True)
class Attribution:
    """How much of each channel and direction of side a a linear map of side b still gives.

    `correlations` (c,) are the canonical correlations, largest first, and `direction_variance`
    (c,) the share of a's variance that each direction carries. `channel_kept` (d,) is the R2 of
    each channel of a on side b (NaN where the channel doesn't vary), `channel_variance` (d,) its
    share of a's variance. `effective_rank_*` are participation ratios, in [1, width].
    """

    correlations: Array
    direction_variance: Array
    channel_kept: Array
    channel_variance: Array
    effective_rank_a: float
    effective_rank_b: float
    rank_a: int
    rank_b: int

    @property
    def kept_variance(self) -> float:
        """Return the share of a's variance that a linear map of b gives: linear regression R2."""
        live = np.isfinite(self.channel_kept)
        return float(self.channel_kept[live] @ self.channel_variance[live])

    def lost_channels(self, *, below: float = 0.5) -> Array:
        """Return the channels of a whose R2 on b lies below, the one with most variance first."""
        lost = np.flatnonzero(self.channel_kept < below)
        return np.asarray(lost[np.argsort(-self.channel_variance[lost], kind="stable")])

    def lost_directions(self, *, below: float = 0.5) -> Array:
        """Return canonical directions with rho^2 below, the one with most variance first."""
        lost = np.flatnonzero(self.correlations**2 < below)
        return np.asarray(lost[np.argsort(-self.direction_variance[lost], kind="stable")])


def attribute(pair: Pair) -> Attribution:
    """Return which of x's channels and canonical directions y has kept, with their variance.

    A canonical direction h_i of unit length carries sum_j <h_i, x_j>^2 of x's total variance.
    """
    canonical = pair.canonical
    own = canonical.left.T @ pair.own_x()
    total = pair.x.trace
    squares = np.diagonal(pair.x.scatter)
    explained = (pair.x_on_y() ** 2).sum(axis=0)
    kept = np.full(pair.x.width, np.nan)
    live = pair.x.live
    kept[live] = np.clip(explained[live] / squares[live], 0.0, 1.0)
    return Attribution(
        correlations=canonical.rho,
        direction_variance=(own * own).sum(axis=1) / total,
        channel_kept=kept,
        channel_variance=squares / total,
        effective_rank_a=pair.x.effective_rank,
        effective_rank_b=pair.y.effective_rank,
        rank_a=pair.ranks[0],
        rank_b=pair.ranks[1],
    )


@dataclass(frozen=True)
class CrossValidated:
    """Canonical correlations on images that the directions were not fitted to.

    `held_out` is the mean over directions and folds, in [-1, 1]; `fitted` the same folds' mean on
    the images of the fit, which overstates; `by_fold` (n_folds, c) the correlations of each
    direction, in the order of the fit.
    """

    held_out: float
    fitted: float
    by_fold: Array


def cross_validate(moments: Moments, keys: KeyPair, folds: int) -> CrossValidated:
    """Return k-fold cross-validated CCA from block moments: a fold's moments are subtracted.

    Folds are groups of blocks of images; nothing is read again.
    """
    used = moments.blocks_used(keys[0])
    if not 2 <= folds <= used.size:
        raise InputError(
            f"cross-validation needs 2 to {used.size} folds (as many as blocks of images), got "
            f"{folds}. Choose fewer folds, or collect with more blocks."
        )
    rows, fitted = [], []
    for fold in range(folds):
        held_out = np.zeros(moments.store.n_blocks)
        held_out[used[fold::folds]] = 1.0
        train = moments.weighted_pair(keys, 1.0 - held_out)
        train.caller, train.allow_few_samples = "cross-validated cca", False
        test = moments.weighted_pair(keys, held_out)
        rows.append(held_out_correlations(train, test))
        fitted.append(float(train.correlations.mean()))
    shortest = min(len(row) for row in rows)
    by_fold = np.array([row[:shortest] for row in rows])
    return CrossValidated(
        float(np.mean([row.mean() for row in rows])), float(np.mean(fitted)), by_fold
    )


def held_out_correlations(train: Pair, test: Pair) -> Array:
    """Return (c,) correlations, on `test`, of the canonical variates fitted on `train`."""
    canonical = train.canonical
    a = train.x.whitening.directions(canonical.left, train.x.width)
    b = train.y.whitening.directions(canonical.right, train.y.width)
    between = np.einsum("ik,ij,jk->k", a, test.cross, b, optimize=True)
    own_a = np.einsum("ik,ij,jk->k", a, test.x.scatter, a, optimize=True)
    own_b = np.einsum("ik,ij,jk->k", b, test.y.scatter, b, optimize=True)
    size = np.sqrt(np.maximum(own_a, 0.0)) * np.sqrt(np.maximum(own_b, 0.0))
    rho = np.divide(between, size, out=np.zeros_like(between), where=size > 0)
    return np.asarray(np.clip(rho, -1.0, 1.0))
