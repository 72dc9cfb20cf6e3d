"""A run small enough for every test, on the embedded digits."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

SMALL = {
    "training": {"epochs": "2ep", "batch_size": 256},
    "pruning": {"levels": 2, "fraction": 0.5},
    "comparison": {"measures": ["cka"], "probe_size": 100, "bootstrap": 0},
}


@pytest.fixture(scope="session")
def small():
    """The nested configuration of a run of a few seconds."""
    return SMALL


@pytest.fixture
def silent():
    """A `tell` that keeps what it hears."""

    class Heard(list):
        def __call__(self, message: str) -> None:
            self.append(message)

    return Heard()


@pytest.fixture(scope="module", autouse=True)
def _levels_and_numbers_only(request) -> Iterator[None]:
    """Runs leave out figures and MLflow models, half of a small run's time.

    A module that looks at them has `LOGS_EVERYTHING = True`.
    """
    from tfprune.report import figures
    from tfprune.runs.models import ModelKeeper

    with pytest.MonkeyPatch.context() as patch:
        if not getattr(request.module, "LOGS_EVERYTHING", False):
            patch.setattr(figures, "save_figures", _no_figures)
            patch.setattr(ModelKeeper, "write", lambda self: [])
        yield


def _no_figures(folder: Path, *_: object, **__: object) -> list[Path]:
    Path(folder).mkdir(parents=True, exist_ok=True)
    (Path(folder) / "none.txt").write_text("no figures\n")
    return []
