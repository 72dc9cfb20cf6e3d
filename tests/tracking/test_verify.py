"""A store that opens and says something else than was logged is found by the journal."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest

from tests.tracking.test_refill import logged
from tfprune.config import RunConfig
from tfprune.runs import workspace
from tfprune.tracking import open_store, resolve_store
from tfprune_cli.main import main

KEY, NAME = "KEY", "mine"


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A folder with a run of two levels, all delivered."""
    root = tmp_path_factory.mktemp("kept")
    store = open_store(resolve_store(folder=root))
    facts = workspace.store_facts(store.location, root)
    made = workspace.create(root, KEY, RunConfig(), name=NAME, store=facts)
    logged(store._client, made.folder, root / "logged")
    made.close()
    return root


@pytest.fixture
def root(kept, tmp_path, monkeypatch):
    """A copy, in which `change(sql)` changes the database."""
    shutil.copytree(kept / "mlruns", tmp_path / "mlruns")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def change(root, sql):
    with closing(sqlite3.connect(root / "mlruns" / "mlflow.db")) as database, database:
        assert database.execute(sql).rowcount > 0


def checked(capsys, status):
    capsys.readouterr()
    assert main(["sync", NAME, "--check"]) == status
    return capsys.readouterr()


def test_a_store_that_holds_all_as_logged_is_said_to(root, capsys):
    out = checked(capsys, 0).out
    # two points and two words (name, status) a level and their file; of the parent a param, a tag,
    # two words, the table and the plots
    assert out == "uploaded 0, left 0, refused 0\nchecked 16, all as logged\n"


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("UPDATE metrics SET value = 0.75 WHERE key = 'loss' AND step = 1",
         "run KEY-l1: metric 'loss' at step 1 is 0.75, was logged as 0.25"),
        ("DELETE FROM metrics WHERE key = 'gap' AND step = 0",
         "run KEY-l0: metric 'gap' at step 0 is not there, was logged as nan"),
        ("UPDATE metrics SET step = 7 WHERE key = 'loss' AND step = 1",
         "run KEY-l1: metric 'loss' at step 1 is not there, was logged as 0.25"),
        ("UPDATE params SET value = '3'", "run KEY: param 'levels' is '3', was logged as '2'"),
        ("UPDATE tags SET value = 'f' WHERE key = 'kind'",
         "run KEY: tag 'kind' is 'f', was logged as 'e'"),
        ("UPDATE runs SET status = 'FAILED' WHERE name = 'L0'",
         "run KEY-l0: the status is 'FAILED', was logged as 'FINISHED'"),
        ("UPDATE runs SET lifecycle_stage = 'deleted' WHERE name = 'L0'",
         "run KEY-l0 is not there"),
    ],
)  # fmt: skip
def test_one_thing_that_is_something_else_is_named_with_what_was_logged(root, capsys, sql, said):
    change(root, sql)
    told = checked(capsys, 1).err
    if "status" in said or said.endswith("-l0 is not there"):  # nobody changes these by hand
        head, told = told.split("\n", 1)
        assert head.startswith("Error: The store lacks what was uploaded to it: run KEY-l0")
    n = 16 if "is not there" not in said or "metric" in said else 12
    assert told.split("\n")[0] == said
    assert " ".join(told.split("\n")[1:]).strip() == (
        f"Error: 1 of {n} things that run {NAME} logged are not in the store as they were logged. "
        f"A new one is filled from the folder of the run: tfprune sync {NAME} --to URI"
    )


def test_files_that_are_something_else_or_gone_are_named(root, capsys):
    """Of a copy too, by the checksum in its record; the folder is no remedy for that one."""
    artifacts = root / "mlruns" / "artifacts"
    (mask,) = [p for p in artifacts.rglob("mask.npz") if p.read_text() == "mask 1"]
    (plot,) = artifacts.rglob("b.png")
    mask.unlink()
    mask.write_text("mask 2")
    plot.unlink()
    told = checked(capsys, 1).err.split("\n")
    assert sorted(told[:2]) == [
        "run KEY-l1: mask.npz is not what was logged",
        "run KEY: plots/b.png is not what was logged",
    ]
    journal = root / "mlruns" / "runs" / KEY
    (copy,) = journal.rglob("b.png")
    copy.unlink()
    copy.write_bytes(b"c")
    copies = journal.relative_to(root).as_posix()
    told = checked(capsys, 1).err.strip().split("\n")
    assert told[0].startswith(
        "Error: 1 file is lost: run KEY: plots is not what was logged, and its"
    )
    assert told[-1] == (
        f"Error: 2 of 16 things that run {NAME} logged are not in the store as they were logged, "
        "or not in its folder (1), so that the folder can't restore them. A new one is filled from "
        f"the folder of the run: tfprune sync {NAME} --to URI"
    )
    plot.write_bytes(b"b")
    mask.write_text("mask 1")
    told = checked(capsys, 1).err.strip().split("\n")
    (kept,) = [p for p in journal.rglob("plots") if copies in str(p)]
    assert told == [
        f"run KEY: the store has plots as it was logged, but {kept.relative_to(root)} is not what "
        f"was logged: copy {plot.parent} there",
        f"Error: 1 of 16 things that run {NAME} logged are not in the store as they were logged, "
        "or not in its folder (1), so that the folder can't restore them.",
    ]
