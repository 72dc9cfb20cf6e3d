"""Runs that are not there, stores that can't be used, folders that can't be written."""

from __future__ import annotations

import os
import shutil

import pytest

from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.local import prepare


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """A folder with a store that holds one finished experiment of one level, no artifacts."""
    folder = tmp_path_factory.mktemp("template")
    store = open_store(resolve_store(folder=folder))
    with store.record(folder / "mlruns" / "runs" / "abcdef123456", on_gap=print) as recorder:
        parent = recorder.start_run(
            "digits-cnn mine", key="abcdef123456", tags={"tfprune.kind": "experiment"}
        )
        recorder.start_run("L0", parent=parent, params={"level": 0, "seed": 0}).finish()
        parent.finish()
        recorder.flush()
    return folder


@pytest.fixture
def logged(tmp_path, refused, template):
    """That store, in the folder that commands are called in."""
    shutil.copytree(template / "mlruns", tmp_path / "mlruns")
    prepare(resolve_store(folder=tmp_path))


MEANT = [
    ("report digits-cn", "'digits-cn'", "tfprune runs"),
    ("report zzzz", "'zzzz'", "tfprune runs"),
    ("report a", "'a'", "tfprune runs"),
    (
        "report abcdef123456",
        "'abcdef123456'",
        "has no report data",
        "has finished",
        "sync abcdef123456 --to",
    ),
    ("report abcdef123456 zzzz", "'abcdef123456'"),
    ("report abcdef123456 --experiment other", "'other'", "--experiment"),
    ("report abcdef123456 --tracking-uri sqlite:///other.db", "other.db", "--tracking-uri"),
    ("figure zzzz", "'zzzz'"),
    ("figure abcdef123456 --kind accuracy", "has no report data"),
    ("export zzzz", "'zzzz'"),
    ("export zzzz:1", "'zzzz'"),
    ("compare zzzz abcdef123456", "'zzzz'"),
    ("compare abcdef123456:9 abcdef123456:0", "digits-cnn mine", "has no networks"),
    ("compare abcdef123456:0:7 abcdef123456:0", "digits-cnn mine", "has no networks"),
    ("run --ticket zzzz:1", "'zzzz'"),
    ("run --ticket abcdef123456", "digits-cnn mine", "has no networks"),
    ("run --ticket ''", "''"),
    ("resume abcdef123456", "'abcdef123456'", "mlruns/runs"),
    ("sync abcdef123456", "'abcdef123456'", "mlruns/runs"),
]


@pytest.mark.parametrize(("line", "parts"), [(line, parts) for line, *parts in MEANT])
def test_a_run_that_can_t_be_meant_is_refused(refused, logged, line, parts):
    message = refused(*[word.strip("'") for word in line.split()])
    for part in parts:
        assert part in message


def test_a_store_that_is_a_folder_is_refused(refused, tmp_path):
    (tmp_path / "mlruns" / "mlflow.db").mkdir(parents=True)
    assert "mlflow.db is a folder; expected a file" in refused("run")


def test_a_store_folder_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "mlruns").write_text("mine")
    message = refused("run")
    assert "mlruns is not a folder" in message
    assert "--tracking-uri" in message


def test_a_runs_folder_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "runs").write_text("mine")
    message = refused("run")
    assert "mlruns/runs is not a folder" in message


def test_a_store_that_is_no_database_is_refused(refused, tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_text("not a database, " * 100)
    (tmp_path / "mlruns" / ".mlflow.db.lock").touch()
    message = refused("run")
    assert "mlflow.db can't be used" in message
    assert "not a database" in message


def test_a_read_only_folder_is_refused(refused, tmp_path, monkeypatch):
    allowed = os.access

    def read_only(path, mode, **options):
        return not mode & os.W_OK and allowed(path, mode, **options)

    monkeypatch.setattr(os, "access", read_only)
    message = refused("run")
    assert "read-only" in message
    assert "run in another folder" in message


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "https://127.0.0.1:9"])
def test_a_store_that_does_not_answer_is_refused(refused, monkeypatch, uri):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    message = refused("run", "--tracking-uri", uri)
    assert uri in message
    assert "does not respond" in message
    assert "--tracking-uri" in message


@pytest.mark.parametrize("uri", ["nonsense://somewhere", "http://"])
def test_a_store_of_no_known_kind_is_refused(refused, uri):
    assert uri in refused("run", "--tracking-uri", uri)


def test_an_output_folder_that_is_a_file_is_refused(refused, tmp_path):
    (tmp_path / "figures").write_text("mine")
    assert "'figures' is a file" in refused("figure", "any")
