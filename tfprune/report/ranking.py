"""Which layers may be said to have changed most and least: only those that stand apart."""

from __future__ import annotations

import numpy as np


def set_apart(
    closeness: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[list[int], list[int]]:
    """Return the layers that changed most and those that changed least; [] where none stand apart.

    closeness, low, high: (seeds, layers), larger is closer. A group stands apart where, in every
    seed, the intervals of its layers lie wholly on one side of all others'. Where there are no
    intervals at all the values are compared, if there are two seeds or more: one value without an
    interval ranks nothing. A layer whose interval could not be had, while others have one, may
    lie anywhere. The smallest group of at most half the layers is returned. Layers with
    a missing value are left out.
    """
    known = np.flatnonzero(np.isfinite(closeness).all(axis=0))
    if len(known) < 2 or not len(closeness):
        return [], []
    bounded = np.isfinite(low) & np.isfinite(high)
    if len(closeness) < 2 and not bounded[:, known].all():
        return [], []
    if bounded.any():
        low, high = np.where(bounded, low, -np.inf), np.where(bounded, high, np.inf)
    else:
        low = high = closeness
    order = known[np.argsort(np.median(closeness[:, known], axis=0), kind="stable")]
    most: list[int] = []
    least: list[int] = []
    for size in range(1, len(order) // 2 + 1):
        below, above = order[:size], order[size:]
        if not most and (high[:, below].max(axis=1) < low[:, above].min(axis=1)).all():
            most = sorted(int(i) for i in below)
        below, above = order[:-size], order[-size:]
        if not least and (high[:, below].max(axis=1) < low[:, above].min(axis=1)).all():
            least = sorted(int(i) for i in above)
    return most, least
