"""What is wrong with a store that can't be used: its cause, and the remedy for that cause."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator

from tfprune.errors import InputError
from tfprune.refused import remedy
from tfprune.tracking.location import DATABASE_NAME, DEFAULT_FOLDER, StoreLocation


class StoreProblem(InputError):  # noqa: N818 - "error" would say no more
    """A store can't be used; `what` says why, without what to do.

    `is_missing`: its database or experiment is not there. `is_silent`: it does not answer.
    """

    def __init__(
        self,
        what: str,
        *,
        remedy: str,
        more: str = "",
        is_missing: bool = False,
        is_silent: bool = False,
    ) -> None:
        super().__init__(f"{what}{more}. {remedy}")
        self.what, self.is_missing, self.is_silent = what, is_missing, is_silent


def refill(run: str, uri: str = f"sqlite:///{DEFAULT_FOLDER}/{DATABASE_NAME}") -> str:
    """Return the command that delivers all of a run to a store."""
    return f"tfprune sync {run} --to {uri}"


def _system(code: int) -> str:
    return remedy(OSError(code, os.strerror(code)), "written")


_MEMORY = _system(errno.ENOMEM)
#: what SQLite, SQLAlchemy, Alembic and MLflow say of a database file
_DATABASE = {
    "database or disk is full": _system(errno.ENOSPC),
    "readonly database": "Give yourself the right to write to it and to its folder.",
    "disk i/o error": _system(errno.EIO),
    "unable to open database file": "Give yourself the right to read and write it and its folder, "
    "and see that not too many files are open ('ulimit -n').",
    "is locked": _system(errno.EBUSY),
    "not a database": "",
    "malformed": "",
    "no such table": "",
    "no such column": "",
    "locate revision": "It was made by a later version of MLflow: use that one.",
    "out-of-date database schema": "It was made by an earlier version of MLflow: copy it, then "
    "bring it up to date with 'mlflow db upgrade URI'.",
    "out of memory": _MEMORY,
}
_DAMAGED = (
    f"It is damaged: move it away, and fill a new one from the folder of each run: {refill('RUN')}"
)
#: what a loader says when memory for a library is missing
_NO_MEMORY = ("cannot allocate memory", "failed to map segment", "can't start new thread")


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def store_problem(error: Exception, location: StoreLocation) -> StoreProblem:
    """Return the error to raise where a store could not be used."""
    text = str(error).rstrip(".")
    chain = list(_chain(error))
    database = location.database
    for one in chain:
        if database is not None and isinstance(one, OSError) and one.errno is not None:
            place = f"{one.filename}: " if one.filename not in (None, str(database)) else ""
            return StoreProblem(
                f"the MLflow store {database} can't be used: {place}{one.strerror}",
                remedy=remedy(one, "used"),
            )
    if any(isinstance(one, MemoryError) for one in chain) or any(
        sign in str(one).lower() for one in chain for sign in _NO_MEMORY
    ):
        return StoreProblem(f"the MLflow store {location.shown} can't be used: {text}",
                            remedy=_MEMORY)  # fmt: skip
    if database is None:
        return StoreProblem(
            f"the MLflow store {location.shown} does not answer: {text}",
            remedy="Start it, correct --tracking-uri (or MLFLOW_TRACKING_URI), or leave both out "
            "to use the folder mlruns/ here.",
            is_silent=True,
        )
    helps = next((found for sign, found in _DATABASE.items() if sign in text.lower()), None)
    if helps is None:
        helps = "Look what is wrong with that file."
    return StoreProblem(
        f"the MLflow store {database} can't be used: {text}", remedy=helps or _DAMAGED
    )
