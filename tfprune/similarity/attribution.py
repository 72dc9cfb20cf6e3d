"""What of a layer the other one has lost: by channel and by canonical direction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.pair import Pair


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
