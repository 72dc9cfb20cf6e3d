from __future__ import annotations

import math
import re
import shutil
import sqlite3
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tfprune.errors import DamagedError, InputError, RunError
from tfprune.tracking import Delivery, Store, open_store, resolve_store
from tfprune.tracking.candidates import date_of
from tfprune.tracking.errors import UnavailableError


def _fail(message: str) -> None:
    raise AssertionError(message)


@pytest.fixture(scope="module")
def filled_folder(migrated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two experiments' runs; the first has seeds 0 and 1 with levels 0 to 2."""
    project = tmp_path_factory.mktemp("filled") / "project"
    shutil.copytree(migrated, project)
    store = open_store(resolve_store(folder=project))
    with store.record(project / "journal", on_gap=_fail) as recorder:
        parent = recorder.start_run(
            "conv4 cifar10", key="aaaa-1", tags={"tfprune.kind": "experiment"}
        )
        for seed in (1, 0):
            for level in (2, 0, 1):
                child = recorder.start_run(
                    f"L{level} s{seed}",
                    parent=parent,
                    params={"level": level, "seed": seed},
                    tags={"tfprune.kind": "level"},
                )
                child.log_metrics({"accuracy/test": 0.9 - level / 10}, step=level)
                child.finish()
        for step, value in enumerate((0.1, math.nan, math.inf)):
            parent.log_metrics({"loss": value}, step=step)
        parent.log_text("level,sparsity\n0,0.0\n", "levels.csv")
        parent.log_text("x", "plots/curve.txt")
        parent.finish()
        recorder.start_run("resnet20", key="aaaa-2").finish("FAILED")
        assert recorder.flush(30).left == 0
    return project


@pytest.fixture
def filled(filled_folder: Path, project: Path) -> Store:
    """A store of the test's own, a copy of the filled one."""
    shutil.copytree(filled_folder, project, dirs_exist_ok=True)
    return open_store(resolve_store(folder=project))


def test_what_was_logged_can_be_read(filled: Store) -> None:
    run = filled.find_run("conv4 cifar10")
    assert (run.key, run.kind, run.status) == ("aaaa-1", "experiment", "FINISHED")
    history = filled.metric_history(run.id, "loss")
    assert [p.step for p in history] == [0, 1, 2]
    assert history[0].value == 0.1
    assert math.isnan(history[1].value)
    assert math.isnan(history[2].value)
    assert filled.list_artifacts(run.id) == ["levels.csv", "plots/curve.txt"]
    assert filled.read_text(run.id, "levels.csv") == "level,sparsity\n0,0.0\n"
    assert run.end_time is not None
    assert run.start_time <= run.end_time


def test_children_come_by_seed_and_level(filled: Store) -> None:
    run = filled.find_run("aaaa-1")
    children = filled.children(run.id)
    assert [child.name for child in children] == [
        "L0 s0", "L1 s0", "L2 s0", "L0 s1", "L1 s1", "L2 s1",
    ]  # fmt: skip
    assert all(child.parent_id == run.id for child in children)
    assert filled.child(run.id, level=1, seed=1).name == "L1 s1"
    with pytest.raises(InputError) as caught:
        filled.child(run.id, level=1)
    assert str(caught.value) == f"run {run.id} has level 1 for seeds 0, 1: choose one of the seeds."
    with pytest.raises(InputError) as caught:
        filled.child(run.id, level=7)
    assert str(caught.value) == f"run {run.id} has no level 7; its levels are 0, 1, 2."


def test_levels_that_the_database_has_exchanged_are_not_taken_for_each_other(store, project):
    """A level's key says its seed and level too; where the params say others, nobody can tell."""
    with store.record(project / "mlruns" / "runs" / "KEY", on_gap=_fail) as recorder:
        parent = recorder.start_run("run", key="KEY", tags={"tfprune.kind": "experiment"})
        for level in range(3):
            for end, kind in (("", "level"), ("-random-mask", "control")):
                recorder.start_run(
                    f"L{level}", key=f"KEY-s0-l{level}{end}", parent=parent,
                    params={"level": level, "seed": 0}, tags={"tfprune.kind": kind},
                ).finish()  # fmt: skip
        recorder.start_run("without params", key="KEY-s0-l3", parent=parent).finish()
        parent.finish()
    run = store.find_run("KEY")
    assert store.child(run.id, level=0).key == "KEY-s0-l0"
    assert len(store.children(run.id)) == 7
    with closing(sqlite3.connect(project / "mlruns" / "mlflow.db")) as database, database:
        swapped = "SELECT run_uuid FROM runs WHERE name IN ('L0', 'L1')"
        database.execute(
            f"UPDATE params SET value = 1 - value WHERE key = 'level' AND run_uuid IN ({swapped})"
        )
    for look in (lambda: store.children(run.id), lambda: store.child(run.id, level=2)):
        with pytest.raises(DamagedError) as caught:
            look()
        assert re.fullmatch(
            r"the MLflow store sqlite:\S+ is damaged: run (\w+) is KEY-s0-l([01])(-random-mask)? "
            r"by its key, and level [10] of seed 0 of run KEY by its params and its parent\. What "
            r"else differs from what was logged is told by: tfprune sync KEY --check\. It was left "
            r"unchanged\.",
            str(caught.value),
        )


def test_a_run_is_found_by_id_key_name_and_their_beginning(filled: Store) -> None:
    run = filled.find_run("resnet20")
    for reference in (run.id, run.id[:8], "aaaa-2"):
        assert filled.find_run(reference).id == run.id
    child = filled.find_run("L2 s1")
    assert child.params == {"level": "2", "seed": "1"}


def test_a_run_that_is_not_there_or_not_the_only_one_is_said(filled: Store) -> None:
    with pytest.raises(InputError) as caught:
        filled.find_run("resnet2O")
    assert str(caught.value) == (
        "unknown run 'resnet2O'; did you mean 'resnet20'? Known: resnet20, conv4 cifar10. "
        "'tfprune runs' lists them all."
    )
    one, two = filled.find_run("aaaa-2"), filled.find_run("aaaa-1")
    with pytest.raises(InputError) as caught:
        filled.find_run("aaaa")
    newer, older = sorted((one, two), key=lambda run: -run.start_time)
    told = [f"{run.id} ({run.name}, {date_of(run.start_time / 1000)}, " for run in (newer, older)]
    message = str(caught.value)
    assert message.startswith(f"2 runs are called 'aaaa': {told[0]}")
    assert f"; {told[1]}" in message
    assert message.endswith(". Give an id, or aaaa@latest for the newest.")
    assert filled.find_run("aaaa@latest").id == newer.id
    assert filled.find_run("resnet20@latest").name == "resnet20"
    for level, whole in (("resnet20:2", "resnet20"), ("resnet20@latest:2", "resnet20@latest")):
        with pytest.raises(InputError) as caught:
            filled.find_run(level)
        assert str(caught.value) == (
            f"{level!r} is a level, and a whole run is needed here: give {whole!r}."
        )
    with pytest.raises(InputError, match=r"unknown artifact of run .* 'level\.csv'; did you mean"):
        filled.read_text(two.id, "level.csv")


def test_a_deleted_run_is_said_to_be_deleted(filled: Store) -> None:
    run = filled.find_run("resnet20")
    filled._client._client.delete_run(run.id)
    with pytest.raises(InputError) as caught:
        filled.find_run(run.id)
    assert str(caught.value) == (
        f"run {run.id} was deleted. Restore it with: mlflow runs restore --run-id {run.id}"
    )


def test_sending_everything_again_stores_nothing_twice(filled: Store, project: Path) -> None:
    before = {run.id: run for run in filled.search_runs()}
    loss = filled.metric_history(filled.find_run("aaaa-1").id, "loss")
    (project / "journal" / "delivered.json").unlink()  # as if no delivery had been noted
    # the artifacts were removed with their delivery, so their records go too
    records = (project / "journal" / "records.jsonl").read_text().splitlines(keepends=True)
    kept = "".join(line for line in records if '"op": "artifact"' not in line)
    (project / "journal" / "records.jsonl").write_text(kept)
    standing = filled.sync(project / "journal")
    assert standing.left == standing.rejected == 0
    assert standing.delivered == len(records) - 2
    after = {run.id: run for run in filled.search_runs()}
    assert after.keys() == before.keys()
    assert {run.name: run.status for run in after.values()} == {
        run.name: run.status for run in before.values()
    }
    again = filled.metric_history(filled.find_run("aaaa-1").id, "loss")
    assert [(p.time, p.step) for p in again] == [(p.time, p.step) for p in loss]
    for run_id, run in after.items():
        for key in run.metrics:
            assert len(filled.metric_history(run_id, key)) == (3 if key == "loss" else 1)


def test_a_process_that_was_killed_leaves_no_run_running_after_sync(store, project) -> None:
    recorder = store.record(project / "journal", on_gap=_fail)
    recorder.start_run("killed", key="K").log_metrics({"loss": 0.5}, step=0)
    recorder.close()  # without `finish`, as kill -9 leaves it
    assert store.find_run("killed").status == "RUNNING"
    assert store.sync(project / "journal").left == 0
    assert store.find_run("killed").status == "KILLED"
    assert store.sync(project / "journal") == Delivery(0, 0, 0)


def test_sync_refuses_a_folder_without_a_journal_and_one_in_use(store, project) -> None:
    with pytest.raises(InputError) as caught:
        store.sync(project)
    assert str(caught.value) == f"{project} holds no journal: expected records.jsonl in it."
    recorder = store.record(project / "journal", on_gap=_fail)
    recorder.start_run("r").finish()
    with pytest.raises(InputError, match="another process is writing to"):
        store.sync(project / "journal")
    recorder.close()


def _hold_lock(database: Path, seconds: float) -> threading.Thread:
    """Lock the whole database, as a backup or another writer does, for some seconds."""
    locked = threading.Event()

    def hold() -> None:
        connection = sqlite3.connect(database, isolation_level=None, timeout=20)
        connection.execute("BEGIN EXCLUSIVE")
        locked.set()
        time.sleep(seconds)
        connection.execute("ROLLBACK")
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    assert locked.wait(20)
    return thread


def test_logging_to_a_locked_database_takes_no_time_and_loses_nothing(store, project) -> None:
    with store.record(project / "journal", on_gap=_fail) as recorder:
        run = recorder.start_run("r", key="K")
        recorder.flush()
        holder = _hold_lock(store.location.database, 1.5)
        begin = time.monotonic()
        for step in range(200):
            run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        run.log_text("x", "x.txt")
        run.finish()
        assert time.monotonic() - begin < 1.0
        assert holder.is_alive()
        holder.join()
        assert recorder.flush().left == 0
    history = store.metric_history(run.id, "loss")
    assert [p.value for p in history] == [1 / (step + 1) for step in range(200)]
    assert store.find_run("K").status == "FINISHED"


@pytest.mark.slow
def test_a_database_locked_for_a_minute_is_told_once_and_loses_nothing(store, project) -> None:
    told: list[str] = []
    with store.record(project / "journal", on_gap=told.append) as recorder:
        run = recorder.start_run("r", key="K")
        recorder.flush()
        holder = _hold_lock(store.location.database, 75)
        while holder.is_alive():
            run.log_metrics({"loss": 0.5}, step=time.monotonic_ns())
            time.sleep(0.1)
        assert recorder.flush(60).left == 0
        n_points = len((project / "journal" / "records.jsonl").read_text().splitlines()) - 1
    assert n_points > 500
    assert len(store.metric_history(run.id, "loss")) == n_points
    assert len(told) == 2
    assert "database is locked" in told[0]
    assert told[1] == "MLflow is accepting records again; the waiting records are being uploaded."


def test_a_folder_is_stored_with_all_it_holds(store: Store, project: Path, tmp_path: Path) -> None:
    model = tmp_path / "model"
    (model / "data").mkdir(parents=True)
    (model / "MLmodel").write_text("flavors: {}\n")
    (model / "data" / "model.keras").write_text("weights")
    with store.record(project / "journal", on_gap=_fail) as recorder:
        run = recorder.start_run("r")
        run.log_file(model)
        run.log_file(model, "levels", name="level_1")
        assert recorder.flush().left == 0
    assert store.list_artifacts(run.id) == [
        "levels/level_1/MLmodel",
        "levels/level_1/data/model.keras",
        "model/MLmodel",
        "model/data/model.keras",
    ]
    assert (store.download_artifact(run.id, "model") / "MLmodel").read_text() == "flavors: {}\n"


def test_a_deleted_experiment_is_refused_with_how_to_restore_it(store: Store) -> None:
    number = store._client.experiment_id
    store._client._client.delete_experiment(number)
    with pytest.raises(InputError) as caught:
        open_store(store.location)
    assert str(caught.value) == (
        f"the experiment 'tfprune' was deleted in {store.location.uri}, and MLflow keeps its "
        "name taken. Give another --experiment, or restore it with: "
        f"mlflow experiments restore --experiment-id {number}"
    )


def test_reading_creates_neither_a_store_nor_an_experiment(tmp_path: Path, store: Store) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(folder=empty), create=False)
    assert str(caught.value) == (
        f"there is no MLflow store at {empty}/mlruns/mlflow.db. "
        "Run 'tfprune run' first, or give --tracking-uri."
    )
    assert list(empty.iterdir()) == []
    project = store.location.database.parents[1]
    with pytest.raises(InputError, match="has no experiment 'other'"):
        open_store(resolve_store(experiment="other", folder=project), create=False)


