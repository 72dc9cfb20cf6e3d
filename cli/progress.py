"""Progress of an experiment on stderr: one bar over all steps, one line a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.experiment.observer import Observer

if TYPE_CHECKING:
    from tfprune.experiment.observer import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.results import ControlResult, Ledger, LevelResult, SimilarityResult
    from tfprune.training.trainer import EpochReport


class Progress(Observer):
    """A rich progress bar with level, epoch, accuracy and the time left.

    Where stderr is not a terminal nothing is drawn.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        from rich.console import Console

        self._quiet = quiet
        self._console = Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None
        self._levels = 0

    def run_started(self, plan: Plan, ledger: Ledger) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        if self._quiet or not self._console.is_terminal:
            return
        self._levels = plan.config.pruning.levels
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f}%"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=self._console,
            transient=True,
        )
        self._bar.start()
        self._task = self._bar.add_task("start", total=plan.total_steps, note="")

    def level_started(self, seed: int, level: int) -> None:
        self._update(description=f"seed {seed}  level {level}/{self._levels}", note="tracing ...")

    def steps_taken(self, n_steps: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, n_steps)

    def epoch_finished(self, seed: int, level: int, report: EpochReport) -> None:
        note = f"epoch {report.epoch + 1}: train {report.accuracy:.1%}"
        if report.validation_accuracy is not None:
            note += f", validation {report.validation_accuracy:.1%}"
        self._update(note=note)

    def level_finished(
        self,
        result: LevelResult,
        similarities: tuple[SimilarityResult, ...],
        trained: TrainedLevel,
    ) -> None:
        if self._bar is not None:
            self._console.print(
                f"seed {result.seed}  level {result.level}: sparsity {result.sparsity:.1%}, "
                f"test accuracy {result.accuracy_test:.1%}, {trained.seconds:.1f} s",
                highlight=False,
            )
            self._update(note="writing the report ..." if self._bar.finished else "")

    def control_finished(self, result: ControlResult) -> None:
        self._update(note=f"{result.control}: test {result.accuracy_test:.1%}")

    def tell(self, message: str) -> None:
        """Print a line that the user should know, beside the bar."""
        self._console.print(message, markup=False, highlight=False)

    def stop(self) -> None:
        """Take the bar off the screen, and leave a line free before what follows."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._console.print()

    def _update(self, **fields: Any) -> None:
        if self._bar is not None:
            self._bar.update(self._task, **fields)
