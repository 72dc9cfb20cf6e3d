"""`tfprune.run` and `tfprune.resume`: from a configuration to tables, MLflow runs and a report."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import DataConfig, RunConfig, config_hash, run_name, settled
from tfprune.errors import InputError
from tfprune.experiment.dense_phase import DensePhases
from tfprune.experiment.plan import make_plan
from tfprune.models.identity import check_trusted_file
from tfprune.runs import workspace as workspaces
from tfprune.runs.execution import carry_out
from tfprune.runs.finding import open_run
from tfprune.runs.finished import FinishedRun
from tfprune.runs.machine import machine, tell_other_machine
from tfprune.runs.progress import shown
from tfprune.runs.run_file import check_journal
from tfprune.runs.sync import open_again, store_of
from tfprune.runs.workspace import Workspace
from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.local import runs_of_lost
from tfprune.tracking.names import check_model_name, check_run_name
from tfprune.tracking.store import check_store
from tfprune.tracking.store_problem import refill

if TYPE_CHECKING:
    from tfprune.experiment.events import Watch
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.workbench import DryRun
    from tfprune.tracking import StoreLocation


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

    config: a preset's name, the path of a YAML file, a nested mapping as in such a file, a
        RunConfig, or None for the default experiment on embedded data.
    settings: override those of `config`, named as in the YAML file or on the command line:
        `levels=3`, `model="lenet-300-100"`, `measure="cka"`.
    train, test: your own images in place of `data.dataset`: pairs (images, labels), a
        tf.data.Dataset of such, or objects with `__len__` and `__getitem__`. Without `test`, the
        setting `data.test_fraction` says what share is held out. class_names: of their classes.
    name, experiment, tracking_uri: the parent run's name, and where MLflow logs (by default
        `mlruns/mlflow.db` in `folder`). register: a name in MLflow's model registry for the last
        level's network.
    tell: called with messages. watch: called with every event of the experiment (see
        `tfprune.experiment.events`). progress: True shows a bar on a terminal and in a notebook,
        and one line per level on standard error elsewhere; False nothing; None is True on a
        terminal and in a notebook.
    checkpoint_every: epochs between two checkpoints; 0 writes none. An interrupted run of the same
        configuration is resumed, unless `fresh`.
    deterministic: use TensorFlow's deterministic operators on a fixed number of threads: slower,
        with bit-identical results on any number of cores.

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
        return run_checked(
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
                "test and class_names belong to images passed as train, but train is missing. "
                "Give train=(images, labels) too."
            )
        yield config
        return
    if config.data.dataset != DataConfig().dataset:
        raise InputError(
            "train was passed, but the configuration also names the data set "
            f"{config.data.dataset!r} too. Leave one of the two out."
        )
    with given_data(train, test, class_names=class_names, limit=MEMORY_LIMIT) as name:
        yield dataclasses.replace(config, data=dataclasses.replace(config.data, dataset=name))


def run_checked(
    config: RunConfig,
    *,
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
    key: str | None = None,
    among: Sequence[str] | None = None,
    sweep: str | None = None,
    dense: Mapping[int, Path] | None = None,
) -> FinishedRun:
    """Return what `run` returns of a whole configuration; shows no progress of its own.

    key: that of the run if it is a new one. among: keys of the runs among which an interrupted one
    is looked for. sweep: key of the sweep that the run is a cell of, under whose run MLflow shows
    it. dense: seed -> folder of `train_dense`, where its dense network was trained already.
    """
    root, given = Path(folder), config_hash(config)
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
            f"folder were uploaded ({len(lost)} of them) is gone. Fill the new one from the "
            f"folder of each: {refill(lost[0])}"
        )
    store = workspaces.store_facts(location, root)
    workspace = (
        None
        if fresh
        else workspaces.find_interrupted(
            root,
            config,
            store=store,
            deterministic=deterministic,
            is_same=lambda found: _is_same(found, plan, tell),
            tell=tell,
            among=among,
        )
    )
    if workspace is not None:
        plan = _with_names(plan, workspace, location)
        tell(f"Resuming the interrupted run {workspace.key}; --fresh starts a new run.")
        tell_other_machine(workspace, tell)
    else:
        workspace = workspaces.create(
            root,
            key or workspaces.new_key(),
            config,
            name=name or run_name(config),
            store=store,
            data=plan.data_digest,
            layers=plan.layer_names,
            model=plan.model.as_dict() if plan.model is not None else None,
            register=register,
            deterministic=deterministic,
            machine=machine(),
            given_hash=given,
            **({"sweep": sweep} if sweep else {}),
        )
    phases = DensePhases(dense, tell=tell) if dense else None
    return carry_out(plan, workspace, opened, watch, tell, checkpoint_every, phases)


def resume(
    reference: str,
    *,
    folder: str | Path = ".",
    watch: Watch = lambda event: None,
    tell: Callable[[str], None] = _tell_on_stderr,
    checkpoint_every: int = 1,
    progress: bool | None = None,
) -> FinishedRun:
    """Return the result of an interrupted run, after resuming it from its last checkpoint.

    reference: its key, its MLflow id, or its name.
    folder: the project's folder, in which `mlruns` lies.
    tell, watch, progress, checkpoint_every: as in `run`.

    The result is bit for bit that of an uninterrupted run. Raises InputError when there is no such
    run, when it has finished, and when code, libraries, data or model have changed.

    A finished run cannot be resumed:

    >>> import tfprune
    >>> tfprune.resume("example")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: run ... (example) has finished; there is nothing to resume. ...
    """
    root = Path(folder)
    workspace = open_run(root, reference)
    try:
        check_journal(workspace.folder)
        location = store_of(workspace.folder, workspace.facts["store"], root)
        unchanged = {"environment": workspaces.environment(), "data": workspace.facts.get("data")}
        workspace.check_unchanged(unchanged)
        _start_tensorflow(workspace.config, workspace.facts.get("deterministic", False))
        if workspace.config.model.trust:
            given = workspace.config.model.name
            check_trusted_file(given, workspace.model, whose=f"run {workspace.key}")
        plan = _plan(workspace.config, location, layer_names=workspace.facts.get("layers"))
        if not plan.has_data(workspace.facts.get("data")):
            workspace.check_unchanged(unchanged | {"data": plan.data_digest})
        workspace.check_model(plan.model)
        opened = open_again(workspace.folder, location)
    except BaseException:
        workspace.close()
        raise
    tell_other_machine(workspace, tell)
    with shown(watch, progress) as watching:
        return carry_out(plan, workspace, opened, watching, tell, checkpoint_every)


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


def planned(
    config: RunConfig,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
    deterministic: bool = False,
) -> Plan:
    """Return the plan that `run` would carry out; raises what it refuses, writes nothing."""
    return _checked(
        config,
        name=None,
        experiment=experiment,
        tracking_uri=tracking_uri,
        root=Path(folder),
        register=None,
        deterministic=deterministic,
    )[0]


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


def _is_same(workspace: Workspace, plan: Plan, tell: Callable[[str], None]) -> bool:
    """Whether an interrupted run of the plan's configuration has its data and its model too."""
    if not plan.has_data(workspace.facts.get("data")):
        return False
    try:
        workspace.check_model(plan.model)
    except InputError as error:
        tell(f"A new run begins: {error}")
        return False
    return True


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
    from tfprune.experiment.tickets import check_trusted, with_ticket
    from tfprune.runs.networks import ticket_from

    ticket = ticket_from(open_store(location, create=False), config.pruning.ticket)
    check_trusted(ticket)
    return make_plan(with_ticket(config, ticket), ticket=ticket, layer_names=layer_names)
