"""What is wrong with a store that can't be used: its cause, and the remedy for that cause."""

from __future__ import annotations

import errno
import os
import re
import resource
from collections.abc import Iterator
from pathlib import Path

from tfprune.errors import InputError
from tfprune.refused import remedy
from tfprune.tracking.answers import DeniedError, ForeignError
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
    "readonly database": "Get write permission for it and its folder.",
    "disk i/o error": _system(errno.EIO),
    "unable to open database file": "Get read and write permission for it and its folder, and "
    "check that not too many files are open ('ulimit -n').",
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
    "It is damaged: move it elsewhere, and fill a new one from the folder of each run: "
    f"{refill('RUN')}"
)
#: what a loader says when memory for a library is missing
_NO_MEMORY = ("cannot allocate memory", "failed to map segment", "can't start new thread")


_CORRECT = "correct --tracking-uri (or MLFLOW_TRACKING_URI)"
_CREDENTIALS = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to "
    "what it accepts."
)
_DATABASE_LOGIN = "Correct the user and the password in the tracking URI."
#: what is to be installed for a module that a database needs, where it has another name
_PACKAGES = {
    "psycopg2": "psycopg2-binary",
    "psycopg": "'psycopg[binary]'",
    "MySQLdb": "mysqlclient",
    "databricks": "databricks-sdk",
}
_MAY_ADD = 2**20  # bytes by which one write may make a database larger


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is_at_limit(database: Path) -> bool:
    """Whether a file is as large as this process may make one; SQLite says 'disk I/O error'."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)[0]
    if limit == resource.RLIM_INFINITY or not database.exists():
        return False
    return database.stat().st_size + _MAY_ADD > limit


def _of_server(text: str, chain: list[BaseException], store: str) -> StoreProblem:
    """Return what is wrong with a server, or a database that is one."""
    said = text.lower()
    if any(sign in said for sign in ("can't load plugin", "could not parse", "unsupported uri")):
        return StoreProblem(
            f"{store} is of a kind that MLflow does not know: {text}",
            remedy="Give http://HOST:PORT for a server or sqlite:///FILE for a database.",
        )
    for one in chain:
        if isinstance(one, ModuleNotFoundError) and one.name:
            return StoreProblem(
                f"{store} needs the package {one.name}, which is not installed",
                remedy=f"Install it with: pip install {_PACKAGES.get(one.name, one.name)}",
            )
        if isinstance(one, DeniedError):
            return StoreProblem(f"{store} refuses access: {one}", remedy=_CREDENTIALS)
        is_nonsense = isinstance(one, AttributeError | KeyError | TypeError)
        is_nonsense = is_nonsense or "not in a valid json format" in said
        if isinstance(one, ForeignError) or is_nonsense or type(one).__name__ == "ParseError":
            why = one if isinstance(one, ForeignError) else f"its answer can't be read ({text})"
            return StoreProblem(
                f"{store} is not an MLflow server: {why}",
                remedy=f"C{_CORRECT[1:]}: something else is at that address.",
            )
    if any(sign in said for sign in ("authentication failed", "access denied", "no password")):
        return StoreProblem(f"{store} refuses access: {text}", remedy=_DATABASE_LOGIN)
    if re.search(r"too many 5\d\d error|failed with error code 5\d\d", said):
        return StoreProblem(
            f"{store} reports an error of its own: {text}",
            remedy=f"See its log, {_CORRECT}, or leave both out to use the folder mlruns/ here.",
        )
    return StoreProblem(
        f"{store} does not respond: {text}",
        remedy=f"Start it, {_CORRECT}, or leave both out to use the folder mlruns/ here.",
        is_silent=True,
    )


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
        return _of_server(text, chain, f"the MLflow store {location.shown}")
    at_limit = any("disk i/o error" in str(one).lower() for one in chain) and _is_at_limit(database)
    helps = (
        _system(errno.EFBIG)
        if at_limit
        else next((found for sign, found in _DATABASE.items() if sign in text.lower()), None)
    )
    if helps is None:
        helps = "Check what is wrong with that file."
    return StoreProblem(
        f"the MLflow store {database} can't be used: {text}", remedy=helps or _DAMAGED
    )
