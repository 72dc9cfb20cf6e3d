"""A sweep before its first cell runs: its cells, its place, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import RunConfig, override, to_dict
from tfprune.config.settled import named_setting, settled
from tfprune.experiment.dense_phase import dense_key
from tfprune.runs import workspace as workspaces
from tfprune.sweeps.cell import Job
from tfprune.sweeps.found import Found, runs_of_cells
from tfprune.sweeps.grid import Cell, Grid, axis, name_of_setting, read_sweep, sweep_key, zipped
from tfprune.sweeps.work import DenseTask
from tfprune.tracking import resolve_store
from tfprune.tracking.names import check_run_name

if TYPE_CHECKING:
    from tfprune.tracking import StoreLocation


@dataclass(frozen=True)
class Sweep:
    """A grid with all that is settled before its first cell runs."""

    grid: Grid
    cells: tuple[Cell, ...]
    name: str
    key: str
    root: Path
    location: StoreLocation
    tracking_uri: str | None
    experiment: str | None
    deterministic: bool
    checkpoint_every: int = 1
    is_named: bool = False  # by the user

    def found(self, tell: Callable[[str], None] = lambda message: None) -> Found:
        """Return which cells have runs already; see `runs_of_cells`."""
        return runs_of_cells(
            (cell.key for cell in self.cells),
            self.location,
            root=self.root,
            deterministic=self.deterministic,
            tell=tell,
        )

    @property
    def folder(self) -> Path:
        """Where the sweep keeps its own journal and the dense networks that cells share."""
        return self.root / workspaces.RUNS / self.key


def grid_of(
    config: RunConfig | Mapping[str, Any] | str | Path | None,
    *,
    grid: Mapping[str, Any] | None = None,
    together: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Grid:
    """Return the grid that a Python user means; see `sweep`."""
    axes = [axis(setting, values) for setting, values in (grid or {}).items()]
    axes += [
        zipped(one) for one in ([together] if isinstance(together, Mapping) else together or [])
    ]
    is_file = isinstance(config, Path) or (
        isinstance(config, str) and config.endswith((".yaml", ".yml"))
    )
    if is_file:
        given, _ = read_sweep(str(config))
        changes = dict(named_setting(name, value) for name, value in (settings or {}).items())
        return Grid(override(given.base, changes), [*given.axes, *axes])
    return Grid(to_dict(settled(config, settings or {})), axes)


def plan_sweep(
    grid: Grid,
    *,
    name: str | None = None,
    experiment: str | None = None,
    tracking_uri: str | None = None,
    folder: str | Path = ".",
    deterministic: bool = False,
    checkpoint_every: int = 1,
) -> Sweep:
    """Return a checked sweep; raises InputError for what can't be run. Nothing is written."""
    if name is not None:
        check_run_name(name)
    root = Path(folder).absolute()
    location = resolve_store(tracking_uri, experiment, folder=root)
    workspaces.check_place(root)
    cells = grid.cells()
    where = workspaces.store_facts(location, root)
    key = sweep_key(cells, deterministic=deterministic, **where)
    names = list(dict.fromkeys(name_of_setting(n) for one in grid.axes for n in one[0]))
    return Sweep(
        grid=grid,
        cells=tuple(cells),
        name=name or f"sweep of {', '.join(names)}: {len(cells)} cells {key[:6]}",
        key=key,
        root=root,
        location=location,
        tracking_uri=tracking_uri,
        experiment=experiment,
        deterministic=deterministic,
        checkpoint_every=checkpoint_every,
        is_named=name is not None,
    )


def job_of(planned: Sweep, cell: Cell, known: Sequence[str] = ()) -> Job:
    """Return a cell as it travels to a worker."""
    return Job(
        key=cell.key,
        label=cell.label,
        settings=to_dict(cell.config),
        sweep=planned.key,
        folder=str(planned.root),
        # not the option's: a worker elsewhere need not have this process's MLFLOW_TRACKING_URI
        tracking_uri=planned.location.uri,
        experiment=planned.location.experiment,
        deterministic=planned.deterministic,
        checkpoint_every=planned.checkpoint_every,
        known=tuple(known),
    )


def shared_dense(planned: Sweep, jobs: list[Job]) -> list[DenseTask]:
    """Return the dense networks that several of the jobs begin with, and tell each job of its own.

    What they were computed with is part of their folder's name: after a change of code or
    libraries they are trained again.
    """
    here = workspaces.environment_digest(deterministic=planned.deterministic)
    phases: dict[tuple[str, int], list[Job]] = {}
    for job in jobs:
        config = job.config
        for seed in config.seeds:
            key = dense_key(config, seed)
            if key is not None:
                phases.setdefault((key, seed), []).append(job)
    tasks = []
    for (key, seed), sharing in phases.items():
        folder = planned.folder / "dense" / f"{key}-{here}"
        if len(sharing) < 2 and not folder.exists():
            continue
        for job in sharing:
            job.dense[seed] = str(folder)
        first, cells = sharing[0], tuple(job.key for job in sharing)
        tasks.append(DenseTask(f"{key}-{seed}", first, seed, str(folder), cells))
    return tasks
