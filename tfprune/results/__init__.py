"""What an experiment finds: records, the ledger that holds them in order, and their tables."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tfprune.results.descriptions import DescriptionResult, UnitResult
from tfprune.results.records import (
    ALSO_ACCURACY,
    ALSO_POTENTIAL,
    ALSO_WORSE,
    COUNTS,
    DENSE,
    OUTPUT_FLOOR,
    OUTPUT_SIMILARITY,
    SAME_INIT,
    SEED_FLOOR,
    ClassResult,
    ControlResult,
    EpochResult,
    ForgottenImage,
    LevelResult,
    OverlapResult,
    SimilarityResult,
)
from tfprune.results.run_result import RunResult
from tfprune.results.tables import (
    controls_csv,
    levels_csv,
    mask_overlap_csv,
    similarity_csv,
    similarity_frame,
)
from tfprune.results.text import csv_text

__all__ = [
    "ALSO_ACCURACY",
    "ALSO_POTENTIAL",
    "ALSO_WORSE",
    "COUNTS",
    "DENSE",
    "OUTPUT_FLOOR",
    "OUTPUT_SIMILARITY",
    "SAME_INIT",
    "SEED_FLOOR",
    "ClassResult",
    "ControlResult",
    "EpochResult",
    "ForgottenImage",
    "Ledger",
    "LevelResult",
    "OverlapResult",
    "RunResult",
    "SimilarityResult",
    "controls_csv",
    "csv_text",
    "levels_csv",
    "mask_overlap_csv",
    "similarity_csv",
    "similarity_frame",
]


@dataclass
class Ledger:
    """Everything an experiment has found so far, in the order in which it was found."""

    levels: list[LevelResult] = field(default_factory=list)
    similarities: list[SimilarityResult] = field(default_factory=list)
    epochs: list[EpochResult] = field(default_factory=list)
    controls: list[ControlResult] = field(default_factory=list)
    overlaps: list[OverlapResult] = field(default_factory=list)
    classes: list[ClassResult] = field(default_factory=list)
    forgotten: list[ForgottenImage] = field(default_factory=list)
    descriptions: list[DescriptionResult] = field(default_factory=list)
    units: list[UnitResult] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """Return plain values; floats survive JSON bit for bit."""
        return {
            item.name: [dataclasses.asdict(row) for row in getattr(self, item.name)]
            for item in dataclasses.fields(self)
        }

    @classmethod
    def from_dict(cls, nested: Mapping[str, Any]) -> Ledger:
        """Return the ledger that `to_dict` wrote."""
        return cls(
            levels=[LevelResult(**row) for row in nested["levels"]],
            similarities=[SimilarityResult(**row) for row in nested["similarities"]],
            epochs=[EpochResult(**row) for row in nested["epochs"]],
            controls=[ControlResult(**row) for row in nested["controls"]],
            overlaps=[OverlapResult(**row) for row in nested["overlaps"]],
            # runs of before kept neither
            classes=[ClassResult(**row) for row in nested.get("classes", ())],
            forgotten=[ForgottenImage(**row) for row in nested.get("forgotten", ())],
            descriptions=[DescriptionResult(**row) for row in nested.get("descriptions", ())],
            units=[UnitResult(**row) for row in nested.get("units", ())],
        )
