"""What two runs have in common to be compared by: levels of one sparsity, numbers of each seed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np

from tfprune.report.data import ReportData
from tfprune.report.depth import LevelValues, level_values, measures_of
from tfprune.report.labels import (
    in_seeds,
    is_distance,
    percent,
    round_percent,
    sparsity_by_level,
)
from tfprune.report.spoken import spoken, spoken_label

#: levels are of one sparsity where their shares of pruned weights differ by this at most ...
SAME_SPARSITY = 0.01
#: ... and the weights that they keep by this share of them: 98.5% and 99.3% are a factor of two
SAME_KEPT = 0.05

ACCURACY = "test accuracy"


@dataclass(frozen=True)
class Subject:
    """One number of two runs: seed -> value on either side, and how it is told.

    `missing` says where it has no value, as 'dead in seed 0 of b'. With `by_seed`, values are
    those of seeds that both have, if any.
    """

    name: str
    one: Mapping[int, float]
    other: Mapping[int, float]
    shape: str
    by_seed: bool
    closeness: int = 1  # -1 where a smaller number is more similar
    missing: str = ""

    @property
    def paired(self) -> bool:
        """Whether values are pairs, of one seed each."""
        return self.by_seed and bool(set(self.one) & set(self.other))

    @property
    def values(self) -> tuple[list[float], list[float]]:
        if self.paired:
            both = sorted(set(self.one) & set(self.other))
            return [self.one[s] for s in both], [self.other[s] for s in both]
        return list(self.one.values()), list(self.other.values())

    @property
    def n_seeds(self) -> int:
        return min(map(len, self.values))

    @property
    def over(self) -> str:
        """'9 shared seeds' or '9 and 8 seeds'."""
        one, other = map(len, self.values)
        return f"{one} shared seeds" if self.paired else f"{other} and {one} seeds"

    @property
    def apart(self) -> float:
        """How much more similar, or accurate, the other run is."""
        one, other = map(np.mean, self.values)
        return float(other - one) * self.closeness

    @property
    def told(self) -> str:
        """'other against one', of several seeds the means, with digits enough to see a difference.

        The digits of means that are equal but for rounding show no difference.
        """
        one, other = (float(np.mean(side)) for side in self.values)
        digits, letter = int(self.shape[1]), self.shape[2]
        while digits < 5 and f"{one:.{digits}{letter}}" == f"{other:.{digits}{letter}}":
            if abs(one - other) < 1e-5:
                break
            digits += 1
        return " against ".join(f"{value:.{digits}{letter}}" for value in (other, one))


def pruned(one: float, other: float) -> str:
    """Return '36% of the weights pruned', of two sparsities that differ both, the other's first."""
    shares = [round_percent(other), round_percent(one)]
    if _same_kept(one, other, within=0.001):
        return f"{shares[0]} of the weights pruned"
    digits = 1
    while shares[0] == shares[1] and digits < 5:
        shares = [percent(share, digits=digits) for share in (other, one)]
        digits += 1
    return f"{shares[0]} of the weights pruned against {shares[1]}"


def _same_kept(one: float, other: float, *, within: float) -> bool:
    return abs(one - other) <= within * (1 - min(one, other)) + 1e-12


def matched_levels(one: ReportData, other: ReportData) -> tuple[int, int] | None:
    """Return the sparsest pruned level of `one` that `other` has too, and which that is there.

    Sparsities are the same to a point, and to a twentieth of the weights that are kept.
    """
    theirs = {n: s for n, s in sparsity_by_level(other.levels).items() if n}
    for level, sparsity in sorted(sparsity_by_level(one.levels).items(), reverse=True):
        near = {
            n: abs(s - sparsity)
            for n, s in theirs.items()
            if _same_kept(s, sparsity, within=SAME_KEPT)
        }
        if level and near and min(near.values()) <= SAME_SPARSITY:
            return level, min(near, key=lambda n: near[n])
    return None


def layer_subjects(
    first: tuple[str, ReportData],
    second: tuple[str, ReportData],
    levels: tuple[int, int],
    *,
    seeds: Collection[int] | None,
) -> tuple[list[Subject], str]:
    """Return every layer as a subject and what its numbers are; nothing where runs differ in it.

    `seeds` are those whose values are pairs, the only ones that count then; None of no pairs.
    """
    (one, data), (other, theirs) = first, second
    known = measures_of(theirs.similarities)
    measure = next((name for name in measures_of(data.similarities) if name in known), None)
    if measure is None:
        return [], ""
    labels = {spoken_label(run.similarities, measure) for run in (data, theirs)}
    values = [
        level_values(spoken(run.levels, run.similarities), measure=measure, level=level)
        for run, level in zip((data, theirs), levels, strict=True)
    ]
    if len(labels) > 1 or values[0].layers != values[1].layers:
        return [], ""
    found = []
    for i, layer in enumerate(values[0].layers):
        a, b = (
            {seed: float(v) for seed, v in zip(of.seeds, of.value[:, i], strict=True)
             if np.isfinite(v) and (seeds is None or seed in seeds)}
            for of in values
        )  # fmt: skip
        missing = [
            _missing(of, i, name, seeds) for of, name in zip(values, (one, other), strict=True)
        ]
        sign = -1 if is_distance(measure) else 1
        found.append(
            Subject(layer, a, b, ".2f", seeds is not None, sign, ", ".join(filter(None, missing)))
        )
    return found, labels.pop()


def shared_seeds(one: ReportData, other: ReportData) -> frozenset[int] | None:
    """Return the seeds of both runs, whose values are pairs; None where values are not paired.

    They are paired where most seeds of the run that has fewer are those of the other too: pairs
    show more than runs apart do, as long as not too many seeds are left out for them.
    """
    sides = [{row.seed for row in run.levels} for run in (one, other)]
    shared = frozenset(sides[0] & sides[1])
    return shared if 2 * len(shared) > min(map(len, sides)) else None


def _missing(values: LevelValues, i: int, run: str, seeds: Collection[int] | None) -> str:
    """Return 'dead in seed 0 of b, not comparable in seed 1 of b'; '' of what has all values."""
    counts = np.array([seeds is None or seed in seeds for seed in values.seeds])
    lost = ~np.isfinite(values.value[:, i]) & counts
    kinds = (("dead", lost & values.dead[:, i]), ("not comparable", lost & ~values.dead[:, i]))
    return ", ".join(
        f"{kind}{in_seeds(values.seeds, where) or ' in all seeds' * (len(where) > 1)}"
        f" {'of' if len(where) > 1 else 'in'} {run}"
        for kind, where in kinds
        if where.any()
    )
