"""The folder of one run: what it is, its journal, its checkpoints, and who has it open."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tfprune.config import ConfigError, RunConfig, config_hash, from_dict, to_dict
from tfprune.disk import write_facts
from tfprune.errors import DamagedError, InputError, RunError
from tfprune.experiment.checkpoint import CheckpointFolder
from tfprune.models.identity import ModelIdentity
from tfprune.refused import refusal
from tfprune.runs.run_file import has_ended, is_experiment, read_run
from tfprune.tracking.location import DATABASE_NAME, DEFAULT_FOLDER, StoreLocation

RUNS = Path("mlruns") / "runs"


def code_digest() -> str:
    """Return 12 hex digits that change with any line of tfprune's code."""
    root = Path(__file__).parents[1]
    sha = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        sha.update(f"{path.relative_to(root)}\n".encode())
        sha.update(path.read_bytes())
    return sha.hexdigest()[:12]


def environment() -> dict[str, str]:
    """Return what a resumed run must find unchanged to be the same run: code and libraries."""
    libraries = ("tensorflow", "tf-keras", "tensorflow-model-optimization", "numpy", "scipy")
    return {
        "tfprune": f"{version('tfprune')} ({code_digest()})",
        **{name: version(name) for name in libraries},
    }


def processor() -> str:
    """Return the processor's name as the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


class Workspace:
    """The folder `mlruns/runs/<key>` of a run, held by one process at a time.

    `facts` is what `run.json` says: name, configuration, store, environment, data, when it began
    and for how long it has computed, whether it has finished.
    """

    def __init__(self, folder: Path, facts: dict[str, Any], lock: FileLock) -> None:
        self.folder = folder
        self.facts = facts
        self._lock = lock

    @property
    def key(self) -> str:
        """tfprune's own id of the run."""
        return self.folder.name

    @property
    def checkpoints(self) -> CheckpointFolder:
        """Where the run's state is kept until it has finished."""
        return CheckpointFolder(self.folder / "checkpoint")

    @property
    def config(self) -> RunConfig:
        """The configuration the run was started with; raises DamagedError where it is none."""
        try:
            return from_dict(self.facts["config"])
        except ConfigError as error:
            raise DamagedError(
                self.folder / "run.json", f"in its configuration, {error}"
            ) from error

    def note(self, **facts: Any) -> None:
        """Add to what `run.json` says."""
        self.facts |= {"key": self.key, **facts}
        write_facts(self.folder / "run.json", self.facts)

    def finish(self) -> None:
        """Note that the run is done; free the disk of its checkpoints and of what was logged."""
        self.note(finished=True)
        free_disk(self.folder)

    def check_unchanged(self, now: Mapping[str, Any]) -> None:
        """Raise InputError naming what differs from when the run was started."""
        for what in ("environment", "data"):
            then, found = self.facts.get(what), now[what]
            if then is None or then == found:
                continue
            pairs = [
                f"{name} was {then.get(name)}, is {found.get(name)}"
                for name in sorted({*then, *found})
                if then.get(name) != found.get(name)
            ]
            raise InputError(
                f"run {self.key} cannot be resumed as the same run: its {what} changed: "
                f"{'; '.join(pairs)}. Restore that, or start a new run with 'tfprune run'."
            )
        written, found = self.facts["config_hash"], config_hash(self.config)
        if written != found:
            raise InputError(
                f"run {self.key} cannot be resumed as the same run: its configuration changed in "
                f"run.json (hash {found}, was {written}). Restore that, or start a new run with "
                "'tfprune run'."
            )

    @property
    def model(self) -> ModelIdentity | None:
        """What was known of the user's model when the run began; None for built-in ones."""
        return ModelIdentity.from_dict(self.facts.get("model"))

    def check_model(self, now: ModelIdentity | None) -> None:
        """Raise InputError where the user's model is another one than when the run began."""
        then = self.model
        changes = then.changes(now) if then is not None and now is not None else ()
        if changes:
            raise InputError(
                f"run {self.key} cannot be resumed as the same run: its model "
                f"{self.config.model.name!r} changed: {', '.join(changes)}. Restore that, or start "
                "a new run with 'tfprune run'."
            )

    def close(self) -> None:
        """Let another process open the folder."""
        self._lock.release()


