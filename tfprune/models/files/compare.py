"""How far apart two arrays are, and what that is compared with."""

from __future__ import annotations

from typing import Any

import numpy as np


def _array(value: Any) -> np.ndarray:
    return np.asarray(value).astype("float64")


def difference(ours: Any, theirs: Any) -> float:
    """Return the largest absolute difference of two arrays.

    Infinite when their shapes differ or either holds a value that is not finite.
    """
    a, b = _array(ours), _array(theirs)
    if a.shape != b.shape or not (np.isfinite(a).all() and np.isfinite(b).all()):
        return float("inf")
    return float(np.abs(a - b).max(initial=0.0))


def scale(value: Any) -> float:
    """Return the largest absolute value in an array, at least 1e-3."""
    return max(1e-3, float(np.abs(_array(value)).max(initial=0.0)))
