"""A sweep's own folder and MLflow run: what it consists of, how it stands, how it ended."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping
from importlib.metadata import version
from types import TracebackType
from typing import TYPE_CHECKING, Any

from tfprune.results import csv_text
from tfprune.runs import workspace as workspaces
from tfprune.sweeps.cell import Outcome
from tfprune.sweeps.plan import Sweep
from tfprune.sweeps.result import FinishedSweep, Steps
from tfprune.sweeps.work import Work

if TYPE_CHECKING:
    from tfprune.tracking import Recorder, Store

KIND = "sweep"


class SweepRecord:
    """Keeps a sweep's folder, `mlruns/runs/<key>`, and writes its run in MLflow.

    A context manager: one process at a time has the sweep; at its end the run in MLflow is left
    RUNNING no longer. The cells' runs are shown under it, so it is there before they are.
    """

    def __init__(self, sweep: Sweep, workspace: workspaces.Workspace, recorder: Recorder) -> None:
        self._sweep, self._workspace, self._recorder = sweep, workspace, recorder
        self.steps = Steps(**workspace.facts.get("steps", {}))

    @classmethod
    def opened(cls, sweep: Sweep, store: Store, tell: Callable[[str], None]) -> SweepRecord:
        """Return the record of a sweep, locked, its run begun and delivered.

        Raises InputError where another process has it.
        """
        if (sweep.folder / "run.json").is_file():
            workspace = workspaces.reopen_logged(sweep.folder)
            known = str(workspace.facts.get("name") or sweep.name)
            if known != sweep.name and sweep.is_named:
                tell(
                    f"The same grid was run before as {known!r} ({sweep.key}), and continues under "
                    f"that name; the name {sweep.name!r} is not used."
                )
            sweep = dataclasses.replace(sweep, name=known)
        else:
            workspace = workspaces.create_logged(
                sweep.root,
                kind=KIND,
                name=sweep.name,
                store=workspaces.store_facts(sweep.location, sweep.root),
                key=sweep.key,
            )
        try:
            workspace.note(
                deterministic=sweep.deterministic,
                base=dict(sweep.grid.base),
                cells=[[cell.key, dict(cell.settings)] for cell in sweep.cells],
            )
            record = cls(sweep, workspace, store.record(workspace.folder, on_gap=tell))
        except BaseException:
            workspace.close()
            raise
        record._begin()
        return record

    @property
    def name(self) -> str:
        """What the sweep is called: what it was called when it was first run."""
        return self._sweep.name

    def _begin(self) -> None:
        sweep = self._sweep
        axes: dict[str, list[str]] = {}
        for one in sweep.grid.axes:
            for name in one[0]:
                axes[f"grid.{name}"] = list(dict.fromkeys(str(point[name]) for point in one))
        self._run = self._recorder.start_run(
            sweep.name,
            key=sweep.key,
            tags={"tfprune.kind": KIND, "tfprune.version": version("tfprune")},
            params={"n_cells": len(sweep.cells), **{k: ", ".join(v) for k, v in axes.items()}},
        )
        self._recorder.flush()

    def __enter__(self) -> SweepRecord:
        self._recorder.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._recorder.__exit__(kind, error, trace)
        finally:
            self._workspace.close()

    def note_outcome(self, outcome: Outcome) -> None:
        """Count what a cell took and what it was spared."""
        self.steps = dataclasses.replace(
            self.steps,
            alone=self.steps.alone + outcome.n_steps,
            shared=self.steps.shared + outcome.n_shared,
        )

    def note_end(self, work: Work, *, seconds: float) -> None:
        """Keep what failed and what was saved; put tracebacks into files of their own."""
        trained = sum(outcome.n_steps for outcome in work.dense)
        self.steps = dataclasses.replace(self.steps, dense=self.steps.dense + trained)
        self._workspace.note(
            steps=dataclasses.asdict(self.steps),
            seconds=round(self._workspace.facts.get("seconds", 0.0) + seconds, 1),
            failed={key: failure.message for key, failure in work.failed.items()},
        )
        for key, failure in work.failed.items():
            if failure.trace:
                place = self._workspace.folder / "failed"
                place.mkdir(exist_ok=True)
                (place / f"{key}.txt").write_text(failure.trace, encoding="utf-8")

    def finish(self, result: FinishedSweep) -> str | None:
        """Log how the sweep stands; return MLflow's id of its run."""
        now = int(time.time())
        self._run.log_metrics(
            {"cells/done": len(result.done), "cells/failed": len(result.failed),
             "steps/saved": self.steps.saved},
            step=now,
        )  # fmt: skip
        names = list(dict.fromkeys(name for cell in result.cells for name in cell.settings))
        rows = [
            [cell.key, *(str(cell.settings.get(name, "")) for name in names), cell.run or "",
             cell.error or ""]
            for cell in result.cells
        ]  # fmt: skip
        self._run.log_text(csv_text(["cell", *names, "run", "error"], rows), "cells.csv")
        self._run.finish("FAILED" if result.failed else "FINISHED")
        self._recorder.flush()
        if len(result.done) == len(result.cells):
            workspaces.drop(self._workspace.folder / "dense")
        return self._run.id


def is_sweep(facts: Mapping[str, Any]) -> bool:
    """Whether the facts of a folder of `mlruns/runs` are those of a sweep."""
    return facts.get("kind") == KIND
