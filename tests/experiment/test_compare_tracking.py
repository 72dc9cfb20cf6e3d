"""A comparison of two networks, and an MLflow store that does not take it."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config import RunConfig
from tfprune.errors import InputError
from tfprune.experiment.comparison import ComparisonResult
from tfprune.runs import compare as comparing
from tfprune.runs import workspace
from tfprune.runs.run import resume
from tfprune.runs.sync import sync
from tfprune.similarity import Comparison
from tfprune.tracking import local, open_store, resolve_store, sender
from tfprune.training import backend
from tfprune_cli.main import main

LAYERS = ("conv1", "dense1")


@pytest.fixture(scope="module")
def found() -> ComparisonResult:
    """What comparing two networks gives, without the networks."""
    rng = np.random.default_rng(0)
    x = {name: rng.normal(size=(40, 3)) for name in LAYERS}
    y = {name: value + rng.normal(size=(40, 3)) for name, value in x.items()}
    engine = Comparison([(a, b) for a in LAYERS for b in LAYERS], measures=["cka"], layout="mean",
                        blocks=10, permutations=0, n_images=40)  # fmt: skip
    engine.update(x, y)
    scores = engine.scores()
    values = np.array([[float(scores[a, b, "cka"]) for b in LAYERS] for a in LAYERS])
    same = tuple((layer, layer) for layer in LAYERS)
    return ComparisonResult(
        "one", "two", LAYERS, LAYERS, "mean", 40, {"cka": values}, scores, same_places=same
    )


class Lock:
    """Another process's write that does not end: nobody else may read or write meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._database = folder / "mlruns" / "mlflow.db"

    def take(self) -> None:
        self._other = sqlite3.connect(self._database, isolation_level=None, check_same_thread=False)
        self._other.execute("BEGIN EXCLUSIVE")

    def release(self) -> None:
        self._other.execute("ROLLBACK")
        self._other.close()


@pytest.fixture(scope="module")
def migrated(tmp_path_factory) -> Path:
    """A folder with a new store; making one takes 2 s."""
    folder = tmp_path_factory.mktemp("migrated")
    open_store(resolve_store(folder=folder))
    return folder


@pytest.fixture
def project(tmp_path, monkeypatch, migrated, found):
    """A folder with a store, in which comparing two networks takes no time.

    `meanwhile` is called where the networks would be compared: after the store was opened.
    """
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    project = SimpleNamespace(folder=tmp_path, lock=Lock(tmp_path), meanwhile=lambda: None)

    def compare_networks(*args):
        project.meanwhile()
        return found

    def give_up_at_once(connection, cursor, statement, *rest):
        """MLflow waits for 20 s at every call."""
        return statement.replace("busy_timeout = 20000", "busy_timeout = 50"), rest[0]

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(backend, "start_tensorflow", lambda **options: None)
    monkeypatch.setattr(comparing, "load_network", lambda *args, **options: SimpleNamespace(
        config=RunConfig()))  # fmt: skip
    monkeypatch.setattr(comparing, "_compare", compare_networks)
    monkeypatch.setattr("tfprune.report.figures.draw", lambda chart, form: b"drawn")
    monkeypatch.setattr(sender, "QUICK_RETRIES", (0.01,))
    monkeypatch.setattr(local, "SQLITE_SECONDS", 0.05)
    event.listen(Engine, "before_cursor_execute", give_up_at_once, retval=True)
    shutil.copytree(migrated / "mlruns", tmp_path / "mlruns")
    yield project
    event.remove(Engine, "before_cursor_execute", give_up_at_once)


def check_logged(folder: Path, key: str | None, found: ComparisonResult) -> str:
    """Assert that the run is complete in MLflow, once; return MLflow's id."""
    store = open_store(resolve_store(folder=folder))
    (run,) = store.search_runs()
    assert key in (None, run.key)
    assert (run.status, run.kind, run.name) == ("FINISHED", "comparison", "one vs two")
    assert (run.params["a"], run.params["b"], run.params["n_images"]) == ("one", "two", "40")
    profile = [(point.step, point.value) for point in store.metric_history(run.id, "profile/cka")]
    diagonal = np.diagonal(found.values["cka"])
    assert profile == [(step, pytest.approx(value)) for step, value in enumerate(diagonal)]
    assert store.list_artifacts(run.id) == ["plots/matrix-cka.png", "similarity.csv"]
    assert store.read_text(run.id, "similarity.csv") == found.csv()
    return run.id


def test_a_comparison_that_mlflow_took_leaves_nothing_to_deliver(project, found, capsys):
    said: list[str] = []
    result = comparing.compare("a", "b", folder=project.folder, tell=said.append)
    assert result.run_id == check_logged(project.folder, result.key, found)
    assert (result.undelivered, said) == (0, [])
    assert main(["sync", str(result.key)]) == 0
    assert capsys.readouterr().out == "uploaded 0, left 0, refused 0\n"


