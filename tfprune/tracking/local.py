"""A store in the project folder: created under a lock, and at home again after a move.

MLflow migrates a new SQLite file for 1 to 2 s without a lock: of several processes that open one
at once most crash, and a kill in the middle leaves a file that never opens again. So the tables
are made in a temporary file beside it, under a file lock, and `os.replace` shows the whole at
once. The empty database is kept in the user's cache folder for new stores that follow: the same
versions of MLflow and its libraries make the same tables. MLflow stores artifact locations as
absolute paths: after the folder has moved its listings are silently empty. So every open looks
whether the stored paths are still the right ones.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from tfprune.cache import kept
from tfprune.disk import read_facts
from tfprune.errors import DamagedError, InputError
from tfprune.tracking.client import migrate_new_database
from tfprune.tracking.location import StoreLocation
from tfprune.tracking.store_problem import StoreProblem, refill, store_problem

_LOCK_SECONDS = 120.0
SQLITE_SECONDS = 20.0  # as MLflow waits for another process's write

# Columns in which MLflow keeps absolute artifact locations.
_LOCATION_COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)


def require_database(location: StoreLocation) -> None:
    """Raise StoreProblem when the location's database file is not there, or is empty."""
    database = location.database
    if database is None or (database.exists() and database.stat().st_size > 0):
        return
    what = f"there is no MLflow store at {database}"
    if database.exists():
        what = f"the MLflow store {database} is empty"
    if runs := runs_of_lost(location):
        raise StoreProblem(
            what,
            is_missing=True,
            more=f", to which runs of this folder were uploaded ({len(runs)} of them)",
            remedy=f"Restore it, or fill a new one from the folder of each run: {refill(runs[0])}",
        )
    raise StoreProblem(
        what, remedy="Run 'tfprune run' first, or give --tracking-uri.", is_missing=True
    )


def runs_of_lost(location: StoreLocation) -> list[str]:
    """Return the keys of the runs that were delivered to a database which is not there."""
    database = location.database
    lost = database is not None and not (database.exists() and database.stat().st_size > 0)
    if database is None or location.artifact_root is None or not lost:
        return []
    notes = sorted((database.parent / "runs").glob("*/delivered.json"))
    return [note.parent.name for note in notes]


def run_here(location: StoreLocation, wanted: str) -> str | None:
    """Return the key of the run in this store's folder that has the name or key; None without one.

    It may be there and not in the store, for as long as it was not delivered.
    """
    if location.database is None or location.artifact_root is None:
        return None
    for path in sorted((location.database.parent / "runs").glob("*/run.json")):
        key, name = path.parent.name, _said_here(path, "name")
        if wanted == name or (len(wanted) >= 4 and key.startswith(wanted)):
            return key
    return None


def folder_here(location: StoreLocation, key: str) -> Path | None:
    """Return the folder, beside this store, of the experiment to which a run belongs.

    `key` is that of any run of it; None where there is no such folder.
    """
    if location.database is None or location.artifact_root is None:
        return None
    for path in sorted((location.database.parent / "runs").glob("*/records.jsonl")):
        folder = path.parent
        if key == folder.name or key.startswith(f"{folder.name}-"):
            return folder
    return None


def has_finished_here(location: StoreLocation, key: str) -> bool:
    """Return whether the folder of a run beside this store says that it has finished.

    The store may say otherwise, for as long as it has not got all of it.
    """
    if location.database is None or location.artifact_root is None:
        return False
    path = location.database.parent / "runs" / key / "run.json"
    return _said_here(path, "finished") is True


def _said_here(path: Path, name: str) -> object:
    """Return what a `run.json` says by this name, None where it is damaged."""
    try:
        return read_facts(path, {}).get(name)
    except DamagedError:
        return None


def prepare(location: StoreLocation) -> None:
    """Make the location's SQLite store exist and its artifact paths true; safe from any process.

    Nothing happens for a store that is not a local SQLite file, and for another user's, which can
    be read alone. Raises InputError when the folder can't be written, another process holds the
    lock for two minutes, or paths that can't be mended are wrong.
    """
    database = location.database
    if database is None:
        return
    if database.exists() and not all(os.access(p, os.W_OK) for p in (database, database.parent)):
        _check_paths(database, location.artifact_root)
        return
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(database.parent / f".{database.name}.lock", timeout=_LOCK_SECONDS):
            if not database.exists() or database.stat().st_size == 0:
                _create(database, location.artifact_root)
            if location.artifact_root is not None:
                relocate(database, location.artifact_root)
    except Timeout as error:
        raise InputError(
            f"the MLflow store {database} has been held by another process for "
            f"{_LOCK_SECONDS:.0f} s. Wait until it is done, or give another --tracking-uri."
        ) from error
    except (OSError, sqlite3.Error) as error:
        raise store_problem(error, location) from error


