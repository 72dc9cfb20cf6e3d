"""Replicates: networks of one setting that chance alone tells apart, each counted once.

A replicate is known by its seed and, where the grid gives one, by the seed of its data order: a
sweep may go over either. Pages and tables of a sweep need one number for each.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import yaml

from tfprune.config import RunConfig
from tfprune.report.data import ControlRow, ReportData
from tfprune.results import EpochResult, LevelResult, SimilarityResult

Row = TypeVar("Row", LevelResult, EpochResult, ControlRow)


@dataclass(frozen=True)
class Replicate:
    """What a network owes to chance: its seed, and that of its data order where it has its own."""

    seed: int
    order: int | None = None

    def __str__(self) -> str:
        return f"seed {self.seed}{'' if self.order is None else f', data order {self.order}'}"


def replicate_of(config: RunConfig, seed: int) -> Replicate:
    """Return the replicate of a run that has this seed."""
    order = config.training.data_order_seed
    return Replicate(seed, None if order is None else order + seed - config.seed)


def replicates_of(config: RunConfig) -> list[Replicate]:
    """Return all replicates of a run."""
    return [replicate_of(config, seed) for seed in config.seeds]


def numbered(replicates: Iterable[Replicate]) -> dict[Replicate, int]:
    """Return a number for each replicate: its seed, or where two share one 0, 1, ... in order.

    >>> numbered([Replicate(7), Replicate(5)])[Replicate(7)]
    7
    >>> list(numbered([Replicate(0, 9), Replicate(0, 8)]).values())
    [0, 1]
    """
    found = sorted(
        set(replicates), key=lambda one: (one.seed, -1 if one.order is None else one.order)
    )
    if len({one.seed for one in found}) == len(found):
        return {one: one.seed for one in found}
    return {one: number for number, one in enumerate(found)}


def together(
    name: str, runs: Sequence[tuple[RunConfig, ReportData]], numbers: Mapping[Replicate, int]
) -> ReportData:
    """Return the data of runs that differ in their seeds alone as that of one run.

    Each replicate comes once, from the first run that has it, with its number as its seed.
    """
    levels: list[LevelResult] = []
    epochs: list[EpochResult] = []
    controls: list[ControlRow] = []
    similarities: list[SimilarityResult] = []
    taken: set[int] = set()
    for config, data in runs:
        number = {seed: numbers[replicate_of(config, seed)] for seed in config.seeds}
        new = {seed for seed, known in number.items() if known not in taken}
        taken |= set(number.values())
        levels += [_as(row, number) for row in data.levels if row.seed in new]
        epochs += [_as(row, number) for row in data.epochs if row.seed in new]
        controls += [_as(row, number) for row in data.controls if row.seed in new]
        similarities += [
            dataclasses.replace(
                row,
                seed=number[row.seed],
                against_seed=None if row.against_seed is None else number[row.against_seed],
            )
            for row in data.similarities
            if {row.seed, row.against_seed} & new
        ]
    first = runs[0][1]
    return dataclasses.replace(
        first,
        name=name,
        run_id=None,
        config=_without_seeds(first.config),
        levels=tuple(levels),
        similarities=tuple(similarities),
        epochs=tuple(epochs),
        controls=tuple(controls),
        matrices=(),
        filters=(),
        flipped=(),
    )


def _as(row: Row, number: Mapping[int, int]) -> Row:
    """Return a row with its replicate's number as its seed."""
    return dataclasses.replace(row, seed=number[row.seed])


def _without_seeds(config: str) -> str:
    """Return a configuration as YAML without what differs between a setting's replicates."""
    nested = yaml.safe_load(config)
    if not isinstance(nested, dict):
        return config
    nested.pop("seed", None)
    nested.pop("replicates", None)
    if isinstance(nested.get("training"), dict):
        nested["training"].pop("data_order_seed", None)
    return yaml.safe_dump(nested, sort_keys=False)
