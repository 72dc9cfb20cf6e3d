"""The command line, called in this process or as one of its own."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest


def listing(folder: Path) -> dict[str, bytes]:
    """Every file below a folder with its content, every folder with nothing."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Call `tfprune ARGS`; return its one message, after checking that it refused cleanly.

    Cleanly: exit status 2, one message on stderr, nothing on stdout, nothing written, and not
    one step trained.
    """
    from tfprune.runs import execution
    from tfprune_cli.main import main

    def no_training(*args, **named):
        raise AssertionError("this should have been refused before training")

    monkeypatch.setattr(execution, "execute", no_training)
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)

    def call(*args: str) -> str:
        before = listing(tmp_path)
        status = main(list(args))
        out, err = capsys.readouterr()
        assert status == 2, (status, err)
        assert out == ""
        assert "Traceback" not in err
        lines = err.splitlines()
        told = [number for number, line in enumerate(lines) if line.startswith("Error: ")]
        assert len(told) == 1, err
        assert listing(tmp_path) == before
        message = "\n".join(lines[told[0] :])[7:]
        assert len(message) < 1500, "a message, not a page"
        return " ".join(message.split())

    return call


ROOT = Path(__file__).parents[2]


class Program:
    """`tfprune` as a process of its own, on a copy of the code that nobody edits meanwhile."""

    def __init__(self, code: Path) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
        self.environment = {**kept, "PYTHONPATH": str(code)}

    def start(
        self, folder: Path, *args: str, prefix: Sequence[str] = (), **environment: str
    ) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "tfprune_cli.main", *args], cwd=folder, text=True,
            env=self.environment | environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        )  # fmt: skip

    def __call__(
        self, folder: Path, *args: str, prefix: Sequence[str] = (), **environment: str
    ) -> tuple[int, str, str]:
        """Return exit status, stdout and stderr."""
        process = self.start(folder, *args, prefix=prefix, **environment)
        out, err = process.communicate(timeout=600)
        return process.returncode, out, err


@pytest.fixture(scope="session")
def program(tmp_path_factory) -> Program:
    code = tmp_path_factory.mktemp("code")
    skip = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "tfprune", code / "tfprune", ignore=skip)
    shutil.copytree(ROOT / "cli", code / "tfprune_cli", ignore=skip)
    return Program(code)


@pytest.fixture(scope="session")
def kills_contents():
    """The module that reads what an experiment left, without clocks and random names."""
    path = ROOT / "benchmarks" / "kills" / "contents.py"
    spec = importlib.util.spec_from_file_location("kills_contents", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


SMALL_RUN = ("run", "--levels", "2", "--epochs", "4", "--batch-size", "128", "--probe-size", "200",
             "--bootstrap", "0", "--measure", "cka", "--json")  # fmt: skip


@pytest.fixture(scope="session")
def whole(tmp_path_factory, program, kills_contents):
    """What the uninterrupted small run left, and the folder that it left it in."""
    folder = tmp_path_factory.mktemp("whole")
    status, _, err = program(folder, *SMALL_RUN)
    assert status == 0, err
    contents, wrong = kills_contents.read_contents(folder)
    assert wrong == []
    return contents, folder


@pytest.fixture
def same_as_whole(whole, kills_contents):
    """Assert that what lies in a folder is what the uninterrupted run left."""

    def check(folder: Path) -> None:
        contents, wrong = kills_contents.read_contents(folder)
        assert wrong == []
        assert kills_contents.differences(whole[0], contents) == []

    return check


@pytest.fixture
def once_training():
    """Wait until a run in a folder has written a checkpoint; return its key."""

    def wait(folder: Path, process: subprocess.Popen[str]) -> str:
        end = time.monotonic() + 240
        while time.monotonic() < end:
            found = list(folder.glob("mlruns/runs/*/checkpoint/state"))
            if found:
                return found[0].parts[-3]
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        raise AssertionError("no checkpoint within 240 s")

    return wait
