"""Progress of an experiment on stderr: one bar over all steps, one line a level."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tfprune.experiment.events import (
    ControlFinished,
    EpochFinished,
    Event,
    LevelFinished,
    LevelStarted,
    RunStarted,
    StepsTaken,
)

if TYPE_CHECKING:
    from tfprune.experiment.plan import Plan
    from tfprune.results import EpochResult, LevelResult


class Progress:
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

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        if isinstance(event, RunStarted):
            self._begin(event.plan)
        elif isinstance(event, LevelStarted):
            self._update(
                description=f"seed {event.seed}  level {event.level}/{self._levels}",
                note="tracing ...",
            )
        elif isinstance(event, StepsTaken):
            if self._bar is not None:
                self._bar.advance(self._task, event.n_steps)
        elif isinstance(event, EpochFinished):
            self._show_epoch(event.result)
        elif isinstance(event, LevelFinished):
            self._show_level(event.result, event.trained.seconds)
        elif isinstance(event, ControlFinished):
            row = event.result
            self._update(note=f"{row.control}: test {row.accuracy_test:.1%}")

    def _begin(self, plan: Plan) -> None:
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

    def _show_epoch(self, report: EpochResult) -> None:
        note = f"epoch {report.epoch + 1}: train {report.accuracy:.1%}"
        if report.validation_accuracy is not None:
            note += f", validation {report.validation_accuracy:.1%}"
        self._update(note=note)

    def _show_level(self, result: LevelResult, seconds: float) -> None:
        if self._bar is not None:
            self._console.print(
                f"seed {result.seed}  level {result.level}: sparsity {result.sparsity:.1%}, "
                f"test accuracy {result.accuracy_test:.1%}, {seconds:.1f} s",
                highlight=False,
            )
            self._update(note="writing the report ..." if self._bar.finished else "")

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
