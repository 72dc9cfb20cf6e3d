"""Progress of a sweep: a table on a terminal, a line for each cell elsewhere."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tfprune.report.labels import printable, shorten
from tfprune.sweeps.cell import Outcome
from tfprune.sweeps.work import Failure

if TYPE_CHECKING:
    from rich.table import Table

_MOST_FAILURES = 5  # that the table lists
_WIDE = 60


@dataclass
class Shown:
    """What is shown of a sweep: `running` holds where each cell is that runs now."""

    labels: Mapping[str, str]
    n_cells: int
    n_done: int
    n_workers: int
    dashboard: str
    failed: dict[str, Failure] = field(default_factory=dict)
    running: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    @property
    def counts(self) -> str:
        """How many cells are done, run and have failed."""
        cells = sum(key in self.cells for key in self.running)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{self.n_done} of {self.n_cells} cells done, {cells} running{failed}"

    @property
    def cells(self) -> set[str]:
        """The keys of cells; dense networks are none."""
        return {key for key in self.labels if "-" not in key}

    @property
    def left(self) -> float | None:
        """Seconds that the rest takes, by the cells that have ended; None before one has."""
        if not self.seconds:
            return None
        rest = self.n_cells - self.n_done - len(self.failed)
        at_once = max(1, min(self.n_workers, rest))
        return rest * sum(self.seconds) / len(self.seconds) / at_once


class Progress:
    """Shows how a sweep goes on, on standard error; called from several threads."""

    def __init__(self, shown: Shown, *, quiet: bool = False) -> None:
        self._shown = shown
        self._quiet = quiet
        self._lock = threading.Lock()
        self._live: Any = None
        if not quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.live import Live

            self._live = Live(
                console=Console(stderr=True), get_renderable=self._table,
                refresh_per_second=2, transient=True,
            )  # fmt: skip
            self._live.start()

    def moved(self, message: Mapping[str, Any]) -> None:
        """Show where a cell is."""
        with self._lock:
            if message["at"] == "stopped":
                self._shown.running.pop(message["cell"], None)
            else:
                self._shown.running[message["cell"]] = message

    def done(self, outcome: Outcome) -> None:
        """Show that a cell has ended."""
        with self._lock:
            shown = self._shown
            last = shown.running.pop(outcome.key, {})
            shown.n_done += 1
            if outcome.seconds:
                shown.seconds.append(outcome.seconds)
            accuracy = f", test accuracy {last['accuracy']:.1%}" if last.get("done") else ""
            self._line(
                f"[{shown.n_done}/{shown.n_cells}] {self._label(outcome.key)}: done in "
                f"{duration(outcome.seconds)}{accuracy}{self._time_left()}"
            )

    def failed(self, key: str, failure: Failure) -> None:
        """Show that a cell has failed."""
        with self._lock:
            self._shown.running.pop(key, None)
            self._shown.failed[key] = failure
            self._line(f"{self._label(key)}: failed: {failure.message}")

    def stop(self) -> None:
        """Take away what moves."""
        if self._live is not None:
            self._live.stop()

    def _label(self, key: str) -> str:
        return printable(self._shown.labels.get(key, key))

    def _time_left(self) -> str:
        left = self._shown.left
        return f"; about {duration(left)} left" if left else ""

    def _line(self, text: str) -> None:
        if self._quiet:
            return
        if self._live is not None:
            self._live.console.print(text, highlight=False, markup=False)
        else:
            print(text, file=sys.stderr, flush=True)

    def _table(self) -> Table:
        from rich.table import Table
        from rich.text import Text

        shown = self._shown
        table = Table(box=None, pad_edge=False, title=f"{shown.counts}{self._time_left()}",
                      title_justify="left", caption=f"dashboard {shown.dashboard}",
                      caption_justify="left")  # fmt: skip
        for heading in ("running", "seed", "level", "epoch", "accuracy"):
            table.add_column(heading, justify="left" if heading == "running" else "right")
        for key, at in list(shown.running.items()):
            accuracy = at.get("accuracy")
            table.add_row(
                Text(shorten(self._label(key), _WIDE)),
                *(str(at.get(name, "")) for name in ("seed", "level", "epoch")),
                "" if accuracy is None else f"{accuracy:.1%}",
            )
        for key, failure in list(shown.failed.items())[-_MOST_FAILURES:]:
            table.add_row(Text(shorten(f"failed: {self._label(key)}: {failure.message}", _WIDE)))
        return table


def duration(seconds: float) -> str:
    """Return a time for people: `45 s`, `3 min`, `2.5 h`.

    >>> duration(45), duration(200), duration(9000)
    ('45 s', '3 min', '2.5 h')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
