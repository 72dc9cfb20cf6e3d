"""What `tfprune.prune` logs where it is asked to: one MLflow run, its step the level."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.pruning.mask_files import save_masks
from tfprune.report.spoken import as_share
from tfprune.results import similarity_csv
from tfprune.runs import workspace as workspaces
from tfprune.runs.record import tell_waiting
from tfprune.tracking import distinct_keys, layer_key, open_store, resolve_store
from tfprune.tracking.store import check_store

if TYPE_CHECKING:
    from tfprune.experiment.one_network import PrunedLevel
    from tfprune.runs.prune_result import PruneResult
    from tfprune.tracking import Run, StoreLocation


def tracking_store(uri: str | None, experiment: str | None, *, folder: Path) -> StoreLocation:
    """Return the store to log to; raise InputError where it can't be used. Nothing is created."""
    location = resolve_store(uri, experiment, folder=folder)
    workspaces.check_place(folder)
    check_store(location)
    return location


def record_pruning(
    location: StoreLocation,
    result: PruneResult,
    *,
    name: str,
    settings: Mapping[str, Any],
    folder: Path,
    tell: Callable[[str], None],
) -> PruneResult:
    """Log one pruned network as a run of kind 'prune'; return its result with MLflow's id.

    settings: params of the run. What MLflow does not take now stays in `mlruns/runs` of `folder`
    and is told, with the command that delivers it.
    """
    store = open_store(location)
    facts = workspaces.store_facts(location, folder)
    workspace = workspaces.create_logged(folder, kind="prune", name=name, store=facts)
    try:
        with store.record(workspace.folder, on_gap=tell) as recorder:
            run = recorder.start_run(
                name,
                key=workspace.key,
                params=settings,
                tags={"tfprune.kind": "prune", "tfprune.version": version("tfprune")},
            )
            for level in result.levels:
                _log_level(run, level)
            _log_files(run, result)
            run.finish("FINISHED")
        undelivered = tell_waiting(recorder, workspace.key, tell)
        return dataclasses.replace(result, run_id=run.id, key=run.key, undelivered=undelivered)
    finally:
        workspace.close()
        workspaces.drop_unlogged(folder)


def _log_level(run: Run, level: PrunedLevel) -> None:
    keys = distinct_keys("sparsity", level.layer_sparsity)
    run.log_metrics(
        {
            "sparsity/global": level.sparsity,
            **{keys[layer]: share for layer, share in level.layer_sparsity.items()},
            **{f"{metric}/{level.split}": value for metric, value in level.metrics.items()},
        },
        step=level.level,
    )
    for row in level.similarities:
        layer = layer_key(row.layer_index, row.layer)
        points = {f"{row.measure}/{layer}": row.similarity}
        if row.dense_share is not None:
            points[f"{row.measure}-share/{layer}"] = as_share(row).similarity
        run.log_metrics(points, step=level.level)
    for number, epoch in enumerate(level.epochs, 1):
        step = (level.level - 1) * len(level.epochs) + number
        run.log_metrics({f"epoch/{metric}": value for metric, value in epoch.items()}, step=step)


def _log_files(run: Run, result: PruneResult) -> None:
    run.log_text(result.levels_frame().to_csv(index=False), "levels.csv")
    if result.similarities:
        run.log_text(similarity_csv(result.similarities), "similarity.csv")
    with tempfile.TemporaryDirectory() as scratch:
        masks = Path(scratch) / "mask.npz"
        save_masks(masks, result.masks)
        run.log_file(masks, checked=True)
