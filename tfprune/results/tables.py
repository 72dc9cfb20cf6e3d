"""Records as tables: the CSV files of a run, and pandas' frames with their columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from tfprune.results.records import (
    COUNTS,
    ControlResult,
    LevelResult,
    OverlapResult,
    SimilarityResult,
)
from tfprune.results.text import csv_text

if TYPE_CHECKING:
    import pandas

_MAPPINGS = ("layer_sparsity", "facts")

#: pandas' types by a field's annotation: where a cell may be empty, one that can hold that
_DTYPES = {"int": "int64", "int | None": "Int64", "float": "float64", "float | None": "float64"}


def frame(kind: type[Any], rows: Sequence[Any]) -> pandas.DataFrame:
    """Return a table of records: a column for every field that is not a mapping."""
    import pandas

    names = [item for item in fields(kind) if item.name not in _MAPPINGS]
    columns = {
        item.name: pandas.Series(
            [getattr(row, item.name) for row in rows],
            dtype=_DTYPES.get(str(item.type)),
        )
        for item in names
    }
    return pandas.DataFrame(columns)


def similarity_frame(rows: Sequence[SimilarityResult]) -> pandas.DataFrame:
    """Return similarities as a table with the columns of `similarity.csv`, NaN for empty."""
    return frame(SimilarityResult, rows)


def _cell(value: Any) -> Any:
    return "" if value is None else value


def _whole(value: float | None) -> int | None:
    return None if value is None else round(value)


def levels_table(levels: Sequence[LevelResult]) -> tuple[list[str], list[list[Any]]]:
    """Return header and rows of `levels.csv`; None where a cell is empty."""
    names = [item.name for item in fields(LevelResult) if item.name not in _MAPPINGS]
    facts = list(dict.fromkeys(name for row in levels for name in row.facts))
    layers = list(dict.fromkeys(layer for row in levels for layer in row.layer_sparsity))
    rows = [
        [*(getattr(row, name) for name in names),
         *(_whole(row.facts.get(name)) if name in COUNTS else row.facts.get(name)
           for name in facts),
         *(row.layer_sparsity.get(layer) for layer in layers)]
        for row in levels
    ]  # fmt: skip
    return [*names, *facts, *(f"sparsity/{layer}" for layer in layers)], rows


def levels_csv(levels: Iterable[LevelResult]) -> str:
    """Return `levels.csv`; a column for every fact, and `sparsity/<layer>` per prunable layer."""
    header, rows = levels_table(list(levels))
    return csv_text(header, [[_cell(value) for value in row] for row in rows])


def similarity_csv(similarities: Iterable[SimilarityResult]) -> str:
    """Return `similarity.csv`: a row per seed, level, layer and measure."""
    names = [item.name for item in fields(SimilarityResult)]
    return csv_text(names, [[_cell(getattr(row, name)) for name in names] for row in similarities])


def controls_csv(controls: Iterable[ControlResult]) -> str:
    """Return `controls.csv`: a row per control, seed, level, layer and measure.

    `layer_sparsity` is the control's own in that layer, where it is known and the layer pruned.
    """
    controls = list(controls)
    later = ("dense_share", "rank_a", "rank_b")
    apart = ("similarity", "layer_sparsity", *later)
    names = [item.name for item in fields(ControlResult) if item.name not in apart]
    rows = [
        [*(_cell(getattr(row, name)) for name in names), measure, layer, value,
         _cell(row.layer_sparsity.get(layer)),
         *(_cell(getattr(row, name).get(measure, {}).get(layer)) for name in later)]
        for row in controls
        for measure, layers in row.similarity.items()
        for layer, value in layers.items()
    ]  # fmt: skip
    header = [*names, "measure", "layer", "similarity", "layer_sparsity", *later]
    return csv_text(header, rows)


def mask_overlap_csv(overlaps: Iterable[OverlapResult]) -> str:
    """Return `mask-overlap.csv`: a row per pair of seeds and level, two columns per layer."""
    overlaps = list(overlaps)
    names = [item.name for item in fields(OverlapResult) if not item.name.startswith("layer_")]
    layers = list(dict.fromkeys(layer for row in overlaps for layer in row.layer_jaccard))
    rows = [
        [*(getattr(row, name) for name in names),
         *(row.layer_jaccard[layer] for layer in layers),
         *(row.layer_chance[layer] for layer in layers)]
        for row in overlaps
    ]  # fmt: skip
    by_layer = [f"{what}/{layer}" for what in ("jaccard", "chance") for layer in layers]
    return csv_text([*names, *by_layer], rows)
