"""What runs there are, a line each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.runs.workspace import RUNS, is_held

if TYPE_CHECKING:
    from tfprune.tracking import RunInfo


@dataclass(frozen=True)
class RunLine:
    """A run as a list shows it; None is what is not known (yet).

    `began` is in seconds since 1970. `accuracy_test` is the last level's that has been reached,
    in [0, 1]. `status` is 'finished', 'running', 'interrupted' (`tfprune resume` goes on),
    'failed' or 'killed'.
    """

    name: str
    began: float
    dataset: str | None
    model: str | None
    strategy: str | None
    levels: int | None
    accuracy_test: float | None
    status: str
    run_id: str
    key: str | None


def list_runs(
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> list[RunLine]:
    """Return the experiments that the store holds, newest first."""
    from tfprune.tracking import open_store, resolve_store

    store = open_store(resolve_store(tracking_uri, experiment, folder=folder), create=False)
    runs = [run for run in store.search_runs() if run.kind == "experiment"]
    return [_line(run, Path(folder)) for run in sorted(runs, key=lambda run: -run.start_time)]


def _line(run: RunInfo, root: Path) -> RunLine:
    levels = run.params.get("pruning.levels")
    return RunLine(
        name=run.name,
        began=run.start_time / 1000,
        dataset=run.params.get("data.dataset"),
        model=run.params.get("model.name"),
        strategy=run.params.get("pruning.strategy"),
        levels=None if levels is None else int(levels),
        accuracy_test=run.metrics.get("accuracy/test"),
        status=_status(run, root),
        run_id=run.id,
        key=run.key,
    )


def _status(run: RunInfo, root: Path) -> str:
    """Return how a run stands; one whose process was killed is RUNNING for MLflow for ever."""
    status = run.status.lower()
    folder = root / RUNS / (run.key or run.id)
    if status in ("running", "killed") and (folder / "run.json").is_file():
        return "running" if is_held(folder) else "interrupted"
    return status