def test_a_lost_store_is_filled_anew_from_the_folder_of_the_comparison(
    project, found, capsys, monkeypatch
):
    """As with runs, the folder stays: by the command that is told, twice, with all of it once."""
    key = str(comparing.compare("a", "b", folder=project.folder).key)
    later = project.folder / "later"  # its runs, without database and artifacts
    shutil.copytree(project.folder / workspace.RUNS, later / workspace.RUNS)
    monkeypatch.chdir(later)
    assert main(["sync", key]) == 2
    told = " ".join(capsys.readouterr().err.split())
    command = f"tfprune sync {key} --to sqlite:///mlruns/mlflow.db"
    assert told.endswith(f"Restore it, or fill a new one from the folder of the run: {command}")
    for _ in range(2):
        assert main(command.split()[1:]) == 0
        assert capsys.readouterr().out == "uploaded 7, left 0, refused 0\n"
        check_logged(later, key, found)


def test_a_comparison_waits_for_a_locked_store_and_is_delivered_by_sync(project, found, capsys):
    """What is promised is kept: status 1 says so, no wrong id is printed, and nothing is lost."""
    project.meanwhile = project.lock.take
    assert main(["compare", "a", "b"]) == 1
    out, err = capsys.readouterr()
    (folder,) = (project.folder / workspace.RUNS).iterdir()
    assert f"\nrun     {folder.name}  (not in MLflow yet)\n" in out
    told = " ".join(err.split())
    assert told.count("MLflow is not accepting records at the moment") == 1
    assert told.endswith(
        "7 records are not uploaded yet, the store does not respond. Upload them with: tfprune "
        f"sync {folder.name}"
    )
    assert main(["sync", folder.name]) == 2  # still locked
    assert "database is locked" in capsys.readouterr().err
    project.lock.release()
    assert main(["sync", folder.name]) == 0
    assert capsys.readouterr().out == "uploaded 7, left 0, refused 0\n"
    check_logged(project.folder, folder.name, found)
    assert main(["sync", folder.name]) == 0
    assert capsys.readouterr().out == "uploaded 0, left 0, refused 0\n"
    check_logged(project.folder, folder.name, found)


def test_a_store_that_locks_in_the_middle_gets_the_rest_later(project, found, monkeypatch):
    """The run stands in MLflow as RUNNING, without its metrics; sync ends it with all it has."""
    from tfprune.tracking.client import MlflowClient

    create = MlflowClient.create_run

    def create_then_lock(*args):
        made = create(*args)
        project.lock.take()
        return made

    monkeypatch.setattr(MlflowClient, "create_run", create_then_lock)
    result = comparing.compare("a", "b", folder=project.folder)
    project.lock.release()
    store = open_store(resolve_store(folder=project.folder))
    assert store.find_run(result.run_id).status == "RUNNING"
    assert result.undelivered == 6
    for reference in (result.key, result.run_id):  # either finds it
        assert sync(reference, folder=project.folder).left == 0
    assert check_logged(project.folder, result.key, found) == result.run_id


def test_a_comparison_is_nothing_to_go_on_with(project, found):
    kept = workspace.create_logged(
        project.folder,
        kind="comparison",
        name="one vs two",
        store={"uri": None, "experiment": "tfprune"},
    )
    kept.close()
    (kept.folder / "records.jsonl").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        resume(kept.key, folder=project.folder)
    assert str(caught.value) == (
        f"run {kept.key} (one vs two) has finished; there is nothing to resume. See it with "
        "'tfprune ui'."
    )
    store = workspace.store_facts(resolve_store(folder=project.folder), project.folder)
    assert workspace.find_interrupted(project.folder, RunConfig(), store=store) is None


def test_of_a_comparison_that_was_ended_before_it_logged_nothing_stays(project, found):
    """However it was ended: the next one takes away what is left."""
    where = {"kind": "comparison", "store": {"uri": None, "experiment": "tfprune"}}
    going = workspace.create_logged(project.folder, name="going", **where)
    ended = workspace.create_logged(project.folder, name="ended", **{**where, "kind": "prune"})
    ended.close()
    with pytest.raises(InputError, match="unknown run"):
        sync(ended.key, folder=project.folder)
    logged = workspace.create_logged(project.folder, name="logged", **where)
    (logged.folder / "records.jsonl").write_bytes(b"")
    logged.close()
    workspace.create_logged(project.folder, name="next", **where).close()
    assert [one.folder.exists() for one in (going, ended, logged)] == [True, False, True]
    going.close()


def test_csv_of_a_comparison_that_waits_is_printed_with_status_1(project, found, capsys):
    project.meanwhile = project.lock.take
    assert main(["compare", "a", "b", "--csv", "--out", "kept"]) == 1
    project.lock.release()
    assert capsys.readouterr().out == found.csv()
    assert (project.folder / "kept" / "similarity.csv").read_text() == found.csv()
