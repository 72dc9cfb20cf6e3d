"""Who watches an experiment: progress on a terminal, the tracker, a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tfprune.experiment.checkpoint import Ledger
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.replicate import TrainedLevel
    from tfprune.experiment.results import ControlResult, LevelResult, SimilarityResult
    from tfprune.training.trainer import EpochReport


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