def test_an_experiment_gets_its_artifacts_beside_the_database(store: Store) -> None:
    made = open_store(resolve_store(experiment="second", folder=store.location.database.parents[1]))
    stored = made._client._client.get_experiment_by_name("second")
    assert stored.artifact_location == str(store.location.artifact_root)


def test_a_stale_run_id_in_the_environment_does_no_harm(store, project, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_RUN_ID", "f" * 32)
    with store.record(project / "journal", on_gap=_fail) as recorder:
        run = recorder.start_run("r")
        run.log_metrics({"loss": 0.5})
        assert recorder.flush().left == 0
    assert store.find_run("r").id != "f" * 32


def test_a_store_lost_while_reading_is_a_run_error(store: Store, monkeypatch) -> None:
    def lose(*args: object, **options: object) -> None:
        raise ConnectionError("connection reset")

    monkeypatch.setattr(store._client._client, "search_runs", lose)
    with pytest.raises(RunError) as caught:
        store.search_runs()
    assert str(caught.value) == (
        f"the MLflow store {store.location.database} can't be used: connection reset. Check what "
        "is wrong with that file."
    )


def test_what_mlflow_had_copied_half_when_it_was_killed_is_swept_away(
    store: Store, tmp_path: Path
) -> None:
    file = tmp_path / "levels.csv"
    file.write_text("level\n0\n")
    with store.record(tmp_path / "journal", on_gap=print) as recorder:
        run = recorder.start_run("cut off")
        run.log_file(file)
        recorder.flush(60)
    folder = store.download_artifact(run.id, "levels.csv").parent
    (folder / "plots").mkdir()
    half = [folder / ".artifact.uploading.x1", folder / "plots" / ".artifact.uploading.x2"]
    for path in half:
        path.write_text("lev")
    again = open_store(store.location)
    with again.record(tmp_path / "journal", on_gap=print) as recorder:
        recorder.start_run("cut off", run_id=run.id).log_text("more", "more.txt")
        recorder.flush(60)
    assert [path.exists() for path in half] == [False, False]
    assert (folder / "levels.csv").read_text() == "level\n0\n"
    assert (folder / "more.txt").read_text() == "more"


@pytest.mark.parametrize(
    ("said", "kept"),
    [("word " * 100, "word " * 58 + "word..."), ("w" * 400, "w" * 297 + "..."), ("short", "short")],
)
def test_what_a_store_says_at_length_is_cut_between_words(said, kept):
    from tfprune.tracking.client import _store_errors

    with pytest.raises(UnavailableError) as caught, _store_errors():
        raise OSError(said)
    assert str(caught.value) == kept
