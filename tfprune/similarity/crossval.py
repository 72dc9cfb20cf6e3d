"""Held-out CCA: directions fitted on some images, correlations read off others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.evidence import Moments
from tfprune.similarity.pair import Pair
from tfprune.similarity.store import KeyPair


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
