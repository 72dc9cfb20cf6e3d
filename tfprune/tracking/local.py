"""A store in the project folder: created under a lock, and at home again after a move.

MLflow migrates a new SQLite file for 1 to 2 s without a lock: of several processes that open one
at once most crash, and a kill in the middle leaves a file that never opens again. So the tables
are made in a temporary file beside it, under a file lock, and `os.replace` shows the whole at
once. MLflow stores artifact locations as absolute paths: after the folder has moved its listings
are silently empty. So every open looks whether the stored paths are still the right ones.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from filelock import FileLock, Timeout

from tfprune.errors import InputError
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
            more=f", to which runs of this folder were delivered ({len(runs)} of them)",
            remedy=f"Put it back, or fill a new one from the folder of each run: {refill(runs[0])}",
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


def prepare(location: StoreLocation) -> None:
    """Make the location's SQLite store exist and its artifact paths true; safe from any process.

    Nothing happens for a store that is not a local SQLite file. Raises InputError when the
    folder can't be written or another process holds the lock for two minutes.
    """
    database = location.database
    if database is None:
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


def _create(database: Path, artifact_root: Path | None) -> None:
    temporary = database.with_name(f".{database.name}.new")
    for left in (temporary, *(Path(f"{temporary}{end}") for end in ("-journal", "-wal", "-shm"))):
        left.unlink(missing_ok=True)  # of a process that was killed here
    migrate_new_database(temporary, str(artifact_root or database.parent / "artifacts"))
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    os.replace(temporary, database)


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
