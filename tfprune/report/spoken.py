"""The similarities that answer, tables and charts over depth speak of, out of all that were taken.

Two things would make a mean over seeds say what is not so, and both are mended here once: a seed
whose accuracy collapsed, and a measure that averages over the directions that are left and so can
rise while a layer dies.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence

from tfprune.report.labels import measure_label
from tfprune.report.levels import not_collapsed
from tfprune.results import DENSE, LevelResult, SimilarityResult


def spoken(
    levels: Sequence[LevelResult], similarities: Sequence[SimilarityResult]
) -> tuple[SimilarityResult, ...]:
    """Return what is spoken of: seeds that did not collapse, the CCA family by its share.

    A level's rows are those of `not_collapsed` seeds, the floors' those of dense networks that
    trained. Of a measure whose rows all know their `dense_share`, `similarity` is that share, and
    interval and null, which are of the same sum of correlations, are scaled alike.
    """
    kept = {
        level: {row.seed for row in not_collapsed(levels, level=level)}
        for level in {row.level for row in levels}
    }
    rows = [row for row in similarities if _is_kept(row, kept)]
    shares = {name for name in {r.measure for r in rows} if speaks_of_share(rows, name)}
    return tuple(_as_share(row) if row.measure in shares else row for row in rows)


def speaks_of_share(similarities: Sequence[SimilarityResult], measure: str) -> bool:
    """Return whether the share of the dense layer's directions is known wherever a value is."""
    known = [
        row.dense_share
        for row in similarities
        if row.measure == measure and math.isfinite(row.similarity)
        and (row.level or row.against != DENSE)
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


def _as_share(row: SimilarityResult) -> SimilarityResult:
    if row.dense_share is None or not math.isfinite(row.similarity):
        return row
    factor = row.dense_share / row.similarity if row.similarity else 1.0

    def scaled(value: float | None) -> float | None:
        return None if value is None else value * factor

    return dataclasses.replace(
        row,
        similarity=row.dense_share,
        low=scaled(row.low),
        high=scaled(row.high),
        null=scaled(row.null),
        null_high=scaled(row.null_high),
    )


def _is_kept(row: SimilarityResult, kept: Mapping[int, set[int]]) -> bool:
    seeds = {row.seed} if row.against_seed is None else {row.seed, row.against_seed}
    level = row.level if row.against == DENSE else 0
    return level not in kept or seeds <= kept[level]
