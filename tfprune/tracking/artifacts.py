"""Where a run's files lie: among its artifacts, or in a model that it logged.

MLflow gives the files of a model the address `runs:/<run>/<name of the model>/...`, beside those of
the run itself; so does tfprune.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tfprune.tracking.errors import RejectedError
from tfprune.tracking.logged_models import ModelInfo


def listed(
    client: Any, run_id: str, models: Sequence[ModelInfo], folder: str | None = None
) -> list[str]:
    """Return the paths of a run's files from `folder` downwards, sorted, its models' among them."""

    def of_run(one: str | None) -> Any:
        return client.list_artifacts(run_id, one)

    inside = {model: _inside(model.name, folder) for model in models}
    within = {model: place for model, place in inside.items() if place is not None}
    # a model's folder is not asked of the run: MLflow looks it up in the default store
    paths = [] if folder and within else _files(of_run, folder)
    for model, place in within.items():
        paths += [f"{model.name}/{path}" for path in _of_model(client, model, place)]
    return sorted(set(paths))


def _of_model(client: Any, model: ModelInfo, inside: str) -> list[str]:
    def of_model(one: str | None) -> Any:
        return client.list_logged_model_artifacts(model.id, one)

    return _files(of_model, inside or None)


def _files(listed: Callable[[str | None], Any], folder: str | None) -> list[str]:
    paths: list[str] = []
    folders = [folder]
    while folders:
        for item in listed(folders.pop()):
            if item.is_dir:
                folders.append(item.path)
            else:
                paths.append(item.path)
    return paths


def _inside(name: str, folder: str | None) -> str | None:
    """Return where `folder` is within a model called `name`: empty for all of it, None if not."""
    if folder is None or folder == name:
        return ""
    return folder.removeprefix(f"{name}/") if folder.startswith(f"{name}/") else None


def place_of(root: str, path: str, models: Callable[[], Sequence[ModelInfo]]) -> str:
    """Return the address of one of a run's files; `root` is that of its artifacts.

    `models` is asked only where no such file lies among the artifacts on this machine. Raises
    RejectedError for a path that leads out.
    """
    if ".." in Path(path).parts:
        raise RejectedError(f"no artifact {path}")
    place = f"{root}/{path}"
    if root.startswith("/") and Path(place).exists():
        return place
    name, _, rest = path.partition("/")
    for model in models():
        if model.name == name:
            return f"{model.location}/{rest}".rstrip("/")
    return place
