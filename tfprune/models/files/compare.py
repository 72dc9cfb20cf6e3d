"""How far apart two arrays are, and what that is compared with."""

from __future__ import annotations

from collections.abc import Sequence
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


def gradient_scales(gradients: Sequence[Any]) -> list[float]:
    """Return the size that each gradient of one operation is compared by.

    It is the gradient's largest absolute value, but at least a tenth of the largest among all of
    the operation's: a gradient may be a sum of terms as large as those of the others that cancel.
    That by the bias of an attention's keys is zero in exact arithmetic, since a softmax does not
    see a constant added to its row; what is found is the rounding of its terms, and no two
    libraries agree on that.
    """
    sizes = [scale(gradient) for gradient in gradients]
    return [max(size, 0.1 * max(sizes)) for size in sizes]
