"""The k smallest of many scores, exactly, without sorting them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tfprune.pruning.tensors import Array, Mask

CHUNK = 1 << 20


def smallest(scores: Sequence[Array], eligible: Sequence[Mask], *, count: int) -> list[Mask]:
    """Return, per array, where the `count` smallest eligible scores of all arrays lie.

    Among equal scores the earlier array goes first, then the lower flat (C-order) index: the
    result of a stable argsort over the concatenated scores. It costs one partition of one copy of
    the eligible scores instead: time O(n), memory that copy and two booleans per score.
    `count` must not exceed the number of eligible scores; scores must not be NaN.
    """
    n_eligible = [int(np.count_nonzero(flags)) for flags in eligible]
    if not 0 <= count <= sum(n_eligible):
        raise ValueError(f"count={count} of {sum(n_eligible)} eligible scores")
    if count == 0:
        return [np.zeros(flags.shape, dtype=np.bool_) for flags in eligible]
    pool = np.empty(sum(n_eligible), dtype=np.result_type(*(score.dtype for score in scores)))
    start = 0
    for score, flags, n in zip(scores, eligible, n_eligible, strict=True):
        if score.dtype == pool.dtype:
            np.compress(flags.ravel(), score.ravel(), out=pool[start : start + n])
        else:  # compress does not convert
            pool[start : start + n] = score[flags]
        start += n
    pool.partition(count - 1)
    threshold = pool[count - 1]
    n_ties = count - int(np.count_nonzero(pool[:count] < threshold))
    del pool
    chosen = []
    for score, flags in zip(scores, eligible, strict=True):
        below = score < threshold
        below &= flags
        if n_ties:
            ties = np.equal(score, threshold, order="C")
            ties &= flags
            n_ties -= _keep_first(ties, n_ties)
            below |= ties
        chosen.append(below)
    return chosen


def _keep_first(flags: Mask, count: int) -> int:
    """Clear all but the first `count` True entries of `flags`; return how many are left."""
    flat = flags.reshape(-1)  # a view: flags is C-contiguous
    left = count
    for start in range(0, flat.size, CHUNK):
        chunk = flat[start : start + CHUNK]
        n_here = int(np.count_nonzero(chunk))
        if n_here > left:
            chunk[np.flatnonzero(chunk)[left:]] = False
            n_here = left
        left -= n_here
    return count - left
