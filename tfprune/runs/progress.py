"""Progress of an experiment: a bar on a terminal or in a notebook, else one line a level."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any, Protocol

from tfprune.experiment.events import (
    STAGES,
    ControlFinished,
    Describing,
    EpochFinished,
    Event,
    FloorMeasured,
    LevelFinished,
    LevelStarted,
    RunFinished,
    RunStarted,
    StageStarted,
    StepsTaken,
)

if TYPE_CHECKING:
    from tfprune.experiment.events import Watch
    from tfprune.experiment.plan import Plan
    from tfprune.results import EpochResult

#: what is counted for a comparison, and for each stage after training, as a share of the steps of
#: a level: how long they take is not known before
_SHARE_OF_LEVEL = 0.1
_BETWEEN_UPDATES = 0.1  # seconds, of a notebook's bar


class View(Protocol):
    """Where progress is shown."""

    def start(self, total: int) -> None:
        """Begin, with so many units of work ahead."""

    def advance(self, n: int) -> None:
        """Count units as done."""

    def say(self, *, where: str | None = None, note: str | None = None) -> None:
        """Show where the experiment is, and what it does there."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def stop(self) -> None:
        """Take away what moves; the lines stay."""


class Progress:
    """Shows the events of an experiment, which it watches, on standard error or in a notebook.

    A bar with level, epoch, accuracy and the time left stands on a terminal and in a notebook; it
    counts the steps of training, the comparisons, and what follows training: report, networks and
    store. A line for each level stays: on its own where there is neither (a log).
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._view: View = _Nothing() if quiet else _view()
        self._levels = 0
        self._unit = 0
        self._started = time.monotonic()

    def __call__(self, event: Event) -> None:
        """Show what happened."""
        view = self._view
        if isinstance(event, RunStarted):
            self._begin(event.plan)
        elif isinstance(event, LevelStarted):
            self._started = time.monotonic()
            where = f"seed {event.seed}  level {event.level}/{self._levels}"
            view.say(where=where, note="tracing ...")
        elif isinstance(event, StepsTaken):
            view.advance(event.n_steps)
        elif isinstance(event, EpochFinished):
            view.say(note=_epoch(event.result))
            if event.result.epoch + 1 == self._epochs:
                view.say(note="comparing ...")
        elif isinstance(event, Describing):
            view.say(note=f"{event.kind} of {event.layer} ...")
        elif isinstance(event, LevelFinished):
            seconds, self._started = time.monotonic() - self._started, time.monotonic()
            row = event.result
            view.line(
                f"seed {row.seed}  level {row.level}: sparsity {row.sparsity:.1%}, "
                f"test accuracy {row.accuracy_test:.1%}, {seconds:.1f} s"
            )
            view.advance(self._unit)
            view.say(note="")
        elif isinstance(event, ControlFinished):
            control = event.result
            view.say(note=f"{control.control}: test {control.accuracy_test:.1%}")
        elif isinstance(event, FloorMeasured):
            view.say(note="compared with another dense network")
        elif isinstance(event, StageStarted):
            if event.stage != next(iter(STAGES)):  # the one before it is done
                view.advance(self._unit)
            view.say(where="after training", note=STAGES[event.stage])
        elif isinstance(event, RunFinished):
            view.advance(self._unit)

    def _begin(self, plan: Plan) -> None:
        config = plan.config
        self._levels = config.pruning.levels
        self._epochs = -(-plan.n_steps // plan.steps_per_epoch)
        self._unit = max(1, round(_SHARE_OF_LEVEL * plan.n_steps))
        n_compared = (self._levels + 1) * len(config.seeds)
        self._view.start(plan.total_steps + self._unit * (n_compared + len(STAGES)))

    def tell(self, message: str) -> None:
        """Show a remark that the user should know, beside the bar."""
        print(message, file=sys.stderr)

    def stop(self) -> None:
        """Take the bar away."""
        self._view.stop()


@contextlib.contextmanager
def shown(watch: Watch, progress: bool | None) -> Iterator[Watch]:
    """Yield a watch that shows progress too, until the end of the block.

    `progress` None shows it where someone looks on: on a terminal and in a notebook.
    """
    if progress is False or (progress is None and not (in_notebook() or sys.stderr.isatty())):
        yield watch
        return
    bar = Progress()

    def both(event: Event) -> None:
        bar(event)
        watch(event)

    try:
        yield both
    finally:
        bar.stop()


def in_notebook() -> bool:
    """Whether this process is the kernel of a notebook (Jupyter, VS Code, Colab)."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None) is not None


