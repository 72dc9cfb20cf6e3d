"""A pytest plugin that notes which functions of tfprune every test enters.

    ENTERED=FILE python -m pytest -p benchmarks.entered tests/...

writes a JSON line for every test: its id, its seconds, and its functions as [path, first line].
What is entered while tests are collected, such as the registration of measures, is in a line of its
own with the id "". A fixture that several tests share counts for each of them.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

Functions = set[tuple[str, int]]


class Notes:
    """Writes what is entered during collection, fixtures and tests."""

    def __init__(self, root: Path, out: Path) -> None:
        self._package = f"{root / 'tfprune'}{os.sep}"
        self._root = f"{root}{os.sep}"
        self._out = out
        self._now: Functions = set()
        self._of_fixture: dict[str, Functions] = {}
        self._begin()

    def _note(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(self._package):
            self._now.add((code.co_filename.removeprefix(self._root), code.co_firstlineno))

    def _begin(self) -> None:
        self._now = set()
        threading.setprofile(self._note)
        sys.setprofile(self._note)

    def _write(self, name: str, seconds: float, functions: Functions) -> None:
        line = json.dumps({"id": name, "seconds": seconds, "functions": sorted(functions)})
        with self._out.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def pytest_collection_finish(self) -> None:
        self._write("", 0.0, self._now)

    @pytest.hookimpl(hookwrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any) -> Iterator[None]:
        before, self._now = self._now, set()
        yield
        self._of_fixture.setdefault(fixturedef.argname, set()).update(self._now)
        self._now |= before

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self._begin()
        begin = time.monotonic()
        yield
        for name in getattr(item, "fixturenames", ()):
            self._now |= self._of_fixture.get(name, set())
        self._write(item.nodeid, round(time.monotonic() - begin, 3), self._now)


def pytest_configure(config: pytest.Config) -> None:
    """Take part where ENTERED names a file."""
    if "ENTERED" in os.environ:
        config.pluginmanager.register(Notes(config.rootpath, Path(os.environ["ENTERED"])))
