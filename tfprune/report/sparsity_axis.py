"""A sparsity axis on which levels that remove the same share stand at equal distances."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_CANDIDATES = (0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.8, 0.2, 0.95, 0.98, 0.995, 0.998, 0.7, 0.6,
               0.3, 0.4, 0.1, 0.85, 0.05)  # fmt: skip
_SMALLEST_DENSITY = 1e-5


def log_density(sparsity: np.ndarray) -> np.ndarray:
    """Return -log10 of the share of weights kept: 0 for dense, 1 at 90 %, 2 at 99 %."""
    return -np.log10(np.maximum(1 - np.asarray(sparsity, dtype=float), _SMALLEST_DENSITY))


def sparsity_ticks(highest: float, *, n: int = 7) -> list[float]:
    """Return up to `n` round sparsities from 0 to `highest`, none too close to another."""
    end = float(log_density(np.array(highest)))
    room = max(end, 0.02) / (n - 1) * 0.8
    taken: list[float] = []
    for tick in _CANDIDATES:
        place = float(log_density(np.array(tick)))
        near = (abs(place - float(log_density(np.array(other)))) for other in taken)
        if place <= end * 1.001 and all(gap >= room for gap in near):
            taken.append(tick)
    return sorted(taken)


def sparsity_axis(
    axes: Axes, sparsities: Sequence[float], *, n: int = 7
) -> Callable[[np.ndarray], np.ndarray]:
    """Label the x axis with sparsity; return the function from a sparsity to its place."""
    highest = max(sparsities, default=0.0)
    ticks = sparsity_ticks(highest, n=n)
    axes.set_xticks(log_density(np.array(ticks)), [f"{100 * t:g}" for t in ticks])
    end = max(float(log_density(np.array(highest))), 0.02)
    axes.set_xlim(-0.03 * end, 1.04 * end)
    axes.set_xlabel("Sparsity (% of prunable weights)")
    return log_density
