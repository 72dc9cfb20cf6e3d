"""The similarities that answer, tables and charts over depth speak of, out of all that were taken.

Two things would make a mean over seeds say what is not so, and both are mended here once: a seed
whose accuracy collapsed, and a measure that averages over the directions that are left and so can
rise while a layer dies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from tfprune.report.collapse import failed_again, kept_networks
from tfprune.report.labels import measure_label
from tfprune.results import DENSE, SAME_INIT, LevelResult, SimilarityResult


def spoken(
    levels: Sequence[LevelResult],
    similarities: Sequence[SimilarityResult],
    *,
    by_share: bool = True,
) -> tuple[SimilarityResult, ...]:
    """Return what is spoken of: seeds that did not collapse, the CCA family by its share.

    A level's rows are those of `not_collapsed` seeds, the floors' those of dense networks that
    trained, and did so when trained again (`failed_again`). Of a measure whose rows all know their
    `dense_share`, `similarity` is that share, and interval and null, which are of the same sum of
    correlations, are scaled alike; not so without `by_share`.
    """
    kept: dict[int, set[int]] = {}
    for level, seed in kept_networks(levels):
        kept.setdefault(level, set()).add(seed)
    no_floor = set(failed_again(levels))
    rows = [
        row
        for row in similarities
        if _is_kept(row, kept) and not (row.against == SAME_INIT and row.seed in no_floor)
    ]
    if not by_share:
        return tuple(rows)
    shares = {name for name in {r.measure for r in rows} if speaks_of_share(rows, name)}
    return tuple(as_share(row) if row.measure in shares else row for row in rows)


def speaks_of_share(similarities: Sequence[SimilarityResult], measure: str) -> bool:
    """Return whether the share of the dense layer's directions is known wherever a value is."""
    known = [
        row.dense_share
        for row in similarities
        if row.measure == measure and (row.level or row.against != DENSE)
        and (math.isfinite(row.similarity) or row.dense_share is not None)
    ]  # fmt: skip
    return bool(known) and all(share is not None for share in known)


def spoken_label(similarities: Sequence[SimilarityResult], measure: str) -> str:
    """Return what the numbers of `spoken` are called."""
    label = measure_label(measure)
    if speaks_of_share(similarities, measure):
        return f"share of the dense directions left, by {label.removesuffix(' similarity')}"
    return label


def layers_legend(similarities: Sequence[SimilarityResult], measure: str) -> str:
    """Return the sentence under a table whose last columns are layers."""
    if speaks_of_share(similarities, measure):
        return f"Layers: {spoken_label(similarities, measure)} (dense_share)."
    return f"Layers: {measure_label(measure)} with the dense network."


def as_share(row: SimilarityResult) -> SimilarityResult:
    """Return a row as the share of the dense directions, 0 of a dead layer; itself without one."""
    share = row.share
    if share is None:
        return row
    if not math.isfinite(row.similarity):
        return dataclasses.replace(row, similarity=share)
    factor = row.share_factor  # the mean is over the smaller rank, which interval and null share

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    return dataclasses.replace(
        row,
        similarity=share,
        low=scaled(row.low),
        high=scaled(row.high),
        null=scaled(row.null),
        null_high=scaled(row.null_high),
    )


def _is_kept(row: SimilarityResult, kept: Mapping[int, set[int]]) -> bool:
    seeds = {row.seed} if row.against_seed is None else {row.seed, row.against_seed}
    level = row.level if row.against == DENSE else 0
    return level not in kept or seeds <= kept[level]
