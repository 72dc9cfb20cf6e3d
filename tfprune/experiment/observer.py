"""Who watches an experiment: progress on a terminal, the tracker, a test."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tf_keras

    from tfprune.activations import ActivationReader
    from tfprune.data import Dataset, Normalization
    from tfprune.experiment.plan import Plan
    from tfprune.results import ControlResult, Ledger, LevelResult, SimilarityResult
    from tfprune.training.state import TrainingState
    from tfprune.training.trainer import EpochReport, Evaluation


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
    seconds: float


class Observer:
    """Is told what happens, in order; every method may be left as it is."""

    def run_started(self, plan: Plan, ledger: Ledger) -> None:
        """Everything was checked; training begins, or goes on where the ledger ends.

        The ledger grows while the experiment runs: at every later event it holds all records.
        """

    def level_started(self, seed: int, level: int) -> None:
        """A level is about to be pruned and trained."""

    def steps_taken(self, n_steps: int) -> None:
        """So many more optimizer steps were taken."""

    def epoch_finished(self, seed: int, level: int, report: EpochReport) -> None:
        """An epoch of a level was trained and validated."""

    def level_finished(
        self,
        result: LevelResult,
        similarities: tuple[SimilarityResult, ...],
        trained: TrainedLevel,
    ) -> None:
        """A level was trained, checked, evaluated and compared; its network is still alive."""

    def control_finished(self, result: ControlResult) -> None:
        """A control of the present level was trained, evaluated and compared."""

    def floor_measured(self, similarities: tuple[SimilarityResult, ...]) -> None:
        """A replicate's dense network was compared with an earlier replicate's."""


class Observers(Observer):
    """Tells several observers, in the order given."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def run_started(self, plan: Plan, ledger: Ledger) -> None:
        for observer in self._observers:
            observer.run_started(plan, ledger)

    def level_started(self, seed: int, level: int) -> None:
        for observer in self._observers:
            observer.level_started(seed, level)

    def steps_taken(self, n_steps: int) -> None:
        for observer in self._observers:
            observer.steps_taken(n_steps)

    def epoch_finished(self, seed: int, level: int, report: EpochReport) -> None:
        for observer in self._observers:
            observer.epoch_finished(seed, level, report)

    def level_finished(
        self,
        result: LevelResult,
        similarities: tuple[SimilarityResult, ...],
        trained: TrainedLevel,
    ) -> None:
        for observer in self._observers:
            observer.level_finished(result, similarities, trained)

    def control_finished(self, result: ControlResult) -> None:
        for observer in self._observers:
            observer.control_finished(result)

    def floor_measured(self, similarities: tuple[SimilarityResult, ...]) -> None:
        for observer in self._observers:
            observer.floor_measured(similarities)