def _view() -> View:
    if in_notebook():
        return _NotebookBar()
    return _TerminalBar() if sys.stderr.isatty() else _Lines()


def _epoch(report: EpochResult) -> str:
    note = f"epoch {report.epoch + 1}: train {report.accuracy:.1%}"
    if report.validation_accuracy is not None:
        note += f", validation {report.validation_accuracy:.1%}"
    return note


class _Nothing:
    """Shows nothing."""

    def start(self, total: int) -> None: ...

    def advance(self, n: int) -> None: ...

    def say(self, *, where: str | None = None, note: str | None = None) -> None: ...

    def line(self, text: str) -> None: ...

    def stop(self) -> None: ...


class _Lines(_Nothing):
    """Shows the lines alone: what a log keeps."""

    def line(self, text: str) -> None:
        print(text, file=sys.stderr, flush=True)


class _TerminalBar:
    """rich's bar."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._bar: Any = None
        self._task: Any = None

    def start(self, total: int) -> None:
        from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

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
        self._task = self._bar.add_task("start", total=total, note="")

    def advance(self, n: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, n)

    def say(self, *, where: str | None = None, note: str | None = None) -> None:
        if self._bar is not None:
            said = {"description": where, "note": note}
            self._bar.update(self._task, **{k: v for k, v in said.items() if v is not None})

    def line(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def stop(self) -> None:
        """Take the bar off the screen, and leave a line free before what follows."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._console.print()


class _NotebookBar:
    """An HTML bar below the cell, shown and changed by IPython: no widgets are needed."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._total, self._done = 1, 0
        self._where, self._note = "start", ""
        self._lines: list[str] = []
        self._began = self._last = time.monotonic()

    def start(self, total: int) -> None:
        from IPython.display import display

        self._total, self._began = total, time.monotonic()
        self._handle = display(self, display_id=True)

    def advance(self, n: int) -> None:
        self._done = min(self._done + n, self._total)
        self._update()

    def say(self, *, where: str | None = None, note: str | None = None) -> None:
        self._where = self._where if where is None else where
        self._note = self._note if note is None else note
        self._update()

    def line(self, text: str) -> None:
        self._lines.append(text)
        self._update(now=True)

    def stop(self) -> None:
        """Leave the lines where the bar stood."""
        self._total = 0
        self._update(now=True)
        self._handle = None

    def _update(self, *, now: bool = False) -> None:
        if self._handle is None or (not now and time.monotonic() - self._last < _BETWEEN_UPDATES):
            return
        self._last = time.monotonic()
        self._handle.update(self)

    def _now(self) -> str:
        left = ""
        if self._done:
            spent = time.monotonic() - self._began
            seconds = round(spent * (self._total - self._done) / self._done)
            left = f"{seconds // 60}:{seconds % 60:02d} left"
        parts = (f"{100 * self._done // self._total}%", self._where, self._note, left)
        return "  ".join(part for part in parts if part)

    def __repr__(self) -> str:
        return "\n".join([*self._lines, *([self._now()] if self._total else [])])

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{escape(line)}</div>" for line in self._lines)
        if not self._total:
            return lines
        return (
            f'{lines}<div><progress value="{self._done}" max="{self._total}" '
            f'style="width:40ex"></progress> {escape(self._now())}</div>'
        )
