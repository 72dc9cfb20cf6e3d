"""What runs there are, a line each."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.config import flatten
from tfprune.runs.run_file import COLLAPSED, is_experiment, store_id
from tfprune.runs.workspace import RUNS, all_folders, is_held, store_facts

if TYPE_CHECKING:
    from tfprune.tracking import RunInfo, Store


@dataclass(frozen=True)
class RunLine:
    """A run as a list shows it; None is what is not known (yet).

    `began` is in seconds since 1970. `accuracy_test` is the last level's that has been reached,
    in [0, 1], of several seeds the median of those that did not collapse there; `collapsed`
    counts the others. `status` is 'finished', 'running', 'interrupted' (`tfprune resume` goes on),
    'failed', 'killed', or 'not-uploaded': MLflow, whose id of a run `run_id` is, has nothing of it
    yet, or not its end (`tfprune sync` uploads it).
    """

    name: str
    began: float
    dataset: str | None
    model: str | None
    strategy: str | None
    levels: int | None
    accuracy_test: float | None
    status: str
    run_id: str | None
    key: str | None
    collapsed: int | None = None


def list_runs(
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> list[RunLine]:
    """Return the experiments that the store holds or waits for, newest first."""
    from tfprune.tracking import open_store, resolve_store

    root = Path(folder)
    location = resolve_store(tracking_uri, experiment, folder=root, writes=False)
    store = open_store(location, create=False)
    runs = [run for run in store.search_runs() if run.kind == "experiment"]
    waiting = _waiting(root, store_facts(location, root), {run.key for run in runs})
    return sorted(
        [*(_line(run, root, store) for run in runs), *waiting], key=lambda line: -line.began
    )


def _waiting(
    root: Path, store: Mapping[str, str | None], known: Container[str | None]
) -> list[RunLine]:
    """Return the runs in `root` that log to this store, of which nothing was delivered yet."""
    found = []
    for folder, facts in all_folders(root)[0]:
        if facts["store"] != store or not is_experiment(facts) or folder.name in known:
            continue
        if store_id(folder) is not None:  # the store had it: it was deleted there
            continue
        config = flatten(facts["config"])
        levels = config.get("pruning.levels")
        found.append(
            RunLine(
                name=facts["name"],
                began=float(facts.get("began") or folder.stat().st_mtime),
                dataset=config.get("data.dataset"),
                model=config.get("model.name"),
                strategy=config.get("pruning.strategy"),
                levels=levels if isinstance(levels, int) else None,
                accuracy_test=None,
                status="running" if is_held(folder) else "not-uploaded",
                run_id=None,
                key=folder.name,
            )
        )
    return found


def _line(run: RunInfo, root: Path, store: Store) -> RunLine:
    levels = run.params.get("pruning.levels")
    collapsed = run.metrics.get(COLLAPSED)
    return RunLine(
        name=run.name,
        began=run.start_time / 1000,
        dataset=run.params.get("data.dataset"),
        model=run.params.get("model.name"),
        strategy=run.params.get("pruning.strategy"),
        levels=None if levels is None else int(levels),
        accuracy_test=run.metrics.get("accuracy/test"),
        status=_status(run, root, store),
        run_id=run.id,
        key=run.key,
        collapsed=None if collapsed is None else int(collapsed),
    )


def _status(run: RunInfo, root: Path, store: Store) -> str:
    """Return how a run stands; one whose process was killed is RUNNING for MLflow for ever."""
    if store.lacks_end_of(run):
        return "not-uploaded"
    status = run.status.lower()
    folder = root / RUNS / (run.key or run.id)
    if status in ("running", "killed") and (folder / "run.json").is_file():
        return "running" if is_held(folder) else "interrupted"
    return status
