"""One comparison's result: the number, its noise floor and interval, and what it was taken from."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """How alike two layers are by one measure; `float(score)` is the number.

    `value` is the measure's own number; for the CCA family it is the mean over *live* directions
    (`live`), beside which `nominal` divides by the smaller of the full widths, dead channels
    included. `interval` is the interval over images over images, `null` what unrelated layers of
    the same shape would score (`null_high`: the highest of the permutations drawn).

    `n_samples` counts data points (pixels in layout `pixels`), `n_images` images. `rank_a` and
    `rank_b` count independent live directions. Of the `width` channels of each side, `dead`
    are zero everywhere, `constant` are one other value everywhere, `masked` carry no signal
    because pruning removed all their weights: the three don't overlap. `duplicate` channels
    are copies of an earlier one up to shift and scale.

    `dense_share`, of the CCA family, is sum(rho) / rank_a: how much of side a's directions (the
    dense network's, in a run) is found in side b. A mean over the smaller rank can rise while b
    loses directions; this can't. It is 0 where nothing of b is left. `bias` is how far `value`
    lies above what all images of the population would give, as far as these images tell, and
    `corrected` is `value - bias`; None where no interval was asked for or can be had.
    """

    measure: str
    value: float
    interval: tuple[float, float] | None
    null: float | None
    null_high: float | None
    null_method: str | None
    n_samples: int
    n_images: int
    rank: int
    rank_a: int
    rank_b: int
    width_a: int
    width_b: int
    live: float | None
    nominal: float | None
    dead_a: int
    dead_b: int
    constant_a: int
    constant_b: int
    masked_a: int
    masked_b: int
    duplicate_a: int
    duplicate_b: int
    layout: str
    dtype: str
    definition: str
    warnings: tuple[str, ...] = ()
    dense_share: float | None = None
    corrected: float | None = None
    bias: float | None = None

    def __float__(self) -> float:
        return self.value

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain Python values, for CSV and JSON."""
        return asdict(self)
