"""Which layers changed most and least: said of the layers that can be ranked, and of no others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfprune.report.depth import LevelValues
from tfprune.report.labels import in_seeds, is_distance, listed, round_percent
from tfprune.similarity.intervals import why_never
from tfprune.similarity.measure import MEASURES, find_measure

#: seeds from which on layers are ranked over seeds
SEEDS_TO_RANK = 6

_ANYWHERE = np.finfo(float).max  # below it lies only what is dead


@dataclass(frozen=True)
class Order:
    """Indices of layers: those that changed most and least, the rest, and why others aren't ranked.

    `no_value` could not be compared in some seed, `no_interval` have no interval in some where
    one is needed. Neither is in the other groups; a dead layer, of which nothing is left, is.
    """

    most: tuple[int, ...]
    least: tuple[int, ...]
    rest: tuple[int, ...]
    no_value: tuple[int, ...]
    no_interval: tuple[int, ...]

    @property
    def ranked(self) -> tuple[int, ...]:
        """All that were set against each other."""
        return tuple(sorted((*self.most, *self.least, *self.rest)))


def order_of(values: LevelValues) -> Order:
    """Rank the layers of a level: those whose place is known in every seed.

    A layer that is dead at the level lies below every other and needs no interval. One whose
    interval was refused is not ranked, nor one without an interval where others have one; of
    a measure that never has any, values are compared (`set_apart`).
    """
    dead = values.dead
    closeness = np.where(dead, -np.inf, values.closeness)
    ends = (-values.high, -values.low) if is_distance(values.measure) else (values.low, values.high)
    low, high = (np.where(dead, -np.inf, end) for end in ends)
    unknown = np.isnan(closeness).any(axis=0)
    wanted = len(values.seeds) == 1 or np.isfinite(low).any() or values.refused.any()
    unbounded = np.isnan(low) | np.isnan(high)
    open_ = ~unknown & unbounded.any(axis=0) & wanted
    most, least = set_apart(np.where(unknown | open_, np.nan, closeness), low, high)
    if not most and not least and open_.any():  # only what is dead lies apart from these
        anywhere = (np.where(unbounded, end, known) for end, known in
                    ((-_ANYWHERE, low), (np.inf, high)))  # fmt: skip
        most, least = set_apart(np.where(unknown, np.nan, closeness), *anywhere)
        open_ &= not (most or least)
    left = np.flatnonzero(~unknown & ~open_)
    rest = [int(i) for i in left if i not in most and i not in least]
    groups = (most, least, rest, np.flatnonzero(unknown), np.flatnonzero(open_))
    return Order(*(tuple(int(i) for i in group) for group in groups))


def set_apart(
    closeness: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[list[int], list[int]]:
    """Return the layers that changed most and those that changed least; [] where none stand apart.

    closeness, low, high: (seeds, layers), larger is closer, -inf of a dead layer. A group stands
    apart where, in every seed, the intervals of its layers lie wholly on one side of all others'.
    Where there are no intervals at all the values are compared, if there are several seeds: one
    value without an interval ranks nothing. With one seed the groups are those of its two
    networks; a few seeds rank nothing: a layer that varies more than the others, or apart from
    them, is the lowest or the highest of them in up to half of the seeds, in all of six in 3% of
    experiments. The smallest group of at most half the layers is returned. Layers of which a value
    is missing (NaN) are left out; so are those without an interval where others have one.
    """
    if 1 < len(closeness) < SEEDS_TO_RANK:
        return [], []
    missing = np.isnan(low) | np.isnan(high)
    if len(closeness) > 1 and not np.isfinite(low).any():
        low, high, missing = closeness, closeness, np.isnan(closeness)
    known = np.flatnonzero(~(missing | np.isnan(closeness)).any(axis=0))
    if len(known) < 2 or not len(closeness):
        return [], []
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


def span(numbers: np.ndarray, *, digits: int = 2) -> str:
    """Return 'low to high' of the medians over seeds, (seeds, layers); 'dead' of no number."""
    known = [np.median(c[np.isfinite(c)]) for c in numbers.T if np.isfinite(c).any()]
    if not known:
        return "dead"
    low, high = f"{min(known):.{digits}f}", f"{max(known):.{digits}f}"
    return low if low == high else f"{low} to {high}"


def ranking(
    values: LevelValues, label: str, sparsity: float | None
) -> tuple[str, str, tuple[str, ...], tuple[int, ...]]:
    """Return the statement of which layers changed most and least, and of which it isn't known."""
    share = "" if sparsity is None else f", {round_percent(sparsity)} of the weights pruned"
    start = f"At level {values.level}{share}, "
    number = values.value
    known = [int(i) for i in np.flatnonzero(np.isfinite(number).any(axis=0))]
    if values.dead.all():
        return "ranking", f"{start}every layer is dead.", (), values.seeds
    if not known:
        return "ranking", f"{start}no layer could be compared by {label}.", (), values.seeds
    if len(values.layers) == 1:
        text = f"{start}{values.layers[0]} has {span(number)} ({label})."
        return "ranking", text, values.layers, values.seeds
    order = order_of(values)
    told = _Told(values, order)
    n = len(values.seeds)
    comparable = [*order.ranked, *order.no_interval]
    named = sorted({*known, *comparable})
    if order.most or order.least:
        text = f"{told.groups()}: {label}"
    elif len(comparable) < 2:
        only = [i for i in comparable if i in known]
        who = f"{told.names(only)} alone" if only else "no layer"
        everywhere = "" if n == 1 else " in every seed"
        text = f"{who} could be compared{everywhere}: {told.span(named)} ({label})"
    elif 1 < n < SEEDS_TO_RANK:
        few = f"{n} seeds are too few to rank the layers, {SEEDS_TO_RANK} would do"
        text = f"{few}: {told.span(named)} ({label})"
    elif len(order.ranked) < 2:
        text = f"{_unranked(values)}: {told.span(named)} ({label})"
    elif order.no_value or order.no_interval:
        text = (
            "none of the layers that can be ranked stands apart from the others: "
            f"{told.span(order.ranked)} ({label})"
        )
    else:
        text = f"no layer stands apart from the others: {told.span(order.ranked)} ({label})"
    if n > 1:
        whole = np.isfinite(number[:, known]).all()
        text += f", medians of {'' if whole else 'up to '}{n} seeds"
    sentences = [f"{start}{text}.", *told.left_out()]
    return "ranking", " ".join(sentences), told.of(named), values.seeds


