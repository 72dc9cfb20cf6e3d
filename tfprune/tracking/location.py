"""Where the MLflow store in use is: option, environment or the default in the project folder.

Nothing here imports mlflow or writes anything, so a command can refuse early.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tfprune.errors import InputError, check_writable
from tfprune.masking import masked, remember

DEFAULT_EXPERIMENT = "tfprune"
DEFAULT_FOLDER = "mlruns"
DATABASE_NAME = "mlflow.db"
ARTIFACTS_NAME = "artifacts"
MAX_EXPERIMENT_NAME = 500
#: what MLflow takes as a whole URI, or with a name behind a colon alone
_BARE_SCHEMES = ("databricks", "databricks-uc", "uc")


@dataclass(frozen=True)
class StoreLocation:
    """An MLflow store and the experiment in it that a command works on.

    `uri` is MLflow's tracking URI; `database` the SQLite file where there is one;
    `artifact_root` the folder of the artifacts where the store lies as tfprune lays it
    (`mlruns/mlflow.db` with `mlruns/artifacts` beside it), else None: then the store decides.
    """

    uri: str
    experiment: str
    database: Path | None = None
    artifact_root: Path | None = None

    @property
    def shown(self) -> str:
        """The URI for people and files: without user names, passwords, tokens and keys."""
        return masked(self.uri)

    @property
    def is_server(self) -> bool:
        """Whether the store is an MLflow server, spoken to over HTTP."""
        return self.uri.startswith(("http://", "https://"))


def resolve_store(
    tracking_uri: str | None = None,
    experiment: str | None = None,
    *,
    folder: Path | str | None = None,
    writes: bool = True,
) -> StoreLocation:
    """Return the store to use: an argument wins over the environment, that over the default.

    The environment is `MLFLOW_TRACKING_URI` and `MLFLOW_EXPERIMENT_NAME`; the default is
    `mlruns/mlflow.db` with `mlruns/artifacts` in `folder` (default: the working directory) and
    the experiment `tfprune`. A SQLite URI with a relative path is taken from `folder` too.

    Raises InputError for a plain folder as a store (MLflow no longer keeps one), for a store
    that can't be written unless it is there and only to be read (`writes=False`), and for an
    impossible experiment name. Nothing is created.
    """
    base = Path(folder) if folder is not None else Path.cwd()
    base = Path(os.path.abspath(base))
    name = _experiment_name(experiment)
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI") or ""
    if not uri:
        return _sqlite_location(base / DEFAULT_FOLDER / DATABASE_NAME, name, writes=writes)
    remember(uri)
    check_writable(uri, "the tracking URI")
    scheme = re.match(r"[A-Za-z][A-Za-z0-9+.\-]*(?=:)", uri)
    if scheme is None or scheme.group() == "file":
        return _file_store(uri, name)
    if scheme.group() == "sqlite":
        path = uri.removeprefix("sqlite:///")
        if path == uri or path in ("", ":memory:"):
            raise InputError(
                f"tracking URI {uri!r}: expected sqlite:///FILE, a database file. "
                "A store in memory would end with the process."
            )
        return _sqlite_location(base / path, name, writes=writes)
    if "://" not in uri and scheme.group() not in _BARE_SCHEMES:
        raise InputError(
            f"tracking URI {uri!r}: expected a scheme in front, such as http://HOST:PORT for a "
            "server or sqlite:///FILE for a database."
        )
    return StoreLocation(uri, name)


def _experiment_name(experiment: str | None) -> str:
    if experiment is not None and not experiment.strip():
        raise InputError("the experiment name is empty; give --experiment NAME.")
    name = experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME") or DEFAULT_EXPERIMENT
    check_writable(name, "the experiment name")
    if len(name) > MAX_EXPERIMENT_NAME:
        raise InputError(
            f"the experiment name has {len(name)} characters; MLflow takes at most "
            f"{MAX_EXPERIMENT_NAME}. Give a shorter --experiment NAME."
        )
    return name


def _file_store(uri: str, experiment: str) -> StoreLocation:
    if os.environ.get("MLFLOW_ALLOW_FILE_STORE", "").lower() in ("true", "1"):
        return StoreLocation(uri, experiment)
    raise InputError(
        f"tracking URI {uri!r} is a folder, and MLflow no longer keeps a store in plain files. "
        "Give a database (sqlite:///FILE) or a server (http://HOST:PORT), or leave it out for "
        f"the default, {DEFAULT_FOLDER}/{DATABASE_NAME}."
    )


def _sqlite_location(path: Path, experiment: str, *, writes: bool) -> StoreLocation:
    database = Path(os.path.abspath(path))
    check_writable(str(database), "the path of the MLflow store")
    if odd := {"?", "%"} & set(str(database)):
        raise InputError(
            f"the MLflow store would be {database}, and a SQLite URI can't hold "
            f"the {min(odd)!r} in that path. Rename the folder or give another --tracking-uri."
        )
    if writes or not database.is_file():
        _check_writable(database)
    ours = (database.parent.name, database.name) == (DEFAULT_FOLDER, DATABASE_NAME)
    return StoreLocation(
        f"sqlite:///{database}",
        experiment,
        database=database,
        artifact_root=database.parent / ARTIFACTS_NAME if ours else None,
    )


def _check_writable(database: Path) -> None:
    """Raise InputError where the database could not be written; create nothing to find out."""
    remedy = "Make it writable, run in another folder, or give --tracking-uri."
    if database.is_dir():
        raise InputError(f"the MLflow store {database} is a folder; expected a file. {remedy}")
    if database.exists() and not os.access(database, os.W_OK):
        raise InputError(f"the MLflow store {database} is read-only. {remedy}")
    parent = database.parent
    while not os.path.lexists(parent):
        parent = parent.parent
    if not parent.is_dir():
        raise InputError(
            f"the MLflow store would be {database}, but {parent} is not a folder. {remedy}"
        )
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(
            f"the MLflow store would be {database}, but the folder {parent} is read-only. {remedy}"
        )
