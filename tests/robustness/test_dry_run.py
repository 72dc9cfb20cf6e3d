"""A dry run refuses what the run would refuse, in the same words, and writes nothing."""

from __future__ import annotations

import sqlite3

import pytest

#: what follows `tfprune run`, and what the message must hold
REFUSED = [
    (("--ticket", "nosuch:9"), "no MLflow store"),
    (("--name", "a\udcff"), r"'a\udcff'"),
    (("--name", "n" * 251), "251 characters"),
    (("--experiment", "a\udcff"), r"'a\udcff'"),
    (("--register", "models/digits"), "slash"),
    (("--register", "a\udcff"), r"'a\udcff'"),
    (("--model", "a\udcff.keras"), r"'a\udcff.keras'"),
    (("--data-dir", "a\udcff"), r"'a\udcff'"),
    (("--exclude", "a\udcff"), r"'a\udcff'"),
    (("--scope", "layer", "--layer-fraction", "a\udcff=0.1"), r"'a\udcff'"),
    (("--tracking-uri", "sqlite:///a\udcff.db"), r"'sqlite:///a\udcff.db'"),
    (("--tracking-uri", "http://127.0.0.1:9"), "does not respond"),
    (("--exclude", "conv9"), "conv9"),
    (("--rewind-to", "9000ep"), "9000ep"),
]


@pytest.fixture(autouse=True)
def _short_patience(monkeypatch, refused):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.mark.parametrize(("arguments", "told"), REFUSED, ids=lambda value: ascii(value)[:40])
def test_a_dry_run_refuses_what_the_run_refuses(refused, arguments, told):
    message = refused("run", *arguments, "--dry-run")
    assert told in message
    assert message == refused("run", *arguments)


def test_a_dry_run_refuses_a_store_that_is_no_database(refused, tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_text("not a database, " * 100)
    (tmp_path / "mlruns" / ".mlflow.db.lock").touch()
    assert refused("run", "--dry-run") == refused("run")


def test_a_dry_run_refuses_a_place_where_runs_can_t_lie(refused, tmp_path):
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "runs").write_text("mine")
    assert refused("run", "--dry-run") == refused("run")


def test_a_dry_run_with_a_ticket_looks_into_the_store(refused, tmp_path, monkeypatch):
    """The store is there, and neither the run nor the level."""
    from tfprune.tracking import open_store, resolve_store

    monkeypatch.chdir(tmp_path)
    open_store(resolve_store())
    with sqlite3.connect(tmp_path / "mlruns" / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (0,)
    message = refused("run", "--ticket", "nosuch:9", "--dry-run")
    assert "'nosuch'" in message
    assert message == refused("run", "--ticket", "nosuch:9")
