"""Names and paths beyond ASCII in every locale: stored as they are, or refused before training."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

RUN = ("run", "--levels", "1", "--epochs", "2it", "--batch-size", "128", "--probe-size", "100",
       "--bootstrap", "0", "--measure", "cka")  # fmt: skip
NAMES = ("--name", "Größe →", "--experiment", "Übung")
BARE = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}  # what Python does about the C locale


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "Ordner →"
    path.mkdir()
    return path


@pytest.mark.parametrize(
    "environment",
    [{"LC_ALL": "C"}, {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"}],
    ids=lambda environment: "-".join(environment.values()),
)
def test_names_beyond_ascii_are_stored_whatever_the_locale(folder, program, environment):
    status, out, err = program(folder, *RUN, *NAMES, **environment)
    assert status == 0, err
    assert "Traceback" not in err
    assert "sparsity" in out
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        names = {name for (name,) in database.execute("SELECT name FROM runs")}
        experiments = {name for (name,) in database.execute("SELECT name FROM experiments")}
        statuses = {status for (status,) in database.execute("SELECT status FROM runs")}
    assert "Größe →" in names
    assert "Übung" in experiments
    assert statuses == {"FINISHED"}
    assert list(folder.glob("mlruns/runs/*/report.html"))


@pytest.mark.parametrize("arguments", [NAMES, ()], ids=["names", "folder"])
def test_what_python_can_t_read_in_a_locale_is_refused_before_training(folder, program, arguments):
    place = folder.parent if arguments else folder
    status, out, err = program(place, *RUN, *arguments, LC_ALL="C", **BARE)
    assert (status, out) == (2, "")
    assert "Traceback" not in err
    assert "which UTF-8 can't hold" in err
    assert "LANG=C.UTF-8" in err
    assert not list(place.rglob("mlruns"))
