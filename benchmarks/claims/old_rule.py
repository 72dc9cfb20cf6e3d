"""The rule that `tfprune.similarity.claims` took the place of, kept to be compared with."""

from __future__ import annotations

import numpy as np


def any_claim(own: np.ndarray, floor: np.ndarray, *, half_width: float) -> np.ndarray:
    """Return per experiment whether any layer was called closer or farther, (n,) bool.

    A layer was closer where the lowest of its replicates lay above every dense pair, farther
    where the highest lay below all. Only the pairs with the first seed were taken; of a single
    pair it was the ends of its bootstrap interval, `half_width` to either side.
    """
    pairs = floor[..., 0, 1:]
    if own.shape[-1] == 2:
        low, high = pairs[..., 0] - half_width, pairs[..., 0] + half_width
    else:
        low, high = pairs.min(axis=-1), pairs.max(axis=-1)
    return ((own.min(axis=-1) > high) | (own.max(axis=-1) < low)).any(axis=-1)
