"""Runs by what users call them: key, MLflow id or name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.errors import DamagedError, InputError, unknown_name
from tfprune.runs.candidates import candidate_of
from tfprune.runs.run_file import check_finished, read_run, store_id
from tfprune.runs.workspace import (
    RUNS,
    Workspace,
    all_folders,
    free_disk,
    lock_of,
    still_running,
)
from tfprune.tracking.candidates import check_reference, several, without_latest


def find_run(root: Path, reference: str) -> tuple[Path, dict[str, Any]]:
    """Return the folder and facts of the run meant by its key, MLflow id or name.

    Four letters of a key or id are enough, and NAME@latest is the newest of those called NAME.
    Raises InputError when none or several are meant, DamagedError where its `run.json` is damaged.
    """
    runs, damaged = all_folders(root)
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
        raise several(wanted, [candidate_of(*one) for one in found], give="a key")
    return found[0]


def open_run(root: Path, reference: str) -> Workspace:
    """Return the interrupted run that `find_run` finds, locked.

    Raises InputError when it has finished, and when another process is working on it.
    """
    check_reference(reference)
    folder, facts = find_run(root, reference)
    if facts.get("kind") == "sweep":
        raise InputError(
            f"{folder.name} ({facts.get('name')}) is a sweep. Repeat its 'tfprune sweep' command: "
            "it runs what is missing."
        )
    if facts["finished"]:
        check_finished(folder, facts)
        free_disk(folder)  # what is left where it was killed in its last moment
        # the command is for experiments; comparisons and single networks are in MLflow only
        shown = "'tfprune ui'" if "kind" in facts else f"'tfprune show {folder.name}'"
        raise InputError(
            f"run {folder.name} ({facts.get('name')}) has finished; there is nothing to resume. "
            f"See it with {shown}."
        )
    lock = lock_of(folder)
    if lock is None:
        raise still_running(folder)
    return Workspace(folder, read_run(folder), lock)
