"""The folder of one run: what it is, its journal, its checkpoints, and who has it open."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import shutil
import uuid
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from tfprune.config import ConfigError, RunConfig, config_hash, flatten, from_dict, to_dict
from tfprune.disk import Kinds, check_facts, read_facts, write_whole
from tfprune.errors import DamagedError, InputError, RunError, unknown_name
from tfprune.experiment.checkpoint import CheckpointFolder
from tfprune.refused import refusal
from tfprune.tracking.candidates import Candidate, several, without_latest
from tfprune.tracking.location import DATABASE_NAME, DEFAULT_FOLDER, StoreLocation
from tfprune.tracking.records import first_run

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

    `facts` is what `run.json` says: name, configuration, store, environment, data, whether it
    has finished.
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
        write_whole(self.folder / "run.json", json.dumps(self.facts, indent=1).encode())

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
                f"run {self.key} can't go on as the same run, its {what} changed: "
                f"{'; '.join(pairs)}. Bring that back, or start anew with 'tfprune run'."
            )
        written, found = self.facts["config_hash"], config_hash(self.config)
        if written != found:
            raise InputError(
                f"run {self.key} can't go on as the same run, its configuration changed in "
                f"run.json (hash {found}, was {written}). Bring that back, or start anew with "
                "'tfprune run'."
            )

    def close(self) -> None:
        """Let another process open the folder."""
        self._lock.release()

    def remove(self) -> None:
        """Delete the folder, and those above it as far as they are empty."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.close()
        with contextlib.suppress(OSError):  # other runs lie there
            self.folder.parent.rmdir()
            self.folder.parent.parent.rmdir()


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
        **facts,
    )
    return workspace


def create_comparison(root: Path, *, name: str, store: Mapping[str, str | None]) -> Workspace:
    """Make and lock the folder that keeps what a comparison logs until MLflow has it.

    It counts as finished: there is nothing to resume, but `tfprune sync` finds it. Raises
    RunError when the disk refuses.
    """
    workspace = _new_folder(root, uuid.uuid4().hex[:12])
    workspace.note(kind="comparison", name=name, store=dict(store), finished=True)
    return workspace


def _new_folder(root: Path, key: str) -> Workspace:
    folder = root / RUNS / key
    try:
        folder.mkdir(parents=True)
        lock = FileLock(folder / "run.lock")
        lock.acquire(timeout=0)
    except OSError as error:
        raise RunError(refusal(error, "written", place=folder)) from error
    return Workspace(folder, {}, lock)


_NEEDED: Kinds = {"name": str, "store": dict, "finished": bool}
_NEEDED_TO_GO_ON: Kinds = {"config": dict, "config_hash": str}


def _read(folder: Path) -> dict[str, Any]:
    """Return what `run.json` says; raises DamagedError, which names it."""
    path = folder / "run.json"
    facts = read_facts(path, _NEEDED)
    check_facts(path, facts["store"], {"uri": (str, type(None)), "experiment": (str, type(None))})
    if facts.get("kind") != "comparison":
        check_facts(path, facts, _NEEDED_TO_GO_ON)
    if facts.get("key", folder.name) != folder.name:  # runs of before have none
        raise DamagedError(path, f"it is that of run {facts['key']}")
    return facts


def check_journal(folder: Path) -> None:
    """Raise DamagedError where a run's journal is that of another run."""
    path = folder / "records.jsonl"
    whose = first_run(path)
    if whose is not None and not whose.startswith(folder.name):
        raise DamagedError(path, f"it is that of run {whose}")


def _folders(root: Path) -> tuple[list[tuple[Path, dict[str, Any]]], dict[Path, DamagedError]]:
    """Return the folders of all runs with their facts, newest first, and those that are damaged."""
    found, damaged = [], {}
    folders = [path for path in (root / RUNS).glob("*") if path.is_dir()]
    for folder in sorted(folders, key=lambda path: path.stat().st_mtime, reverse=True):
        if not any(path.name != "run.lock" for path in folder.iterdir()):
            continue  # killed before it wrote anything
        try:
            found.append((folder, _read(folder)))
        except DamagedError as error:
            damaged[folder] = error
    return found, damaged


