"""A run small enough for every test, on the embedded digits."""

from __future__ import annotations

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