def _unranked(values: LevelValues) -> str:
    """Say why no two layers can be ranked."""
    n, measure = len(values.seeds), values.measure
    if not values.refused.any() and n == 1 and not np.isfinite(values.low).any():
        why = ""
        if measure in MEASURES and why_never(find_measure(measure)) is not None:
            why = f" ({measure} has none)"
        return (
            f"one seed is too few to rank the layers without intervals over images{why}, "
            f"{SEEDS_TO_RANK} seeds would do"
        )
    return "no two layers can be ranked, for want of intervals over images"


class _Told:
    """Names and numbers of a level's layers, with digits enough to tell its groups apart."""

    def __init__(self, values: LevelValues, order: Order) -> None:
        self._values, self._order = values, order
        groups = [group for group in (order.most, order.least, order.rest) if group]
        self._digits = 2
        while self._digits < 4 and len({self.span(group) for group in groups}) < len(groups):
            self._digits += 1

    def of(self, chosen: Sequence[int]) -> tuple[str, ...]:
        return tuple(self._values.layers[i] for i in chosen)

    def names(self, chosen: Sequence[int]) -> str:
        return listed(self.of(chosen))

    def span(self, chosen: Sequence[int]) -> str:
        number = self._values.value[:, list(chosen)]
        text = span(number, digits=self._digits)
        lost = (self._values.dead[:, list(chosen)] & ~np.isfinite(number)).any()
        return f"{text} where alive" if lost and text != "dead" else text

    def groups(self) -> str:
        """Return 'conv2 changed most (0.50) and conv1 least (0.90), dense1 0.80'."""
        order, parts = self._order, []
        if order.most:
            parts.append(f"{self.names(order.most)} changed most ({self.span(order.most)})")
        if order.least:
            verb = "" if order.most else "changed "
            parts.append(f"{self.names(order.least)} {verb}least ({self.span(order.least)})")
        text = " and ".join(parts)
        if order.no_value or order.no_interval:
            text += " of the layers that can be ranked"
        return f"{text}, {self.names(order.rest)} {self.span(order.rest)}" if order.rest else text

    def left_out(self) -> list[str]:
        """Return the sentences on layers that have numbers and yet are not ranked, and why."""
        order, values = self._order, self._values
        if len(order.ranked) < 2 and not order.no_value:
            return []  # said already
        unbounded = ~values.dead & (np.isnan(values.low) | np.isnan(values.high))
        unknown = ~values.dead & ~np.isfinite(values.value)
        parts = []
        for what, layers, gone in (
            ("a value", order.no_value, unknown),
            ("an interval", order.no_interval, unbounded),
        ):
            parts += [
                f"{values.layers[i]} ({self.span([i])}), for want of {what}"
                + in_seeds(values.seeds, gone[:, i])
                for i in layers
                if np.isfinite(values.value[:, i]).any()
            ]
        return [f"Not ranked: {'; '.join(parts)}."] if parts else []
