"""What a report is made of: the tables of a run and, where there are any, its pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from tfprune.experiment.results import EpochResult, LevelResult, RunResult, SimilarityResult


@dataclass(frozen=True, eq=False)
class LayerMatrix:
    """Every dense layer against every layer of one level: `values[i, j]` compares
    `dense_layers[i]` with `level_layers[j]` by `measure`.
    """

    seed: int
    level: int
    measure: str
    dense_layers: tuple[str, ...]
    level_layers: tuple[str, ...]
    values: np.ndarray  # (n_dense_layers, n_level_layers)


@dataclass(frozen=True, eq=False)
class FirstLayerFilters:
    """Kernels of the first convolution, (height, width, channels_in, n_filters), both alike."""

    seed: int
    level: int
    layer: str
    dense: np.ndarray
    pruned: np.ndarray


@dataclass(frozen=True, eq=False)
class FlippedExample:
    """A test image that the pruned network answers differently than the dense one did."""

    seed: int
    level: int
    image: np.ndarray  # uint8, (height, width), (height, width, 1) or (height, width, 3)
    label: str
    dense_prediction: str
    pruned_prediction: str


@dataclass(frozen=True)
class ControlRow:
    """One level of a control beside the ticket, e.g. 'random mask', at the same sparsity.

    `similarity` maps measure -> mean over layers of the similarity with the dense network.
    """

    control: str
    seed: int
    level: int
    sparsity: float
    accuracy_test: float
    similarity: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report shows. What is empty is left out of it.

    `config` is the configuration as YAML; `versions` maps a package to its version;
    `provenance` maps a subject to a note, e.g. where the data set's copy differs from the
    original. `run_id` is MLflow's id of the parent run, None where nothing was tracked.
    """

    name: str
    levels: tuple[LevelResult, ...]
    similarities: tuple[SimilarityResult, ...] = ()
    run_id: str | None = None
    config: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    epochs: tuple[EpochResult, ...] = ()
    matrices: tuple[LayerMatrix, ...] = ()
    filters: tuple[FirstLayerFilters, ...] = ()
    flipped: tuple[FlippedExample, ...] = ()
    controls: tuple[ControlRow, ...] = ()

    @classmethod
    def of(cls, result: RunResult, **rest: object) -> ReportData:
        """Return the data of a run's result; `rest` are further fields."""
        return cls(
            name=result.name,
            run_id=result.run_id,
            levels=result.levels,
            similarities=result.similarities,
            **rest,  # type: ignore[arg-type]
        )
