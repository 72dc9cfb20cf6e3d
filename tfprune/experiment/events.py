"""What happens in an experiment, in order: what its loop yields, and who watches is told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import tf_keras

    from tfprune.activations import ActivationReader
    from tfprune.data import Dataset, Normalization
    from tfprune.experiment.checkpoint import Position
    from tfprune.experiment.plan import Plan
    from tfprune.results import (
        ClassResult,
        ControlResult,
        DescriptionResult,
        EpochResult,
        ForgottenImage,
        Ledger,
        LevelResult,
        OverlapResult,
        SimilarityResult,
        UnitResult,
    )
    from tfprune.training.evaluation import Evaluation
    from tfprune.training.state import TrainingState


@dataclass(frozen=True, eq=False)
class RunStarted:
    """Everything was checked; training begins, or goes on where the ledger ends.

    The ledger grows while the experiment runs: at every later event it holds all records.
    """

    plan: Plan
    ledger: Ledger


@dataclass(frozen=True)
class LevelStarted:
    """A level is about to be pruned and trained."""

    seed: int
    level: int


@dataclass(frozen=True)
class StepsTaken:
    """So many more optimizer steps were taken: told while a level trains, and kept nowhere."""

    n_steps: int


@dataclass(frozen=True)
class Describing:
    """A layer of a trained level is being described: told while it lasts, and kept nowhere.

    `kind` is one of `config.words.DESCRIPTIONS`.
    """

    layer: str
    kind: str


@dataclass(frozen=True, eq=False)
class EpochFinished:
    """An epoch of a level was trained and validated; `position` returns where the seed stands."""

    result: EpochResult
    position: Callable[[], Position]


@dataclass(frozen=True, eq=False)
class TrainedLevel:
    """A level after its training, with the networks it speaks of while they are still alive.

    `network` is the level's own, `dense` a plain copy with the dense network's weights; `reader`
    and `dense_reader` give their activations. `start` is the state that its survivors were set
    back to, `dense_predictions` are the dense network's answers on the test images.
    """

    seed: int
    level: int
    masks: Mapping[str, np.ndarray]
    network: tf_keras.Model
    dense: tf_keras.Model
    reader: ActivationReader
    dense_reader: ActivationReader
    dataset: Dataset
    normalization: Normalization
    start: TrainingState
    dense_predictions: np.ndarray
    test: Evaluation
    validation: Evaluation | None


@dataclass(frozen=True, eq=False)
class LevelFinished:
    """A level was trained, checked, evaluated and compared; its network is still alive."""

    result: LevelResult
    similarities: tuple[SimilarityResult, ...]
    overlaps: tuple[OverlapResult, ...]
    trained: TrainedLevel
    classes: tuple[ClassResult, ...] = ()
    forgotten: tuple[ForgottenImage, ...] = ()
    descriptions: tuple[DescriptionResult, ...] = ()
    units: tuple[UnitResult, ...] = ()


@dataclass(frozen=True, eq=False)
class ControlFinished:
    """A control of the present level was trained, evaluated and compared."""

    result: ControlResult


@dataclass(frozen=True, eq=False)
class FloorMeasured:
    """A dense network was compared with another seed's, or with itself trained again."""

    similarities: tuple[SimilarityResult, ...]


#: stage after the last level -> what is done in it, in the order in which they come
STAGES = {
    "networks": "writing the networks ...",
    "report": "writing the report ...",
    "store": "storing the remaining records ...",
}


@dataclass(frozen=True)
class StageStarted:
    """All levels are done, and a stage of what follows begins: one of STAGES."""

    stage: str


@dataclass(frozen=True)
class RunFinished:
    """Everything was written, and the store has it or was waited for."""


Event: TypeAlias = (
    RunStarted | LevelStarted | StepsTaken | Describing | EpochFinished | LevelFinished
    | ControlFinished | FloorMeasured | StageStarted | RunFinished
)  # fmt: skip
Watch: TypeAlias = Callable[[Event], object]


def enter(event: Event, ledger: Ledger) -> None:
    """Enter the records of an event into the ledger; an epoch that it holds stays as it was."""
    if isinstance(event, EpochFinished):
        row = event.result
        level = (row.seed, row.level)
        latest = takewhile(
            lambda known: (known.seed, known.level) == level, reversed(ledger.epochs)
        )
        if all(known.epoch != row.epoch for known in latest):
            ledger.epochs.append(row)
    elif isinstance(event, LevelFinished):
        ledger.levels.append(event.result)
        ledger.similarities += event.similarities
        ledger.overlaps += event.overlaps
        ledger.classes += event.classes
        ledger.forgotten += event.forgotten
        ledger.descriptions += event.descriptions
        ledger.units += event.units
    elif isinstance(event, ControlFinished):
        ledger.controls.append(event.result)
    elif isinstance(event, FloorMeasured):
        ledger.similarities += event.similarities
