"""A comparison of two networks as an MLflow run of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.experiment.comparison import attribution_csv, described_csv
from tfprune.runs.record import tell_waiting

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.experiment.comparison import ComparisonResult
    from tfprune.runs.workspace import Workspace
    from tfprune.tracking import Store


def record_comparison(
    store: Store,
    result: ComparisonResult,
    workspace: Workspace,
    config: RunConfig,
    plots: Path,
    tell: Callable[[str], None],
) -> ComparisonResult:
    """Log a comparison as a run of its own; return it with MLflow's id of the run.

    `plots` is the folder of its heat maps. What MLflow does not take stays in the workspace's
    journal and is told, with the command that delivers it. The workspace stays: a lost store is
    filled from it again.
    """
    with store.record(workspace.folder, on_gap=tell) as recorder:
        run = recorder.start_run(
            workspace.facts["name"],
            key=workspace.key,
            params={"a": result.a, "b": result.b, "layout": result.layout,
                    "n_images": result.n_images, "dataset": config.data.dataset},
            tags={"tfprune.kind": "comparison", "tfprune.version": version("tfprune")},
        )  # fmt: skip
        same = [(result.layers_a.index(a), result.layers_b.index(b)) for a, b in result.same_places]
        for measure, values in result.values.items():
            for i, j in same:
                run.log_metrics({f"profile/{measure}": float(values[i, j])}, step=i)
        run.log_text(result.csv(), "similarity.csv")
        if result.attribution:
            run.log_text(attribution_csv(result.attribution), "attribution.csv")
            for i, row in enumerate(result.attribution):
                if row.held_out is not None and row.attribution is not None:
                    points = {"profile/cca-held-out": row.held_out,
                              "profile/variance-kept": row.attribution.kept_variance}  # fmt: skip
                    run.log_metrics(points, step=i)
        if result.described_a or result.described_b:
            run.log_text(described_csv(result), "descriptions.csv")
        run.log_file(plots)
        run.finish("FINISHED")
    undelivered = tell_waiting(recorder, workspace.key, tell)
    return dataclasses.replace(result, run_id=run.id, key=run.key, undelivered=undelivered)
