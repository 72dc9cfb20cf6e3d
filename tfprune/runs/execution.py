"""A planned run carried out: every event of the experiment recorded, reported and kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.experiment.events import LevelFinished, RunFinished, RunStarted, StageStarted
from tfprune.experiment.loop import execute
from tfprune.models.libraries import replaced_settings_told
from tfprune.refused import refusals_told
from tfprune.runs.doctor import computed_on
from tfprune.runs.finished import FinishedRun
from tfprune.runs.models import ModelKeeper, has_mlflow_model
from tfprune.runs.record import RunRecord, waiting_message
from tfprune.runs.reporting import Reporter
from tfprune.runs.trained_again import EPOCH_METRIC, cost_of_lost
from tfprune.runs.workspace import Workspace
from tfprune.training.precision import is_slow_here, why_slow

if TYPE_CHECKING:
    from tfprune.experiment.dense_phase import DensePhases
    from tfprune.experiment.events import Event, Watch
    from tfprune.experiment.plan import Plan
    from tfprune.tracking import Store


def carry_out(
    plan: Plan,
    workspace: Workspace,
    store: Store,
    watch: Watch,
    tell: Callable[[str], None],
    checkpoint_every: int,
    dense: DensePhases | None = None,
) -> FinishedRun:
    """Return the result of a run after training it, or the rest of it, in its folder.

    A seed that has a phase in `dense` begins at the end of that. Raises what training and writing
    raise; `tell` has then heard how the run goes on.
    """
    name = workspace.facts["name"]
    if is_slow_here(plan.config.training.precision):
        tell(why_slow(plan.config.training.precision))
    if plan.left_out:
        tell(f"Not pruned, because tfmot cannot wrap them: {', '.join(plan.left_out)}.")
    for note in plan.notes:
        tell(note)
    replaced_settings_told()
    if lacking := store.lacking(workspace.folder):
        tell(f"The run goes on; repair the store when it has ended. {lacking}")
    try:
        with (
            store.record(workspace.folder, on_gap=tell) as recorder,
            refusals_told("used", place=workspace.folder, more="What was logged is kept."),
            Reporter(workspace.folder, name=name, tell=tell) as reporter,
        ):
            record = RunRecord(
                recorder,
                plan.config,
                name=name,
                key=workspace.key,
                computed=computed_on(plan),
                sweep=workspace.facts.get("sweep"),
            )
            models = ModelKeeper(workspace.folder / "models", tell=tell)
            checkpoints = workspace.checkpoints if checkpoint_every else None

            opened, before = time.monotonic(), workspace.facts.get("seconds", 0.0)

            def computed_for() -> float:
                return float(round(before + time.monotonic() - opened, 1))

            def keep_time(event: Event) -> None:
                if isinstance(event, LevelFinished):
                    workspace.note(seconds=computed_for())

            def say_what_is_lost(event: Event) -> None:
                if not isinstance(event, RunStarted):
                    return
                logged = recorder.journal.logged_steps(EPOCH_METRIC)
                damaged = checkpoints.damaged if checkpoints else []
                if lost := cost_of_lost(workspace.key, damaged, event.ledger, logged):
                    tell(lost)

            ledger = execute(
                plan,
                say_what_is_lost,
                reporter,
                models,
                record,
                keep_time,
                watch,
                checkpoints=checkpoints,
                checkpoint_every=checkpoint_every,
                before_checkpoint=recorder.journal.sync_to_disk,
                dense=dense,
            )
            watch(StageStarted("networks"))
            reporter.draw(
                record.parent.id or workspace.key,
                began=workspace.facts.get("began"),
                seconds=computed_for(),
            )
            written = models.write()
            watch(StageStarted("report"))
            page = reporter.write()
            watch(StageStarted("store"))
            record.finish(page, written)
            recorder.flush()
        standing, run_id = recorder.standing, record.parent.id
        with refusals_told("used", place=workspace.folder, more="What was logged is kept."):
            workspace.note(run_id=run_id)
        _register(workspace, store, run_id or workspace.key, written, tell)
        if standing.left:
            tell(waiting_message(standing, workspace.key))
        workspace.finish()
        watch(RunFinished())
    except BaseException:  # whatever ended the run, it can go on
        size = workspace.checkpoints.size() if workspace.checkpoints.has_any() else 0
        moment = f"from the last checkpoint ({size / 1e6:.1f} MB)" if size else "from its start"
        tell(f"Resume it {moment} with: tfprune resume {workspace.key}")
        raise
    finally:
        workspace.close()
    return FinishedRun(
        name=name,
        run_id=run_id,
        key=workspace.key,
        levels=tuple(ledger.levels),
        similarities=tuple(ledger.similarities),
        descriptions=tuple(ledger.descriptions),
        units=tuple(ledger.units),
        epochs=tuple(ledger.epochs),
        controls=tuple(ledger.controls),
        overlaps=tuple(ledger.overlaps),
        classes=tuple(ledger.classes),
        forgotten=tuple(ledger.forgotten),
        class_names=tuple(str(name) for name in plan.dataset.class_names),
        report=str(page),
        undelivered=standing.left + standing.rejected,
        location=store.location,
    )


def _register(
    workspace: Workspace,
    store: Store,
    run_id: str,
    models: Sequence[tuple[Path, Mapping[str, Any]]],
    tell: Callable[[str], None],
) -> None:
    """Register the last level's network under the name the run was started with, if any."""
    name = workspace.facts.get("register")
    if not name:
        return
    if not has_mlflow_model(models):
        tell(f"Not registered as {name}: there is no MLflow model of this network.")
        return
    folder, facts = models[-1]
    tags = {"sparsity": f"{facts['sparsity']:.6f}", "level": str(facts["level"])}
    version = store.register_model(name, run_id, folder.name, tags=tags)
    tell(f"Registered as {name} version {version}.")
