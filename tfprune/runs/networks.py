"""Networks and tickets by what a user calls them: a logged run, a level of it, or a model file."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import ConfigError, RunConfig, from_dict
from tfprune.disk import check_facts
from tfprune.errors import DamagedError, InputError, check_path
from tfprune.experiment.tickets import REWIND_FILE, Ticket, read_rewind
from tfprune.models.build import is_there
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.models import NETWORK_FILE, read_network
from tfprune.tracking.candidates import check_reference

if TYPE_CHECKING:
    from tfprune.models.files.metadata import ImageInputs
    from tfprune.models.identity import ModelIdentity
    from tfprune.tracking import RunInfo, Store


_LEVEL = re.compile(r"^(?P<run>.+?):(?P<level>\d+)(?::(?P<seed>\d+))?$")
_FILES = (".keras", ".h5", ".hdf5")


MASK_FILE = "mask.npz"  # of every level


@dataclass(frozen=True, eq=False)
class Network:
    """A network with the name to show it by, and the configuration it was trained with.

    `config` is None for a model file, `run` the MLflow run of its level where it has one and
    `experiment` the run that this belongs to, `inputs` the images that it takes where its file says
    so.
    """

    title: str
    model: Any
    config: RunConfig | None = None
    run: RunInfo | None = None
    inputs: ImageInputs | None = None
    experiment: RunInfo | None = None


def titles(one: Network, other: Network) -> tuple[str, str]:
    """Return what two networks are called beside each other: by their runs' names, where they have.

    Runs of one name get the beginning of their ids too.
    """
    runs = [network.experiment for network in (one, other)]
    names = [run.name for run in runs if run is not None]
    alike = len(set(names)) < len({run.id for run in runs if run is not None})
    found = []
    for network, run in zip((one, other), runs, strict=True):
        title = network.title
        if run is not None and network.run is not None:
            params, which = network.run.params, f" ({run.id[:8]})" if alike else ""
            title = f"{run.name}{which} level {params['level']} seed {params['seed']}"
        found.append(title)
    return found[0], found[1]


def network_reference(reference: str | os.PathLike[str]) -> str:
    """Return what names a network as text; raises InputError for what can't name one."""
    check_path(reference, "a network: RUN, RUN:LEVEL, RUN:LEVEL:SEED or the path of a model file")
    return os.fspath(reference)


def is_file(reference: str, store: Store | None = None) -> bool:
    """Whether a reference means a model file or folder, not a run.

    What has an ending or a slash in it means the file that is there; where none is, the run of that
    name, if the store has one. A bare name that exists in the working directory means a model
    where it is one and the store has no run of that name: a folder of figures or data called like
    a run does not hide the run.
    """
    if is_path(reference):
        return True
    looks = reference.lower().endswith(_FILES) or os.sep in reference
    return (looks or _holds_model(Path(reference))) and not _is_run(reference, store)


def is_path(reference: str) -> bool:
    """Whether a reference has an ending or a slash in it, and something is there."""
    looks = reference.lower().endswith(_FILES) or os.sep in reference
    return looks and is_there(reference)


def _holds_model(path: Path) -> bool:
    """Whether a path looks from outside as if a model was in it."""
    if not is_there(str(path)):
        return False
    if path.is_dir():
        return (path / "saved_model.pb").is_file()
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) in (b"PK\x03\x04", b"\x89HDF")


def _is_run(reference: str, store: Store | None) -> bool:
    match = _LEVEL.match(reference)
    name = match["run"] if match else reference
    if store is None:
        return False
    try:
        return store.find_run(name) is not None
    except InputError:  # none, or several
        return any(run.name == name for run in store.search_runs())


def run_config(store: Store, run: RunInfo) -> RunConfig:
    """Return the configuration that a parent run was logged with; InputError where it has none."""
    import yaml

    if not store.has_artifact(run, "config.yaml"):
        raise InputError(
            f"run {run.name!r} ({run.id}) was not made by 'tfprune run', or was interrupted before "
            "it logged its configuration; it has no networks. 'tfprune ui' shows all runs."
        )
    where = f"config.yaml of run {run.name!r} ({run.id})"
    try:
        nested = yaml.safe_load(store.read_text(run.id, "config.yaml"))
        check_facts(where, nested, {"pruning": dict})
        return from_dict(nested)
    except (yaml.YAMLError, UnicodeDecodeError, ConfigError) as error:
        raise DamagedError(where, " ".join(str(error).split())) from error


