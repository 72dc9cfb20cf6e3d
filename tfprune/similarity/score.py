"""One comparison's result: the number, its noise floor and interval, and what it was taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from typing import Any

import numpy as np

from tfprune.similarity.accumulator import Accumulator
from tfprune.similarity.arrays import Array
from tfprune.similarity.intervals import above_chance, down_to_lost, interval_of
from tfprune.similarity.measure import Measure
from tfprune.similarity.null import Null, null_of
from tfprune.similarity.pair import Pair
from tfprune.similarity.parallel import Helpers, run_tasks, single_threaded_blas
from tfprune.similarity.statistics import ChannelCounts, Statistics
from tfprune.similarity.streaming import KeyPair


@dataclass(frozen=True)
class Score:
    """How similar two layers are by one measure; `float(score)` is the number.

    `value` is the measure's own number; for the CCA family it is the mean over *live* directions
    (`live`), beside which `nominal` divides by the smaller of the full widths, dead channels
    included. `interval` is the interval over images, `null` what unrelated layers of
    the same shape would score: the mean of random pairings of images, the highest of them
    (`null_high`), and how probable it is that they come as near as `value` (`null_p`, one-sided,
    of one pair of layers; see `tfprune.similarity.null.p_of_pairings`).

    `n_samples` counts data points (pixels in layout `pixels`), `n_images` images. `rank_a` and
    `rank_b` count independent live directions. Of the `width` channels of each side, `dead`
    are zero everywhere, `constant` are one other value everywhere, `masked` carry no signal
    because pruning removed all their weights: the three don't overlap. `duplicate` channels
    are copies of an earlier one up to shift and scale.

    `dense_share`, of the CCA family, is value * min(rank_a, rank_b) / rank_a: how much of side a's
    directions (the dense network's, in a run) is found in side b. For CCA and SVCCA it is
    sum(rho) / rank_a; PWCCA's weights know only directions that have a partner, so the others
    count as much as these do on average. A mean over the smaller rank can rise while b
    loses directions; this can't. It is 0 where nothing of b is left. `bias` is how far `value`
    lies above what all images of the population would give, as far as these images tell, and
    `corrected` is `value - bias`; None where no interval was asked for or can be had.

    >>> import numpy as np
    >>> from tfprune.similarity import Comparison
    >>> x = np.random.default_rng(0).normal(size=(200, 8))
    >>> comparison = Comparison([("fc", "fc")], measures=["svcca"])
    >>> comparison.update({"fc": x}, {"fc": x + np.roll(x, 1, axis=0)})
    >>> score = comparison.scores()["fc", "fc", "svcca"]
    >>> score.interval[0] < score.value < score.interval[1], score.null < 0.2
    (True, True)
    >>> score.rank_a, score.dead_a, score.n_images
    (8, 0, 200)
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
    null_p: float | None = None

    def __float__(self) -> float:
        return self.value

    def as_dict(self) -> dict[str, Any]:
        """Return every field as plain Python values, for CSV and JSON."""
        return asdict(self)


#: fewer images than this per direction, and CCA's own bias is no longer small
IMAGES_PER_DIRECTION = 10


def assess(
    accumulator: Accumulator,
    measures: list[Measure],
    masked: Mapping[str, Mapping[str, Array]],
) -> dict[tuple[str, str, str], Score]:
    """Return (layer of a, layer of b, measure name) -> Score."""
    statistics = Statistics(accumulator)

    def work(keys: KeyPair) -> list[Score]:
        counts = tuple(statistics.channels(k, masked[k.side].get(k.layer)) for k in keys)
        scores = []
        for measure, after in zip_longest(measures, measures[1:]):
            scores.append(_score(statistics, keys, measure, counts))
            if after is None or not (measure.whitens and after.whitens):
                statistics.let_go_of_pairings(keys)  # the next one has no use for them
        statistics.let_go(keys)
        return scores

    # one thread of BLAS each: its own would make the last bits depend on their number
    with single_threaded_blas():
        at_most = statistics.prepare(measures)
        with Helpers(statistics.n_helpers) as statistics.helpers:
            found = run_tasks(accumulator.pairs, work, threaded=True, at_most=at_most)
    return {
        (keys[0].layer, keys[1].layer, score.measure): score
        for keys, scores in zip(accumulator.pairs, found, strict=True)
        for score in scores
    }


def _score(
    statistics: Statistics, keys: KeyPair, measure: Measure, counts: tuple[ChannelCounts, ...]
) -> Score:
    accumulator = statistics.accumulator
    pair = statistics.pair(keys, measure)
    warnings: list[str] = []
    value, interval, null, live, nominal = float("nan"), None, Null(), None, None
    dense_share, bias = None, None
    silent = [k for k, side in zip(keys, (pair.x, pair.y), strict=True) if side.live.size == 0]
    if silent:
        named = " and ".join(f"{k.layer!r} of network {k.side}" for k in silent)
        warnings.append(f"no similarity: all channels of layer {named} are dead or constant")
        directions = _directions(pair, measure, of_rows=False)
        if _averages_correlations(measure) and pair.x.live.size:
            dense_share = 0.0
    else:
        value = measure(pair)
        directions = _directions(pair, measure)
        if measure.whitens and measure.samples == "n > d1 + d2":
            total = float(pair.correlations.sum())
            live, nominal = total / min(directions), total / min(side.width for side in counts)
        if _averages_correlations(measure):
            dense_share = value * min(directions) / directions[0]
        found = interval_of(statistics, keys, measure, value, sum(directions))
        null = null_of(statistics, keys, measure, value)
        if null.mean is not None:
            found = above_chance(found, null.mean, measure)
        found = down_to_lost(found, statistics, keys, measure, value)
        interval, bias, notes = found
        warnings += notes
        warnings += _sample_warnings(statistics, keys, measure, pair, directions)
    return Score(
        measure=measure.name,
        value=value,
        interval=interval,
        null=null.mean,
        null_high=null.high,
        null_method=null.method,
        n_samples=accumulator.n_rows[keys[0]],
        n_images=accumulator.n_images,
        rank=min(directions),
        rank_a=directions[0],
        rank_b=directions[1],
        live=live,
        nominal=nominal,
        layout=accumulator.settings.layout,
        dtype=str(np.result_type(*(accumulator.dtype[k] for k in keys))),
        definition=_definition(measure),
        warnings=tuple(warnings),
        dense_share=dense_share,
        corrected=None if bias is None else value - bias,
        bias=bias,
        null_p=null.p_value,
        **{
            f"{fact}_{side}": number
            for side, channels in zip("ab", counts, strict=True)
            for fact, number in channels._asdict().items()
        },
    )


def _averages_correlations(measure: Measure) -> bool:
    """Return whether the measure is of the CCA family: a mean, weighted or not, of rho."""
    whole = measure.whitens and measure.samples == "n > d1 + d2"
    return whole or measure.samples == "n > k1 + k2"


def _directions(pair: Pair, measure: Measure, *, of_rows: bool = True) -> tuple[int, int]:
    """Return how many directions of each side enter the measure; 0 of a silent side.

    Those of ill-conditioned layers are counted on their rows, unless one is silent.
    """
    if measure.directions is not None:
        return measure.directions(pair, **measure.options)
    if measure.whitens and of_rows:
        return pair.ranks
    return pair.x.whitening.rank, pair.y.whitening.rank


def _definition(measure: Measure) -> str:
    options = ", ".join(f"{name}={value:g}" for name, value in sorted(measure.options.items()))
    return f"{measure.definition} ({options})" if options else measure.definition


def _sample_warnings(
    statistics: Statistics,
    keys: KeyPair,
    measure: Measure,
    pair: Pair,
    directions: tuple[int, int],
) -> list[str]:
    accumulator = statistics.accumulator
    notes = []
    n_images, needed = accumulator.n_images, sum(directions)
    if measure.samples != "any" and n_images < IMAGES_PER_DIRECTION * needed:
        notes.append(
            f"{n_images / needed:.1f} images per direction ({n_images} images, {directions[0]} + "
            f"{directions[1]} directions): below {IMAGES_PER_DIRECTION}, unrelated layers look "
            "similar; compare the value with its null, and give more probe images (where "
            "--probe-size takes the whole split, a larger split)"
        )
    if measure.source == "rows" and accumulator.n_rows[keys[0]] > accumulator.settings.sample_size:
        sample = accumulator.samples[keys]
        images = (
            f", pixels of {sample.n_images} images" if accumulator.per_image[keys[0]] > 1 else ""
        )
        notes.append(
            f"computed on a random sample of {sample.keys.size} of {accumulator.n_rows[keys[0]]} "
            f"data points{images} (seed {accumulator.settings.seed})"
        )
    if measure.whitens and pair.is_coarse:
        notes.append(
            "channels are so close to dependent that float64 moments lose precision; raise the "
            "memory bound so that rows are kept, or compare on fewer images"
        )
    return notes
