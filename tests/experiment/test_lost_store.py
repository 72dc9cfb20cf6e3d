"""MLflow's database is gone: it is said with the command that fills a new one, and that does."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest

from tfprune.config import RunConfig
from tfprune.runs import finding, workspace
from tfprune.tracking import open_store, resolve_store
from tfprune_cli.main import main

KEY = "aaaa11112222"
TO = f"tfprune sync {KEY} --to sqlite:///mlruns/mlflow.db"


@pytest.fixture(scope="module")
def delivered(tmp_path_factory):
    """A folder with a run that was interrupted after all it had logged was delivered."""
    root = tmp_path_factory.mktemp("delivered")
    store = open_store(resolve_store(folder=root))
    facts = workspace.store_facts(store.location, root)
    made = workspace.create(root, KEY, RunConfig(), name="mine", store=facts, data={"train": "d"})
    with store.record(made.folder, on_gap=print) as recorder:
        run = recorder.start_run("mine", key=KEY, params={"levels": 3})
        level = recorder.start_run("L0", key=f"{KEY}-s0-l0", parent=run)
        level.log_metrics({"loss": 0.5})
        run.log_text("text", "config.yaml")
        level.finish()
        run.finish()
    made.close()
    return root


@pytest.fixture
def root(delivered, tmp_path, monkeypatch):
    """The same in a folder that has the run, but neither database nor artifacts."""
    shutil.copytree(delivered / "mlruns" / "runs", tmp_path / "mlruns" / "runs")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys):
    return " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("command", ["sync", "resume"])
def test_commands_on_the_run_make_no_new_store_and_say_what_fills_one(
    root, capsys, command, monkeypatch
):
    facts = json.loads((root / "mlruns" / "runs" / KEY / "run.json").read_text())
    plan = SimpleNamespace(has_data=facts["data"].__eq__, model=None)
    monkeypatch.setattr(workspace, "environment", lambda: facts["environment"])
    monkeypatch.setattr("tfprune.runs.run._start_tensorflow", lambda *args: None)
    monkeypatch.setattr("tfprune.runs.run._plan", lambda *args, **options: plan)
    assert main([command, KEY[:6]]) == 2
    assert said(capsys) == (
        f"Error: there is no MLflow store at {root}/mlruns/mlflow.db; run {KEY} was uploaded to "
        f"it. Restore it, or fill a new one from the folder of the run: {TO}"
    )
    assert not (root / "mlruns" / "mlflow.db").exists()


@pytest.mark.parametrize(
    "command", [["report", KEY], ["figure", KEY], ["export", KEY, "--out", "x.h5"], ["ui"]]
)
def test_commands_that_read_say_it_too(root, capsys, command):
    assert main(command) == 2
    assert said(capsys) == (
        f"Error: there is no MLflow store at {root}/mlruns/mlflow.db, to which runs of this "
        "folder were uploaded (1 of them). Restore it, or fill a new one from the folder of each "
        f"run: {TO}"
    )


def test_the_command_fills_a_new_store_with_all_of_the_run(root, capsys, delivered):
    before = {run.key: run for run in open_store(resolve_store(folder=delivered)).search_runs()}
    for _ in range(2):
        assert main(TO.split()[1:]) == 0
        assert capsys.readouterr().out == "uploaded 7, left 0, refused 0\n"
        store = open_store(resolve_store(folder=root))
        after = {run.key: run for run in store.search_runs()}
        assert after.keys() == before.keys() == {KEY, f"{KEY}-s0-l0"}
        for key, run in after.items():
            assert (run.params, run.metrics) == (before[key].params, before[key].metrics)
            assert (run.start_time, run.end_time) == (before[key].start_time, before[key].end_time)
            assert run.status == before[key].status == "FINISHED"
        assert after[f"{KEY}-s0-l0"].parent_id == after[KEY].id
        assert store.read_text(after[KEY].id, "config.yaml") == "text"
    facts = json.loads((root / "mlruns" / "runs" / KEY / "run.json").read_text())
    assert facts["run_id"] == after[KEY].id != before[KEY].id
    assert facts["store"] == {"uri": None, "experiment": "tfprune"}
    assert main(["sync", KEY]) == 0
    assert capsys.readouterr().out == "uploaded 0, left 0, refused 0\n"


def test_a_run_moves_to_another_store_and_experiment(root, capsys):
    assert main(["sync", KEY, "--to", "sqlite:///team.db", "--experiment", "theirs"]) == 0
    facts = json.loads((root / "mlruns" / "runs" / KEY / "run.json").read_text())
    assert facts["store"] == {"uri": f"sqlite:///{root}/team.db", "experiment": "theirs"}
    capsys.readouterr()
    assert main(["sync", KEY]) == 0
    assert capsys.readouterr().out == "uploaded 0, left 0, refused 0\n"
    assert not (root / "mlruns" / "mlflow.db").exists()


def test_an_experiment_is_asked_for_with_to_only(root, capsys):
    assert main(["sync", KEY, "--experiment", "theirs"]) == 2
    assert "--experiment is for --to: a run's own store knows its experiment." in said(capsys)


def test_a_run_that_is_going_is_not_moved(root, capsys):
    folder, facts = finding.find_run(root, KEY)
    held = workspace.move(folder, facts, facts["store"])
    before = (folder / "run.json").read_bytes()
    assert main(["sync", KEY, "--to", "sqlite:///team.db"]) == 2
    assert "is still running in another process. Wait for it, or stop it." in said(capsys)
    assert (folder / "run.json").read_bytes() == before
    held.close()