def level_run(store: Store, reference: str) -> tuple[RunInfo, RunInfo]:
    """Return the parent and the level's run that RUN, RUN:LEVEL or RUN:LEVEL:SEED means.

    A parent alone means its last level, of its first seed; a level's own id means that level.
    Raises InputError when there is no such run or level.
    """
    check_reference(reference)
    match = _LEVEL.match(reference)
    if match is not None:
        parent = store.find_run(match["run"])
        config = run_config(store, parent)
        seed = int(match["seed"]) if match["seed"] else config.seed
        return parent, store.child(parent.id, level=int(match["level"]), seed=seed)
    run = store.find_run(reference)
    if run.kind == "level" and run.parent_id is not None:
        return store.find_run(run.parent_id), run
    if run.kind != "experiment":
        raise InputError(f"run {reference!r} was not made by 'tfprune run'; it has no networks.")
    config = run_config(store, run)
    children = [
        c
        for c in store.children(run.id)
        if c.kind == "level" and c.params.get("seed") == str(config.seed)
    ]
    done = [c for c in children if c.status == "FINISHED"]
    if not done:
        raise InputError(f"run {reference!r} has no finished level yet; wait, or resume it.")
    last, wanted = done[-1], config.pruning.levels
    if last.params.get("level") != str(wanted):
        there = f"the last one there is {last.params['level']}: {run.id}:{last.params['level']}."
        if run.status == "FINISHED":
            raise InputError(
                f"the last level of run {reference!r}, {wanted}, is not in the store; {there}"
            )
        if store.lacks_end_of(run):
            raise InputError(
                f"run {reference!r} has finished, but not all of it is in MLflow; {there} Upload "
                f"the rest with: tfprune sync {run.key}"
            )
        raise InputError(
            f"run {reference!r} has not finished ({run.status}), so its last level, {wanted}, is "
            f"not there; {there} If it was interrupted, resume it with: tfprune resume "
            f"{run.key or run.id}"
        )
    return run, last


def load_network(reference: str, store: Store | None, *, trust: bool = False) -> Network:
    """Return the network that a user means; raises InputError with what to do when there is none.

    `store` is where runs are looked for, None where there is no store yet.
    """
    from tfprune.models.files import load_model
    from tfprune.models.files.metadata import ImageInputs, read_metadata

    if is_file(reference, store):
        model = load_model(reference, trust=trust)
        inputs = ImageInputs.from_dict(read_metadata(Path(reference)))
        return Network(Path(reference).name, model, inputs=inputs)
    if store is None:
        raise InputError(
            f"{reference!r} is neither a model file nor a run: there is no MLflow store here. "
            "Name a .keras or .h5 file or a SavedModel, or go to the folder where 'tfprune run' "
            "was started."
        )
    parent, child = level_run(store, reference)
    config = run_config(store, parent)
    title = (
        f"{Path(config.model.name).name} level {child.params['level']} seed {child.params['seed']}"
    )
    if _stored(store, child) == NETWORK_FILE:
        path = store.download_artifact(child.id, NETWORK_FILE)
        read = read_network(path)
        inputs = None if read is None else ImageInputs.from_dict(read[1])
        model = _built_again(read, config, title, model_of(parent), trust=trust)
        return Network(title, model, config, child, inputs, parent)
    if _stored(store, child) is None:
        raise InputError(
            f"{title} ({reference}) has no network in the store: neither model.keras nor "
            f"{NETWORK_FILE} is among its artifacts. Choose another level, or restore them."
        )
    path = store.download_artifact(child.id, "model.keras")
    inputs = ImageInputs.from_dict(read_metadata(path))
    return Network(title, load_model(path), config, child, inputs, parent)