def _lock(folder: Path) -> FileLock | None:
    lock = FileLock(folder / "run.lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock


def is_held(folder: Path) -> bool:
    """Whether a process is working on the run of this folder."""
    lock = _lock(folder)
    if lock is not None:
        lock.release()
    return lock is None


def find_interrupted(
    root: Path,
    config: RunConfig,
    *,
    store: Mapping[str, str | None],
    deterministic: bool = False,
    tell: Callable[[str], None] = lambda message: None,
) -> Workspace | None:
    """Return the interrupted run of this configuration in this store, locked; None without one.

    Runs that another process is working on, and runs of other code, are passed by; so is what
    can't be read, of which `tell` hears.
    """
    wanted = {"config_hash": config_hash(config), "finished": False, "store": dict(store),
              "environment": environment(), "deterministic": deterministic}  # fmt: skip

    def is_wanted(facts: Mapping[str, Any]) -> bool:
        return all(facts.get(name) == value for name, value in wanted.items())

    found, damaged = _folders(root)
    for folder, error in damaged.items():
        tell(f"{error} Whether run {folder.name} is of this configuration can't be told.")
    for folder, facts in found:
        if facts.get("finished") and (folder / "checkpoint").exists():
            free_disk(folder)  # it was killed in its last moment
        lock = _lock(folder) if is_wanted(facts) else None
        if lock is None:
            continue
        now = _read(folder)  # its process may have finished it just before it let go
        if is_wanted(now):
            return Workspace(folder, now, lock)
        lock.release()
    return None


def store_id(folder: Path) -> str | None:
    """Return MLflow's id of a run as its journal knows it; None where it was not delivered yet."""
    try:
        delivered = json.loads((folder / "delivered.json").read_text(encoding="utf-8"))
        found: str | None = delivered["runs"].get(folder.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found


def find_run(root: Path, reference: str) -> tuple[Path, dict[str, Any]]:
    """Return the folder and facts of the run meant by its key, MLflow id or name.

    Four letters of a key or id are enough, and NAME@latest is the newest of those called NAME.
    Raises InputError when none or several are meant,
    DamagedError when a run is meant whose `run.json` can't be read.
    """
    runs, damaged = _folders(root)
    wanted, latest = without_latest(reference)
    if any(facts.get("name") == reference for _, facts in runs):
        wanted, latest = reference, False

    def is_meant(folder: Path, facts: Mapping[str, Any]) -> bool:
        ids = (folder.name, str(facts.get("run_id") or store_id(folder)))
        return facts.get("name") == wanted or (
            len(wanted) >= 4 and any(known.startswith(wanted) for known in ids)
        )

    found = [(folder, facts) for folder, facts in runs if is_meant(folder, facts)]
    if not found:
        for folder, error in damaged.items():
            if len(reference) >= 4 and folder.name.startswith(reference):
                whose = f"run {reference!r} can't be read: {error.path}"
                raise DamagedError(whose, error.reason) from error
        known = [folder.name for folder, _ in runs]
        where = f"Runs are looked for in {RUNS} of this folder."
        if damaged:
            where += f" Passed over: {' '.join(str(error) for error in damaged.values())}"
        raise unknown_name("run", reference, known, where=where)
    if len(found) > 1 and not latest:
        raise several(wanted, [_candidate(*one) for one in found], give="a key")
    return found[0]


def _candidate(folder: Path, facts: Mapping[str, Any]) -> Candidate:
    """Return what tells a run from others of its name: when it was written last, its settings."""
    settings = {name: str(value) for name, value in flatten(facts.get("config", {})).items()}
    name, seconds = str(facts.get("name")), folder.stat().st_mtime
    return Candidate(folder.name, name, seconds, settings)


def move(folder: Path, facts: dict[str, Any], store: Mapping[str, str | None]) -> Workspace:
    """Return a run's folder, locked, which says from now on that the run logs to `store`.

    Raises InputError when another process is working on it.
    """
    lock = _lock(folder)
    if lock is None:
        raise _still_running(folder)
    workspace = Workspace(folder, facts, lock)
    workspace.note(store=dict(store), run_id=None)
    return workspace


def _still_running(folder: Path) -> InputError:
    return InputError(
        f"run {folder.name} is still running in another process. Wait for it, or stop it."
    )


def open_run(root: Path, reference: str) -> Workspace:
    """Return the interrupted run that `find_run` finds, locked.

    Raises InputError when it has finished, and when another process is working on it.
    """
    folder, facts = find_run(root, reference)
    if facts.get("finished"):
        free_disk(folder)  # what is left where it was killed in its last moment
        raise InputError(
            f"run {folder.name} ({facts.get('name')}) has finished; there is nothing to go on "
            "with. See it with 'tfprune ui'."
        )
    lock = _lock(folder)
    if lock is None:
        raise _still_running(folder)
    return Workspace(folder, _read(folder), lock)
