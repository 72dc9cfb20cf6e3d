"""What a sweep would take: hours and disk, by a few timed steps of cells that train alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tfprune.experiment.dense_phase import dense_key
from tfprune.sweeps.cluster import Size
from tfprune.sweeps.grid import Cell
from tfprune.sweeps.plan import Sweep

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.workbench import DryRun

MOST_TIMED = 4  # kinds of cells; timing one takes as long as starting a run

#: bytes of a run, and of each of its levels, apart from the networks' weights: report, figures,
#: tables, journal, model files, and MLflow's copies of them (measured on digits, 3 and 5 levels)
BYTES_OF_RUN, BYTES_OF_LEVEL = 3.7e6, 0.65e6
_WEIGHT = 4  # bytes


@dataclass(frozen=True)
class CellCost:
    """What one cell takes: its steps, those among them of dense networks, seconds and bytes."""

    steps: int
    dense_steps: int
    seconds: float
    dense_seconds: float
    bytes: float


@dataclass(frozen=True)
class Estimate:
    """What the cells of a sweep that are missing would take on this machine.

    `steps` are those of all cells alone, `shared` those that dense networks in common would save;
    `seconds` is what a single worker would compute, `n_timed` of `n_kinds` kinds of cells were
    timed, and the others are taken for their mean. Training only: comparing, logging and reports
    come on top.
    """

    n_missing: int
    steps: int
    saved_steps: int
    seconds: float
    bytes: float
    n_timed: int
    n_kinds: int

    def hours(self, size: Size) -> float:
        """Return the hours that so many workers take."""
        return self.seconds / size.workers / 3600


def estimate(sweep: Sweep) -> Estimate:
    """Return what a sweep would take; times some steps of a cell of each kind, writes nothing.

    Raises InputError for what `tfprune run` refuses of those cells before training.
    """
    from tfprune.runs.run import dry_run

    done = sweep.found().finished
    missing = [cell for cell in sweep.cells if cell.key not in done]
    kinds: dict[str, list[Cell]] = {}
    for cell in missing:
        kinds.setdefault(_kind(cell.config), []).append(cell)
    costs: dict[str, CellCost] = {}
    for cells in list(kinds.values())[:MOST_TIMED]:
        timed = dry_run(
            cells[0].config,
            tracking_uri=sweep.tracking_uri,
            experiment=sweep.experiment,
            folder=sweep.root,
            deterministic=sweep.deterministic,
        )
        costs |= {cell.key: cost_of(timed, cell.config) for cell in cells}
    n_other = len(missing) - len(costs)
    factor = len(missing) / len(costs) if costs else 0.0
    saved_steps, saved_seconds = _saved([cell for cell in missing if cell.key in costs], costs)
    total = list(costs.values())
    return Estimate(
        n_missing=len(missing),
        steps=round(factor * sum(cost.steps for cost in total)),
        saved_steps=round(factor * saved_steps),
        seconds=factor * (sum(cost.seconds for cost in total) - saved_seconds),
        bytes=factor * sum(cost.bytes for cost in total),
        n_timed=min(len(kinds), MOST_TIMED),
        n_kinds=len(kinds) if n_other or kinds else 0,
    )


def _kind(config: RunConfig) -> str:
    """Return what cells have in common whose steps take equally long."""
    training = config.training
    told = (config.data, config.model, training.batch_size, training.epochs, training.optimizer,
            training.precision, training.xla, config.pruning.admm, config.device)  # fmt: skip
    return repr(told)


def cost_of(timed: DryRun, config: RunConfig) -> CellCost:
    """Return what a cell takes that trains like the one that was timed."""
    plan = _like(timed.plan, config)
    n_seeds, levels = config.replicates, config.pruning.levels
    dense = 0 if plan.start == "trained" or plan.ticket is not None else plan.n_steps * n_seeds
    networks = (levels + 1) * n_seeds + n_seeds + 2  # of levels, rewind states, best and final
    return CellCost(
        steps=plan.total_steps,
        dense_steps=dense,
        seconds=n_seeds * timed.first_step + plan.total_steps * timed.per_step,
        dense_seconds=dense * timed.per_step,
        bytes=BYTES_OF_RUN
        + BYTES_OF_LEVEL * levels * n_seeds
        + _WEIGHT * plan.n_parameters * networks,
    )


def _like(plan: Plan, config: RunConfig) -> Plan:
    from tfprune.experiment.plan import rewind_step

    step = rewind_step(config, steps_per_epoch=plan.steps_per_epoch, n_steps=plan.n_steps)
    return dataclasses.replace(plan, config=config, rewind_step=step)


def _saved(cells: Sequence[Cell], costs: dict[str, CellCost]) -> tuple[int, float]:
    """Return the steps and seconds that dense networks in common save."""
    seen: set[str] = set()
    steps, seconds = 0, 0.0
    for cell in cells:
        cost, seeds = costs[cell.key], cell.config.seeds
        for seed in seeds:
            key = dense_key(cell.config, seed)
            if key is None:
                continue
            if key in seen:
                steps += cost.dense_steps // len(seeds)
                seconds += cost.dense_seconds / len(seeds)
            seen.add(key)
    return steps, seconds
