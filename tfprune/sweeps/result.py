"""What a sweep has found: its cells, and their tables in one."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.errors import InputError

if TYPE_CHECKING:
    import pandas

    from tfprune.results import RunResult
    from tfprune.tracking import StoreLocation


@dataclass(frozen=True)
class SweepCell:
    """A cell as it ended.

    key: the hash of its configuration. label: its settings in short, such as 'seed=1'.
    settings: the settings of the grid and their values, such as {'seed': 1}.
    run: the key of its finished run. error: why it has none. Both are None while it is missing.

    >>> SweepCell("0f3c", "seed=1", {"seed": 1}, error="it diverged.").run is None
    True
    """

    key: str
    label: str
    settings: dict[str, Any]
    run: str | None = None
    error: str | None = None


@dataclass(frozen=True)
class Steps:
    """Optimizer steps of a sweep's cells: each alone, those taken from dense networks that several
    begin with, and those that trained these.
    """

    alone: int = 0
    shared: int = 0
    dense: int = 0

    @property
    def saved(self) -> float:
        """Share of all steps that sharing saved, in [0, 1)."""
        return max(0.0, (self.shared - self.dense) / self.alone) if self.alone else 0.0


@dataclass(frozen=True, repr=False)
class FinishedSweep:
    """A sweep once its cells have ended, each in a run of its own or with an error.

    key, name: by which `open_sweep` finds it. cells: in the order of the grid.
    root: the project's folder. location: its MLflow store.
    steps: how many optimizer steps it took. undelivered: records that MLflow has not yet.
    run_id: MLflow's id of the run under which it shows the cells' runs.

    >>> from pathlib import Path
    >>> from tfprune.tracking import resolve_store
    >>> cells = (SweepCell("0f3c", "seed=0", {"seed": 0}, run="5d21"),
    ...          SweepCell("77ab", "seed=1", {"seed": 1}, error="it diverged."))
    >>> FinishedSweep("c41e", "seeds", cells, Path("."), resolve_store(folder=Path(".")))
    FinishedSweep 'seeds': 1 of 2 cells done, 1 failed
    """

    key: str
    name: str
    cells: tuple[SweepCell, ...]
    root: Path
    location: StoreLocation
    steps: Steps = Steps()
    undelivered: int = 0
    run_id: str | None = None

    def __repr__(self) -> str:
        n = len(self.cells)
        failed = f", {len(self.failed)} failed" if self.failed else ""
        return f"{type(self).__name__} {self.name!r}: {len(self.done)} of {n} cells done{failed}"

    @property
    def done(self) -> tuple[SweepCell, ...]:
        """The cells that have a finished run."""
        return tuple(cell for cell in self.cells if cell.run is not None)

    @property
    def failed(self) -> tuple[SweepCell, ...]:
        """The cells that have failed."""
        return tuple(cell for cell in self.cells if cell.error is not None)

    def logged_as(self, run_id: str | None) -> FinishedSweep:
        """Return it with MLflow's id of its run."""
        return dataclasses.replace(self, run_id=run_id)

    def runs(self) -> Iterator[tuple[SweepCell, RunResult]]:
        """Yield each cell that is done with its run's result."""
        from tfprune.runs.finished import open_run

        for cell in self.done:
            assert cell.run is not None
            yield (
                cell,
                open_run(
                    cell.run,
                    tracking_uri=self.location.uri,
                    experiment=self.location.experiment,
                    folder=self.root,
                ),
            )

    def frame(self, *, floors: bool = False) -> pandas.DataFrame:
        """Return the similarities of all cells as one table.

        The columns of `RunResult.frame`, and before them `cell` (the cell's key) and one for each
        setting of the grid. With `floors`, dense networks against each other too. Raises
        InputError where no cell is done.
        """
        return self._table(lambda run: run.frame(floors=floors))

    def levels_frame(self) -> pandas.DataFrame:
        """Return the levels of all cells as one table; see `RunResult.levels_frame` and `frame`."""
        return self._table(lambda run: run.levels_frame())

    def _table(self, of: Any) -> pandas.DataFrame:
        import pandas

        tables = []
        for cell, run in self.runs():
            table = of(run)
            shown = {name: _plain(value) for name, value in cell.settings.items()}
            # the run's own seed column says which replicate a row is of
            front = {"cell": cell.key, **{f"grid.{name}": value for name, value in shown.items()}}
            tables.append(table.assign(**front)[[*front, *table.columns]])
        if not tables:
            raise InputError(f"no cell of the sweep {self.name!r} is done; there is no table yet.")
        return pandas.concat(tables, ignore_index=True)


def _plain(value: Any) -> Any:
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else value


def as_json(result: FinishedSweep) -> dict[str, Any]:
    """Return a sweep as plain values: key, name, steps saved, and every cell."""
    cells = [dataclasses.asdict(cell) for cell in result.cells]
    return {
        "key": result.key,
        "name": result.name,
        "run_id": result.run_id,
        "done": len(result.done),
        "failed": len(result.failed),
        "steps": {**dataclasses.asdict(result.steps), "saved": result.steps.saved},
        "cells": cells,
    }
