"""Runs to be named on a command line, and the command as the shells find it."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tfprune_cli.completion import _RUNS

# completes as the program does; called by a command line, says which
_PROGRAM = """#!{python}
import json, os, sys
from tfprune_cli.main import main
if "_TFPRUNE_COMPLETE" in os.environ or sys.argv[1:2] == ["completion"]:
    sys.exit(main())
with open({called!r} + ".part", "w") as file:
    json.dump(sys.argv[1:], file)
os.replace({called!r} + ".part", {called!r})
"""


@pytest.fixture
def runs(tmp_path, monkeypatch) -> Path:
    """A folder with a finished run, a younger interrupted one, and one that can't be read."""
    monkeypatch.chdir(tmp_path)
    for age, (key, facts) in enumerate(
        {
            "5e1f00aa": '{"na',
            "bb22cc33": {"name": "conv4", "finished": False},
            "aa11bb22": {"name": "digits seed 0", "run_id": "0af3" * 8, "finished": True},
        }.items()
    ):
        path = tmp_path / _RUNS / key / "run.json"
        path.parent.mkdir(parents=True)
        path.write_text(facts if isinstance(facts, str) else json.dumps(facts))
        os.utime(path, (1e9 - age, 1e9 - age))
    return tmp_path


@pytest.fixture
def called(tmp_path_factory, monkeypatch) -> Path:
    """The file in which a `tfprune` first on PATH leaves, as JSON, the words it is called with."""
    folder = tmp_path_factory.mktemp("bin")
    file = folder / "called.json"
    program = folder / "tfprune"
    program.write_text(_PROGRAM.format(python=sys.executable, called=str(file)))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return file
