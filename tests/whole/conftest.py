"""Whole experiments on users' networks, in this process: one step for each of two levels."""

from __future__ import annotations

import importlib.util
import itertools
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.report import figures

TESTS = Path(__file__).parents[1]
MODULE = "users_networks"  # where the model functions of a test stand for the time of a run
ONE_STEP = {
    "training": {"epochs": "1it", "batch_size": 64},
    "pruning": {"levels": 1, "fraction": 0.5, "scope": "layer"},
    "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
}


def module_of(path: str) -> types.ModuleType:
    """Return a module of the tests by its path below `tests/`."""
    name = f"tests_{path.replace('/', '_')}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, TESTS / f"{path}.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


@pytest.fixture(scope="session")
def keras3(keras: Any) -> Any:
    """Keras 3, beside the tf_keras of the fixture `keras`."""
    from tfprune.models.files.layer_config import register_activations
    from tfprune.models.libraries import keras3

    register_activations()
    return keras3()


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, and so one store, for all runs of the session."""
    return tmp_path_factory.mktemp("project")


class Done:
    """A run that has finished: its result, what it said on the way, and where it lies."""

    def __init__(self, result: Any, heard: list[str], folder: Path, name: str) -> None:
        self.result, self.heard, self.folder, self.name = result, heard, folder, name

    def says(self, words: str) -> bool:
        """Whether one of the lines holds these words."""
        return any(words in line for line in self.heard)

    def artifacts(self, *, level: int | None = None) -> list[str]:
        """Return the paths of what the run logged, of a level or of the whole."""
        from tfprune.tracking import open_store, resolve_store

        store = open_store(resolve_store(None, None, folder=self.folder), create=False)
        run_id = self.result.run_id
        if level is not None:
            run_id = store.child(run_id, level=level, seed=0).id
        return list(store.list_artifacts(run_id))


NUMBERS = itertools.count()


@pytest.fixture
def whole_run(project: Path, keras: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """whole_run(function or file, **settings) -> Done.

    The figures, which are drawn from numbers alone, are left out.
    """
    from tfprune.runs.run import run

    monkeypatch.setattr(figures, "save_figures", lambda folder, *args, **named: _empty(folder))
    monkeypatch.chdir(project)
    keras.backend.clear_session()

    def call(
        given: Any, /, *, name: str = "", register: str | None = None, **settings: Any
    ) -> Done:
        name = name or f"{getattr(given, '__name__', 'file')}-{next(NUMBERS)}"
        reference = str(given)
        if callable(given):
            module = types.ModuleType(MODULE)
            module.make = given  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, MODULE, module)
            reference = f"{MODULE}:make"
        config = {section: dict(values) for section, values in ONE_STEP.items()}
        config["model"] = {"name": reference}
        for section, values in settings.items():
            config[section] = {**config.get(section, {}), **values}
        heard: list[str] = []
        result = run(
            config, name=name, folder=project, tell=heard.append, fresh=True, register=register
        )
        assert [row.level for row in result.levels] == [0, 1]
        assert all(np.isfinite(row.loss_test) for row in result.levels)
        assert 0.4 < result.levels[1].sparsity < 0.6
        return Done(result, heard, project, name)

    return call


def _empty(folder: Path) -> list[Path]:
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "none.txt").write_text("no figures\n")
    return []