def environment_digest(**facts: Any) -> str:
    """Return 8 hex digits that change with code, libraries and `facts`."""
    told = json.dumps({**environment(), **facts}, sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()[:8]


def drop(folder: Path) -> None:
    """Delete a folder that is of no more use, as far as that goes."""
    shutil.rmtree(folder, ignore_errors=True)


def free_disk(folder: Path) -> None:
    """Delete what a finished run's folder holds for going on, and writes that a kill cut off."""
    for done in (folder / "checkpoint", folder / "models"):
        shutil.rmtree(done, ignore_errors=True)
    for torn in folder.rglob(".*"):
        if torn.is_file() and folder / "files" not in torn.parents:
            torn.unlink(missing_ok=True)


def store_facts(location: StoreLocation, root: Path) -> dict[str, str | None]:
    """Return where a run logs, without secrets; uri None stands for the default of the folder."""
    default = location.database == Path(os.path.abspath(root / DEFAULT_FOLDER / DATABASE_NAME))
    return {"uri": None if default else location.shown, "experiment": location.experiment}


def check_place(root: Path) -> None:
    """Raise InputError where runs can't have their folders in `root`."""
    place = root / RUNS
    if place.exists() and not place.is_dir():
        raise InputError(f"{place} is not a folder, and runs are kept there. Move that file away.")
    there = next(one for one in (place, *place.absolute().parents) if one.exists())
    if not os.access(there, os.W_OK | os.X_OK):
        raise InputError(
            f"{there} is read-only, and runs are kept in {place}. Make it writable, or run in "
            "another folder."
        )


def create(root: Path, key: str, config: RunConfig, **facts: Any) -> Workspace:
    """Make and lock the folder of a new run; raises RunError when the disk refuses."""
    workspace = _new_folder(root, key)
    workspace.note(
        config=to_dict(config),
        config_hash=config_hash(config),
        environment=environment(),
        finished=False,
        began=round(time.time(), 3),
        **facts,
    )
    return workspace


def create_logged(
    root: Path,
    *,
    kind: str,
    name: str,
    store: Mapping[str, str | None],
    key: str | None = None,
    **facts: Any,
) -> Workspace:
    """Make and lock the folder that keeps what is logged of a comparison or of one pruned network.

    kind: 'comparison', 'prune' or 'sweep', as in MLflow. It counts as finished: there is nothing
    to resume, but `tfprune sync` finds it. Raises RunError when the disk refuses.
    """
    drop_unlogged(root)
    workspace = _new_folder(root, key or new_key())
    workspace.note(kind=kind, name=name, store=dict(store), finished=True, **facts)
    return workspace


def reopen_logged(folder: Path) -> Workspace:
    """Return the folder of `create_logged`, locked, to log more.

    Raises InputError when another process is working on it.
    """
    lock = lock_of(folder)
    if lock is None:
        raise still_running(folder)
    return Workspace(folder, read_run(folder), lock)


def new_key() -> str:
    """Return a key that no run has."""
    return uuid.uuid4().hex[:12]


def _new_folder(root: Path, key: str) -> Workspace:
    folder = root / RUNS / key
    try:
        folder.mkdir(parents=True)
        lock = FileLock(folder / "run.lock")
        lock.acquire(timeout=0)
    except OSError as error:
        raise RunError(refusal(error, "written", place=folder)) from error
    return Workspace(folder, {}, lock)


def all_folders(
    root: Path, among: Iterable[str] | None = None
) -> tuple[list[tuple[Path, dict[str, Any]]], dict[Path, DamagedError]]:
    """Return the folders of all runs with their facts, newest first, and those that are damaged.

    Of all, or of those whose keys are given.
    """
    found, damaged = [], {}
    named = (root / RUNS).glob("*") if among is None else ((root / RUNS / key) for key in among)
    folders = [path for path in named if path.is_dir()]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        if not any(path.name != "run.lock" for path in folder.iterdir()):
            continue  # killed before it wrote anything
        try:
            facts = read_run(folder)
        except DamagedError as error:
            damaged[folder] = error
        else:
            if not _logged_nothing(folder, facts):
                found.append((folder, facts))
    return found, damaged


def _logged_nothing(folder: Path, facts: Mapping[str, Any]) -> bool:
    """Whether a folder is that of a result that was never logged, as its process was ended."""
    files = {path.name for path in folder.iterdir()}
    return not is_experiment(facts) and files <= {"run.json", "run.lock"}


def drop_unlogged(root: Path) -> None:
    """Delete the folders of results that were never logged, as their processes were ended."""
    for path in (root / RUNS).glob("*/run.json"):
        with contextlib.suppress(DamagedError, OSError):
            if _logged_nothing(path.parent, read_run(path.parent)) and not is_held(path.parent):
                shutil.rmtree(path.parent)


def lock_of(folder: Path) -> FileLock | None:
    lock = FileLock(folder / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    except OSError as error:
        raise RunError(refusal(error, "written", place=folder / "run.lock")) from error
    return lock


def is_held(folder: Path) -> bool:
    """Whether a process is working on a run; also not where its folder can't be written."""
    try:
        lock = lock_of(folder)
    except RunError:
        return False
    if lock is not None:
        lock.release()
    return lock is None


def find_interrupted(
    root: Path,
    config: RunConfig,
    *,
    store: Mapping[str, str | None],
    deterministic: bool = False,
    is_same: Callable[[Workspace], bool] = lambda workspace: True,
    tell: Callable[[str], None] = lambda message: None,
    among: Iterable[str] | None = None,
) -> Workspace | None:
    """Return the interrupted run of this configuration in this store, locked; None without one.

    It is looked for among all runs, or the keys of some. Runs that another process is working on,
    runs of other code, and those that `is_same` is not true of are passed by; so is what can't be
    read, of which `tell` hears.
    """
    wanted = {"config_hash": config_hash(config), "finished": False, "store": dict(store),
              "environment": environment(), "deterministic": deterministic}  # fmt: skip

    def is_wanted(facts: Mapping[str, Any]) -> bool:
        return all(facts.get(name) == value for name, value in wanted.items())

    found, damaged = all_folders(root, among)
    for folder, error in damaged.items():
        tell(f"{error} Whether run {folder.name} is of this configuration can't be told.")
    for folder, facts in found:
        if facts["finished"] and (folder / "checkpoint").exists() and has_ended(folder):
            free_disk(folder)  # it was killed in its last moment
        lock = lock_of(folder) if is_wanted(facts) else None
        if lock is None:
            continue
        now = read_run(folder)  # its process may have finished it just before it let go
        workspace = Workspace(folder, now, lock)
        if is_wanted(now) and is_same(workspace):
            return workspace
        lock.release()
    return None


def move(folder: Path, facts: dict[str, Any], store: Mapping[str, str | None]) -> Workspace:
    """Return a run's folder, locked, which says from now on that the run logs to `store`.

    Raises InputError when another process is working on it.
    """
    lock = lock_of(folder)
    if lock is None:
        raise still_running(folder)
    workspace = Workspace(folder, facts, lock)
    workspace.note(store=dict(store), run_id=None)
    return workspace


def still_running(folder: Path) -> InputError:
    """Return the error for a run that another process is working on."""
    return InputError(
        f"run {folder.name} is still running in another process. Wait for it, or stop it."
    )