def _stored(store: Store, child: RunInfo) -> str | None:
    """Return the name of the artifact that holds a level's network, None where there is none."""
    names = ("model.keras", NETWORK_FILE)
    return next((name for name in names if store.has_artifact(child, name)), None)


def _built_again(
    read: tuple[list[np.ndarray], dict[str, Any]] | None,
    config: RunConfig,
    title: str,
    then: ModelIdentity | None,
    *,
    trust: bool,
) -> Any:
    """Return a network that was stored as weights, with the model of its run around them.

    `then` is what was known of that model. Raises InputError where it is another one now.
    """
    from tfprune.models import build_model
    from tfprune.models.identity import answers_of, check_trusted_file, same_answers

    if read is None:
        raise InputError(f"{NETWORK_FILE} of {title} is damaged; it can't be used.")
    values, facts = read
    if config.model.trust and not trust:
        check_trusted_file(config.model.name, then, whose=f"the run of {title}")
    model = build_model(
        config.model.name,
        input_shape=tuple(facts["input_shape"]),
        n_classes=facts["n_classes"],
        seed=config.seed,
        trust=trust or config.model.trust,
        layer_names=facts["layer_names"],
    )
    shapes = [tuple(variable.shape) for variable in model.variables]
    if shapes != [value.shape for value in values]:
        raise InputError(
            f"{config.model.name!r} is no longer the model that {title} was trained with: its "
            "weights have other shapes. Restore the original."
        )
    if then is not None and not same_answers(then.answers, answers_of(model)):
        raise InputError(
            f"{config.model.name!r} is no longer the model that {title} was trained with: it "
            "computes something else from the same weights. Restore the original."
        )
    for variable, value in zip(model.variables, values, strict=True):
        variable.assign(value)
    return model


def model_of(parent: RunInfo) -> ModelIdentity | None:
    """Return what was known of a run's model when it began; None for built-in and older ones."""
    from tfprune.models.identity import MODEL_TAG, ModelIdentity

    return ModelIdentity.from_json(parent.tags.get(MODEL_TAG))


def load_ticket(
    reference: str,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> Ticket:
    """Return the ticket RUN:LEVEL (or RUN:LEVEL:SEED) of a logged experiment.

    reference: which level; RUN alone means its last one.
    tracking_uri, experiment, folder: where the run was logged, as in `tfprune.run`.

    Raises InputError when there is no such run or level, or when the run logged no state to rewind
    to.

    >>> import tfprune
    >>> masks = tfprune.load_ticket("example:1").masks
    >>> sum(int(mask.sum()) for mask in masks.values()), sum(mask.size for mask in masks.values())
    (3072, 6144)
    """
    from tfprune.tracking import open_store, resolve_store

    check_reference(reference)
    location = resolve_store(tracking_uri, experiment, folder=folder, writes=False)
    return ticket_from(open_store(location, create=False), reference)


def ticket_from(store: Store, reference: str) -> Ticket:
    """Return the ticket of a logged level; see `load_ticket`."""

    parent, child = level_run(store, reference)
    seed, level = int(child.params["seed"]), int(child.params["level"])
    dense = store.child(parent.id, level=0, seed=seed)
    if not store.has_artifact(dense, REWIND_FILE):
        raise InputError(f"run {parent.name!r} logged no {REWIND_FILE}: it holds no tickets.")
    if not store.has_artifact(child, MASK_FILE):
        raise InputError(
            f"level {level} of run {parent.name!r} holds no ticket: it has no {MASK_FILE} in the "
            f"store, as a level that has not finished. Name an earlier one, or: tfprune resume "
            f"{parent.key or parent.id}"
        )
    read = read_rewind(Path(store.download_artifact(dense.id, REWIND_FILE)))
    if read is None:
        raise InputError(f"{REWIND_FILE} of run {parent.name!r} is damaged; it can't be used.")
    variables, step = read
    return Ticket(
        source=f"{parent.id}:{level}:{seed}",
        seed=seed,
        level=level,
        step=step,
        masks=load_masks(store.download_artifact(child.id, MASK_FILE)),
        variables=variables,
        config=run_config(store, parent),
        model=model_of(parent),
    )
