"""A migrated store to copy, and a store in memory that fails on demand."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tfprune.tracking import Store, open_store, resolve_store
from tfprune.tracking.entities import Point
from tfprune.tracking.errors import RejectedError, UnavailableError


class CrashError(BaseException):
    """The process dies here; nothing catches it."""


class MemoryClient:
    """MLflow's behaviour as delivery meets it, with a switch for each way to fail.

    `crash_at` (call number, 'before' or 'after' its effect) stands for a kill; `available` and
    `refuse` for a store that is down and for one that refuses a metric for good.
    """

    identity = ""

    def __init__(self) -> None:
        self.runs: dict[str, dict] = {}
        self.available = True
        self.keeps_models = True  # as servers of MLflow 3 do
        self.refuse: set[str] = set()
        self.crash_at: tuple[int, str] | None = None
        self.n_calls = 0
        self.batch_sizes: list[int] = []

    def _call(self, when: str) -> None:
        if when == "before":
            self.n_calls += 1
            if not self.available:
                raise UnavailableError("connection refused")
        if self.crash_at == (self.n_calls, when):
            raise CrashError

    def find_key(self, key: str) -> str | None:
        self._call("before")
        found = [i for i, run in self.runs.items() if run["key"] == key]
        self._call("after")
        return found[0] if found else None

    def key_of(self, run_id: str) -> str | None:
        self._call("before")
        return self.runs[run_id]["key"] if run_id in self.runs else None

    def create_run(self, key: str, name: str, tags: Mapping[str, str], time: int) -> str:
        self._call("before")
        run_id = f"id{len(self.runs)}"
        self.runs[run_id] = {
            "key": key, "name": name, "tags": dict(tags), "start": time, "status": "RUNNING",
            "end": None, "points": [], "params": {}, "artifacts": {}, "models": {}, "inputs": {},
        }  # fmt: skip
        self._call("after")
        return run_id

    def reopen_run(self, run_id: str) -> None:
        self._call("before")
        self.runs[run_id].update(status="RUNNING", end=None)
        self._call("after")

    def log_batch(
        self,
        run_id: str,
        *,
        points: Sequence[Point] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        self._call("before")
        run = self.runs[run_id]
        if any(point.key in self.refuse for point in points):
            raise RejectedError("invalid metric")
        self.batch_sizes.append(len(points) + len(params or {}) + len(tags or {}))
        run["points"] = list(dict.fromkeys([*run["points"], *points]))
        for key, value in (params or {}).items():
            if run["params"].setdefault(key, value) != value:
                raise RejectedError(f"changing param {key}")
        run["tags"].update(tags or {})
        self._call("after")

    def log_artifact(self, run_id: str, path: Path, folder: str | None) -> None:
        self._call("before")
        name = f"{folder}/{path.name}" if folder else path.name
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
        self.runs[run_id]["artifacts"][name] = "".join(file.read_text() for file in files)
        self._call("after")

    def log_model(self, run_id: str, folder: Path, **model: Any) -> None:
        self._call("before")
        if not self.keeps_models:
            raise RejectedError("no such endpoint")
        model["files"] = sorted(path.name for path in folder.iterdir())
        self.runs[run_id]["models"][model["name"]] = model
        self._call("after")

    def log_inputs(self, run_id: str, datasets: Sequence[Mapping[str, str]]) -> None:
        self._call("before")
        self.runs[run_id]["inputs"].update({one["digest"]: one["context"] for one in datasets})
        self._call("after")

    def finish_run(self, run_id: str, status: str, time: int) -> None:
        self._call("before")
        self.runs[run_id].update(status=status, end=time)
        self._call("after")


@pytest.fixture
def memory() -> MemoryClient:
    return MemoryClient()


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project folder whose store MLflow has migrated; the first open costs 1 to 2 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
        folder = tmp_path_factory.mktemp("migrated")
        open_store(resolve_store(folder=folder))
    return folder


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME", "MLFLOW_RUN_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def project(migrated: Path, tmp_path: Path) -> Path:
    """A project folder with a new, migrated store of its own."""
    folder = tmp_path / "project"
    shutil.copytree(migrated, folder)
    return folder


@pytest.fixture
def store(project: Path) -> Store:
    return open_store(resolve_store(folder=project))
