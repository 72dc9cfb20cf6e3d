"""Choosing examples so that every class keeps its share."""

from __future__ import annotations

import numpy as np


def stratified_positions(labels: np.ndarray, *, size: int, rng: np.random.Generator) -> np.ndarray:
    """Positions (size,) int64, ascending, of a random sample in which classes keep their shares.

    labels: (n,) class of every example. size: in [0, n].

    Each class gets the floor of its proportional quota; what is left over goes one each to the
    classes with the largest remainders, ties to the lower label (Hamilton's method).
    """
    n = len(labels)
    if not 0 <= size <= n:
        raise ValueError(f"size must lie in [0, {n}], got {size}")
    classes, members = np.unique(labels, return_inverse=True)
    counts = np.bincount(members, minlength=len(classes))
    # integers, so that remainders compare exactly: quota = size * count / n
    chosen, remainder = np.divmod(size * counts, max(n, 1))
    short = size - int(chosen.sum())
    chosen[np.argsort(-remainder, kind="stable")[:short]] += 1
    parts = [
        rng.permutation(np.flatnonzero(members == k))[: chosen[k]] for k in range(len(classes))
    ]
    return np.sort(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, np.int64)
