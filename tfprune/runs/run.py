"""`tfprune.run` and `tfprune.resume`: from a configuration to tables, MLflow runs and a report."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import DataConfig, RunConfig, run_name, settled
from tfprune.errors import MASK, InputError
from tfprune.experiment.events import RunFinished, RunStarted, StageStarted
from tfprune.experiment.loop import execute
from tfprune.experiment.plan import make_plan
from tfprune.refused import refusals_told
from tfprune.runs import workspace as workspaces
from tfprune.runs.doctor import computed_on
from tfprune.runs.finished import FinishedRun
from tfprune.runs.models import ModelKeeper, has_mlflow_model
from tfprune.runs.progress import shown
from tfprune.runs.record import RunRecord, waiting_message
from tfprune.runs.reporting import Reporter
from tfprune.runs.trained_again import EPOCH_METRIC, cost_of_lost
from tfprune.runs.workspace import Workspace
from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.local import runs_of_lost
from tfprune.tracking.names import check_model_name, check_run_name
from tfprune.tracking.store import check_store
from tfprune.tracking.store_problem import StoreProblem, refill
from tfprune.training.precision import is_slow_here

if TYPE_CHECKING:
    from tfprune.experiment.events import Event, Watch
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.workbench import DryRun
    from tfprune.tracking import Delivery, Store, StoreLocation


#: keywords of `run` that are no settings, for the hint at a misspelt one
_KEYWORDS = (
    "train", "test", "class_names", "name", "experiment", "tracking_uri", "folder", "watch",
    "tell", "checkpoint_every", "fresh", "register", "deterministic",
    "progress",
)  # fmt: skip


def _tell_on_stderr(message: str) -> None:
    print(message, file=sys.stderr)


def run(
    config: RunConfig | Mapping[str, Any] | str | Path | None = None,
    *,
    train: Any = None,
    test: Any = None,
    class_names: Sequence[str] | None = None,
    name: str | None = None,
    experiment: str | None = None,
    tracking_uri: str | None = None,
    folder: str | Path = ".",
    watch: Watch = lambda event: None,
    tell: Callable[[str], None] = _tell_on_stderr,
    checkpoint_every: int = 1,
    fresh: bool = False,
    register: str | None = None,
    deterministic: bool = False,
    progress: bool | None = None,
    **settings: Any,
) -> FinishedRun:
    """Return the result of one experiment, after training, pruning, comparing and logging it.

    `config` is a preset's name, the path of a YAML file, a nested mapping as in such a file, a
    RunConfig, or None for the embedded default. `settings` are laid over it, called as in the
    YAML file or on the command line: `levels=3`, `model="lenet-300-100"`, `measure="cka"`.
    `train` and `test` are images of one's own in place of `data.dataset`: pairs
    (images, labels), tf.data.Dataset of such, or objects with `__len__` and `__getitem__`; without
    `test` the setting `data.test_fraction` says what share is held out. `class_names` name their
    classes. `name` names the parent run; `experiment` and `tracking_uri` say where MLflow logs
    (by default `mlruns/mlflow.db` in `folder`). `tell` hears what is worth knowing on the way,
    `watch` every event of the experiment (see `tfprune.experiment.events`). `progress` shows a bar
    on a terminal and in a notebook, one line a level on standard error elsewhere: True always,
    False never, by default on a terminal and in a notebook.
    `register` is a name in MLflow's model registry for the last level's network. Every
    `checkpoint_every` epochs the state is written to disk, 0 for never. A run of the same
    configuration that was interrupted goes on, unless `fresh`. `deterministic` asks TensorFlow
    for deterministic operators on a fixed number of threads: slower, and the same bits whatever
    the number of cores.

    Raises InputError before anything is written when the configuration can't be run, RunError
    when training fails; what was logged until then stays.

    >>> import tfprune
    >>> settings = {"training": {"epochs": "20it"}, "pruning": {"fraction": 0.5}}
    >>> result = tfprune.run(settings, levels=1, name="example", tell=lambda message: None)
    >>> [level.sparsity for level in result.levels]
    [0.0, 0.5]
    >>> result.frame(measure="svcca", level=1)["layer"].tolist()
    ['conv1', 'conv2', 'dense1']
    """
    config = settled(config, settings, beside=_KEYWORDS)
    with (
        _own_data(config, train, test, class_names) as whole,
        shown(watch, progress) as watching,
    ):
        return _run(
            whole, name=name, experiment=experiment, tracking_uri=tracking_uri, folder=folder,
            watch=watching, tell=tell, checkpoint_every=checkpoint_every, fresh=fresh,
            register=register, deterministic=deterministic,
        )  # fmt: skip


@contextlib.contextmanager
def _own_data(
    config: RunConfig, train: Any, test: Any, class_names: Sequence[str] | None
) -> Iterator[RunConfig]:
    """Yield the configuration with data that were handed over as its data set, while it is used."""
    from tfprune.data import MEMORY_LIMIT
    from tfprune.data.given import given_data

    if train is None:
        if test is not None or class_names is not None:
            raise InputError(
                "test and class_names belong to images that are handed over as train, and there is "
                "no train. Give train=(images, labels) too."
            )
        yield config
        return
    if config.data.dataset != DataConfig().dataset:
        raise InputError(
            f"train was handed over, and the configuration names the data set "
            f"{config.data.dataset!r} too. Leave one of the two out."
        )
    with given_data(train, test, class_names=class_names, limit=MEMORY_LIMIT) as name:
        yield dataclasses.replace(config, data=dataclasses.replace(config.data, dataset=name))


def _run(
    config: RunConfig,
    *,
    name: str | None,
    experiment: str | None,
    tracking_uri: str | None,
    folder: str | Path,
    watch: Watch,
    tell: Callable[[str], None],
    checkpoint_every: int,
    fresh: bool,
    register: str | None,
    deterministic: bool,
) -> FinishedRun:
    root = Path(folder)
    plan, location = _checked(
        config,
        name=name,
        experiment=experiment,
        tracking_uri=tracking_uri,
        root=root,
        register=register,
        deterministic=deterministic,
    )
    config = plan.config
    # before the run has a folder: where the store does not answer, nothing is written
    lost = runs_of_lost(location)
    opened = open_store(location)
    if lost:
        tell(
            f"A new MLflow store was made at {location.database}: the one to which runs of this "
            f"folder were delivered ({len(lost)} of them) is gone. Fill the new one from the "
            f"folder of each: {refill(lost[0])}"
        )
    store = workspaces.store_facts(location, root)
    workspace = (
        None
        if fresh
        else workspaces.find_interrupted(
            root, config, store=store, deterministic=deterministic, tell=tell
        )
    )
    if workspace is not None and workspace.facts["data"] != plan.data_digest:
        workspace.close()
        workspace = None
    if workspace is not None:
        plan = _with_names(plan, workspace, location)
        tell(f"Going on with the interrupted run {workspace.key}; --fresh starts anew.")
        _tell_other_machine(workspace, tell)
    else:
        workspace = workspaces.create(
            root,
            uuid.uuid4().hex[:12],
            config,
            name=name or run_name(config),
            store=store,
            data=plan.data_digest,
            layers=plan.layer_names,
            register=register,
            deterministic=deterministic,
            machine=_machine(),
        )
    return _carry_out(plan, workspace, opened, watch, tell, checkpoint_every)


def resume(
    reference: str,
    *,
    folder: str | Path = ".",
    watch: Watch = lambda event: None,
    tell: Callable[[str], None] = _tell_on_stderr,
    checkpoint_every: int = 1,
    progress: bool | None = None,
) -> FinishedRun:
    """Return the result of an interrupted run, after going on from its last checkpoint.

    `reference` is its key, its MLflow id, or its name. The result is what the uninterrupted run
    would have given, bit for bit. Raises InputError when there is no such run, when it has
    finished, and when code, libraries or data are no longer what they were. `progress` is as of
    `run`.

    A run that has finished has nothing to go on with:

    >>> import tfprune
    >>> tfprune.resume("example")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: run ... (example) has finished; there is nothing to go on with. ...
    """
    root = Path(folder)
    workspace = workspaces.open_run(root, reference)
    try:
        workspaces.check_journal(workspace.folder)
        location = _store_of(workspace.folder, workspace.facts["store"], root)
        unchanged = {"environment": workspaces.environment(), "data": workspace.facts["data"]}
        workspace.check_unchanged(unchanged)
        _start_tensorflow(workspace.config, workspace.facts.get("deterministic", False))
        plan = _plan(workspace.config, location, layer_names=workspace.facts.get("layers"))
        workspace.check_unchanged(unchanged | {"data": plan.data_digest})
        opened = _open_again(workspace.folder, location)
    except BaseException:
        workspace.close()
        raise
    _tell_other_machine(workspace, tell)
    with shown(watch, progress) as watching:
        return _carry_out(plan, workspace, opened, watching, tell, checkpoint_every)


def dry_run(
    config: RunConfig,
    *,
    name: str | None = None,
    experiment: str | None = None,
    tracking_uri: str | None = None,
    folder: str | Path = ".",
    register: str | None = None,
    deterministic: bool = False,
) -> DryRun:
    """Return what `run` would do with this configuration; trains a few steps of a copy to time it.

    Raises InputError for whatever `run` refuses before training, with the same words: a ticket
    that is not in the store, a store that does not answer. Nothing is written.
    """
    from tfprune.experiment.workbench import timed

    plan, location = _checked(
        config,
        name=name,
        experiment=experiment,
        tracking_uri=tracking_uri,
        root=Path(folder),
        register=register,
        deterministic=deterministic,
    )
    check_store(location)
    return timed(plan)


def _checked(
    config: RunConfig,
    *,
    name: str | None,
    experiment: str | None,
    tracking_uri: str | None,
    root: Path,
    register: str | None,
    deterministic: bool,
) -> tuple[Plan, StoreLocation]:
    """Return the plan of an experiment and where it logs; raises what `run` and `dry_run` refuse.

    What is written at the end is known to be writable here: names, and the model to register.
    """
    if name is not None:
        check_run_name(name)
    if register is not None:
        check_model_name(register)
    location = resolve_store(tracking_uri, experiment, folder=root)
    workspaces.check_place(root)
    _start_tensorflow(config, deterministic)
    plan = _plan(config, location)
    if register and plan.leaving.keras3 is not None:
        raise InputError(
            f"--register {register} needs an MLflow model, and this network can't be converted to "
            f"Keras 3: {plan.leaving.keras3}. Run without --register; 'tfprune export' writes it "
            "as a tf_keras file."
        )
    return plan, location


def _start_tensorflow(config: RunConfig, deterministic: bool) -> None:
    from tfprune.training.backend import moment_device, start_tensorflow

    start_tensorflow(deterministic=deterministic, device=config.device)
    moment_device(config.comparison.compare_on)  # raises where it asks for a GPU that isn't there


def _machine() -> dict[str, str]:
    """Return what the last bits of a result depend on beside code and libraries."""
    from tfprune.training.backend import gpu, n_threads

    device = gpu()
    return {
        "threads": str(n_threads()),
        "processor": workspaces.processor(),
        "device": device.name if device else "CPU",
    }


def _tell_other_machine(workspace: Workspace, tell: Callable[[str], None]) -> None:
    """Say so where a run goes on under conditions in which the last bits may differ."""
    then, now = workspace.facts.get("machine", {}), _machine()
    changed = [f"{what} {then[what]}, now {now[what]}" for what in then if then[what] != now[what]]
    if changed:
        tell(
            f"The run began with {'; '.join(changed)}: from here on its last bits may differ from "
            "an uninterrupted run's."
        )


def _with_names(plan: Plan, workspace: Workspace, location: StoreLocation) -> Plan:
    """Return the plan with its layers called what the run that goes on called them."""
    then = workspace.facts.get("layers")
    if then is None or tuple(then) == plan.layer_names:
        return plan
    return _plan(plan.config, location, layer_names=then)


def _plan(
    config: RunConfig, location: StoreLocation, *, layer_names: Sequence[str] | None = None
) -> Plan:
    """Return the plan of an experiment, with the ticket it names fetched from the store."""
    if config.pruning.ticket is None:
        return make_plan(config, layer_names=layer_names)
    from tfprune.experiment.tickets import with_ticket
    from tfprune.runs.networks import ticket_from

    ticket = ticket_from(open_store(location, create=False), config.pruning.ticket)
    return make_plan(with_ticket(config, ticket), ticket=ticket, layer_names=layer_names)


def sync(
    reference: str,
    *,
    to: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> Delivery:
    """Deliver what a run could not log; return how many records went, are left, were refused.

    `to` is the URI of a store that shall have all that the run logged, a new one or one that has
    it already: from then on it is the store of the run. `experiment` is the one in it, by default
    that of before. Raises InputError when there is no such run, while it is still going, and
    without `to` when the store to which it was delivered is gone.
    """
    root = Path(folder)
    run_folder, facts = workspaces.find_run(root, reference)
    workspaces.check_journal(run_folder)
    if to is None:
        opened = _open_again(run_folder, _store_of(run_folder, facts["store"], root))
        delivery = opened.sync(run_folder)
    else:
        location = resolve_store(to, experiment or facts["store"]["experiment"], folder=root)
        opened = open_store(location)
        workspace = workspaces.move(run_folder, facts, workspaces.store_facts(location, root))
        try:
            delivery = opened.sync(run_folder, anew=True)
            workspace.note(run_id=workspaces.store_id(run_folder))
        finally:
            workspace.close()
    if facts.get("finished"):
        workspaces.free_disk(run_folder)  # what is left where it was killed in its last moment
    return delivery


def _open_again(run_folder: Path, location: StoreLocation) -> Store:
    """Return the store of a run that has begun; InputError where what it had of it is gone."""
    key = run_folder.name
    try:
        return open_store(location, create=workspaces.store_id(run_folder) is None)
    except StoreProblem as error:
        if error.is_missing:
            raise InputError(
                f"{error.what}; run {key} was delivered to it. Put it back, or fill a new one "
                f"from the folder of the run: {refill(key)}"
            ) from error
        if error.is_silent:
            raise InputError(
                f"{error.what}. Start it, or deliver all of the run to another one: "
                f"{refill(key, 'URI')}"
            ) from error
        raise


def _store_of(run_folder: Path, given: Mapping[str, str | None], root: Path) -> StoreLocation:
    """Return the store a run was started with; the environment says it where it holds a secret."""
    uri = None if given["uri"] and MASK in given["uri"] else given["uri"]
    location = resolve_store(uri, given["experiment"], folder=root)
    if workspaces.store_facts(location, root) != given:
        raise InputError(
            f"run {run_folder.name} logs to {given['uri'] or 'the store in mlruns'}, but "
            f"MLFLOW_TRACKING_URI leads to {location.shown}. Set it to what it was."
        )
    return location


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


def _carry_out(
    plan: Plan,
    workspace: Workspace,
    store: Store,
    watch: Watch,
    tell: Callable[[str], None],
    checkpoint_every: int,
) -> FinishedRun:
    name = workspace.facts["name"]
    if is_slow_here(plan.config.training.precision):
        tell(
            "What trains has no instructions for bfloat16 (a processor: avx512_bf16, amx_bf16; a "
            "GPU: compute capability 8.0): it is slower than with --precision float32."
        )
    if plan.left_out:
        tell(f"Not pruned, for tfmot can't wrap them: {', '.join(plan.left_out)}.")
    for note in plan.notes:
        tell(note)
    try:
        with (
            store.record(workspace.folder, on_gap=tell) as recorder,
            refusals_told("used", more="What was logged is kept."),
        ):
            record = RunRecord(
                recorder, plan.config, name=name, key=workspace.key, computed=computed_on(plan)
            )
            reporter = Reporter(workspace.folder, name=name, tell=tell)
            models = ModelKeeper(workspace.folder / "models", tell=tell)
            checkpoints = workspace.checkpoints if checkpoint_every else None

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
                watch,
                checkpoints=checkpoints,
                checkpoint_every=checkpoint_every,
                before_checkpoint=recorder.journal.sync_to_disk,
            )
            watch(StageStarted("report"))
            page = reporter.write(record.parent.id or workspace.key)
            watch(StageStarted("networks"))
            written = models.write()
            watch(StageStarted("store"))
            record.finish(page, written)
            recorder.flush()
        standing, run_id = recorder.standing, record.parent.id
        with refusals_told("used", more="What was logged is kept."):
            workspace.note(run_id=run_id)
        _register(workspace, store, run_id or workspace.key, written, tell)
        if standing.left:
            tell(waiting_message(standing, workspace.key))
        workspace.finish()
        watch(RunFinished())
    except BaseException:  # whatever ended the run, it can go on
        size = workspace.checkpoints.size()
        moment = f"from the last checkpoint ({size / 1e6:.1f} MB)" if size else "from its start"
        tell(f"Go on {moment} with: tfprune resume {workspace.key}")
        raise
    finally:
        workspace.close()
    return FinishedRun(
        name=name,
        run_id=run_id,
        key=workspace.key,
        levels=tuple(ledger.levels),
        similarities=tuple(ledger.similarities),
        epochs=tuple(ledger.epochs),
        controls=tuple(ledger.controls),
        overlaps=tuple(ledger.overlaps),
        report=str(page),
        undelivered=standing.left,
        location=store.location,
    )