def _check_paths(database: Path, artifact_root: Path | None) -> None:
    """Raise InputError where a store that can't be written says other artifact paths."""
    if artifact_root is None:
        return
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        try:
            old = _stored_root(connection, artifact_root)
        except sqlite3.Error:  # MLflow says it when it opens it
            return
    if old not in (None, str(artifact_root)):
        raise InputError(
            f"the MLflow store {database} was made in another folder, and its paths can't be "
            f"corrected, for it is read-only: files are looked for in {old}. Copy it to a folder "
            "of your own, or let its owner run 'tfprune runs' there."
        )


def _create(database: Path, artifact_root: Path | None) -> None:
    temporary = database.with_name(f".{database.name}.new")
    for left in (temporary, *(Path(f"{temporary}{end}") for end in ("-journal", "-wal", "-shm"))):
        left.unlink(missing_ok=True)  # of a process that was killed here
    root = str(artifact_root or database.parent / "artifacts")

    def migrated() -> bytes:
        migrate_new_database(temporary, root)
        return temporary.read_bytes()

    made_by = "-".join(f"{name}-{version(name)}" for name in ("mlflow", "sqlalchemy", "alembic"))
    empty = kept(f"{made_by}.db", migrated)
    if not temporary.exists():
        temporary.write_bytes(empty)
        _begin_at(temporary, root)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, database)


def _begin_at(database: Path, root: str) -> None:
    """Make a copy of an empty database what it would be, had it been made here and now."""
    now = int(time.time() * 1000)
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")  # a crash leaves the file without its name
        connection.execute(
            "UPDATE experiments SET artifact_location = ?, creation_time = ?, last_update_time = ?",
            (f"{root}/0", now, now),
        )


def relocate(database: Path, artifact_root: Path) -> int:
    """Return how many stored artifact locations were mended after the project folder moved.

    The root under which they were stored is read from MLflow's own experiment 0; locations
    elsewhere are left alone. A location moves along unless its files still lie at the old place
    and none at the new one (only the database was copied); that of an experiment always does,
    since new runs belong beside the database. One transaction: all or nothing.
    """
    with closing(
        sqlite3.connect(database, timeout=SQLITE_SECONDS, isolation_level=None)
    ) as connection:
        old = _stored_root(connection, artifact_root)
        if old is None or old == str(artifact_root):
            return 0
        n_mended = 0
        connection.execute("BEGIN IMMEDIATE")
        try:
            for table, column in _LOCATION_COLUMNS:
                n_mended += _mend(connection, table, column, old, str(artifact_root))
        except BaseException:
            if connection.in_transaction:  # SQLite ends it itself where the disk is full
                connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")
        return n_mended


def _stored_root(connection: sqlite3.Connection, artifact_root: Path) -> str | None:
    """Return the artifact root as of the last open; None where tfprune did not lay the store."""
    if not _has_column(connection, "experiments", "artifact_location"):
        return None
    row = connection.execute(
        "SELECT artifact_location FROM experiments WHERE experiment_id = 0"
    ).fetchone()
    if row is None or not row[0] or not row[0].endswith("/0"):
        return None
    root = row[0].removesuffix("/0")
    laid_by_us = root.startswith("/") and Path(root).parts[-2:] == artifact_root.parts[-2:]
    return root if laid_by_us else None


def _has_column(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return any(row[1] == column for row in connection.execute(f"PRAGMA table_info({table})"))


def _mend(connection: sqlite3.Connection, table: str, column: str, old: str, new: str) -> int:
    if not _has_column(connection, table, column):
        return 0
    rows = connection.execute(
        f"SELECT DISTINCT {column} FROM {table} WHERE {column} = ? OR substr({column}, 1, ?) = ?",
        (old, len(old) + 1, f"{old}/"),
    ).fetchall()
    n_mended = 0
    for (stored,) in rows:
        moved = new + stored[len(old) :]
        if table != "experiments" and os.path.exists(stored) and not os.path.exists(moved):
            continue
        n_mended += connection.execute(
            f"UPDATE {table} SET {column} = ? WHERE {column} = ?", (moved, stored)
        ).rowcount
    return n_mended
