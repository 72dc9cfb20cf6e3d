from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from tfprune.errors import InputError
from tfprune.tracking import local, open_store, resolve_store
from tfprune.tracking.local import prepare, relocate
from tfprune.tracking.store_problem import store_problem

# One process imports MLflow, then forks the ones that open the store: one import, not four.
_FORK_AND_OPEN = """
import os, sys
from tfprune.tracking import client, open_store, resolve_store

folder, n_processes = sys.argv[1], int(sys.argv[2])

def open_and_log(number):
    store = open_store(resolve_store(folder=folder))
    with store.record(f"{folder}/journal{number}", on_gap=sys.exit) as recorder:
        run = recorder.start_run(f"run {number}")
        run.log_metrics({"loss": number}, step=1)
        run.finish()
        return recorder.flush(60).left

client.import_mlflow()
import mlflow.store.tracking.sqlalchemy_store
children = []
for number in range(n_processes):
    pid = os.fork()
    if pid == 0:
        os._exit(open_and_log(number))
    children.append(pid)
sys.exit(max(os.waitpid(pid, 0)[1] for pid in children))
"""


def _fail(message: str) -> None:
    raise AssertionError(message)


def _nothing_cached(folder: Path) -> dict[str, str]:
    """Return an environment in which MLflow has to migrate a new store."""
    return os.environ | {"XDG_CACHE_HOME": str(folder / "cache")}


def _open_at_once(folder: Path, n_processes: int) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", _FORK_AND_OPEN, str(folder), str(n_processes)],
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
        env=_nothing_cached(folder),
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    runs = open_store(resolve_store(folder=folder)).search_runs()
    assert sorted((run.name, run.metrics["loss"], run.status) for run in runs) == [
        (f"run {number}", float(number), "FINISHED") for number in range(n_processes)
    ]


@pytest.mark.slow
def test_four_processes_may_open_one_new_store_at_once(tmp_path: Path) -> None:
    _open_at_once(tmp_path, 4)


@pytest.mark.slow
def test_eight_processes_may_open_one_new_store_at_once(tmp_path: Path) -> None:
    _open_at_once(tmp_path, 8)


def test_what_a_kill_in_the_first_open_leaves_is_no_obstacle(
    tmp_path: Path, migrated: Path
) -> None:
    (tmp_path / "mlruns").mkdir()
    left = tmp_path / "mlruns" / ".mlflow.db.new"
    shutil.copy(migrated / "mlruns" / "mlflow.db", left)
    with sqlite3.connect(left) as connection:  # half migrated: MLflow itself can't open this
        connection.execute("DROP TABLE alembic_version")
    left.with_name(".mlflow.db.new-journal").write_text("half a transaction")
    store = open_store(resolve_store(folder=tmp_path))
    assert store.search_runs() == []
    assert sorted(path.name for path in left.parent.iterdir()) == [".mlflow.db.lock", "mlflow.db"]


def test_a_new_store_is_the_same_whether_mlflow_migrates_it_or_did_earlier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def rows(name: str) -> list[str]:
        open_store(resolve_store(folder=tmp_path / name))
        database = tmp_path / name / "mlruns" / "mlflow.db"
        with closing(sqlite3.connect(database)) as connection:
            (made,) = connection.execute(
                "SELECT max(abs(creation_time - ?)) FROM experiments", (time.time() * 1000,)
            ).fetchone()
            assert made < 60_000
            connection.execute("UPDATE experiments SET creation_time = 0, last_update_time = 0")
            return [line.replace(str(tmp_path / name), "HERE") for line in connection.iterdump()]

    migrated, copied = rows("migrated"), rows("copied")
    assert copied == migrated
    assert any("HERE/mlruns/artifacts/0" in line for line in copied)


def test_a_store_can_be_made_where_nothing_can_be_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated: Path
) -> None:
    (tmp_path / "file").write_text("in the folder's place")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr(
        local, "migrate_new_database",
        lambda path, root: shutil.copy(migrated / "mlruns" / "mlflow.db", path),
    )  # fmt: skip
    assert open_store(resolve_store(folder=tmp_path)).search_runs() == []


@pytest.mark.slow
def test_kills_at_any_moment_of_the_first_open_leave_a_store_that_opens(tmp_path: Path) -> None:
    rng = random.Random(0)
    n_midway = 0
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        process = subprocess.Popen([sys.executable, "-c", _FORK_AND_OPEN, str(folder), "1"],
                                   start_new_session=True, env=_nothing_cached(folder))  # fmt: skip
        deadline = time.monotonic() + 120
        while not (folder / "mlruns").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 2.5))
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        n_midway += not (folder / "mlruns" / "mlflow.db").exists()
        store = open_store(resolve_store(folder=folder))
        with store.record(folder / "after", on_gap=_fail) as recorder:
            recorder.start_run("after").finish()
            assert recorder.flush().left == 0
    assert n_midway > 0  # some of them hit the migration itself


_LOG_UNTIL_KILLED = """
import sys
from tfprune.tracking import open_store, resolve_store
store = open_store(resolve_store(folder=sys.argv[1]))
with store.record(sys.argv[1] + "/journal", on_gap=sys.exit) as recorder:
    run = recorder.start_run("killed", key="K")
    for step in range(10**9):
        run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        if step % 50 == 0:
            run.log_text(str(step), f"steps/{step}.txt")
        print(step, flush=True)
"""


@pytest.mark.slow
def test_what_was_logged_before_a_kill_arrives_once_after_it(project: Path) -> None:
    rng = random.Random(0)
    seen = 0
    for _ in range(6):  # each one repeats what the ones before it logged, and goes further
        process = subprocess.Popen(
            [sys.executable, "-c", _LOG_UNTIL_KILLED, str(project)],
            stdout=subprocess.PIPE,
            text=True,
        )
        goal = seen + rng.randint(50, 400)
        for line in process.stdout:
            seen = int(line)
            if seen >= goal:
                break
        os.kill(process.pid, signal.SIGKILL)
        seen = max([seen, *map(int, process.stdout.read().split())])
        process.stdout.close()
        process.wait()
    store = open_store(resolve_store(folder=project))
    standing = store.sync(project / "journal")
    assert (standing.left, standing.rejected) == (0, 0)
    assert [run.name for run in store.search_runs()] == ["killed"]
    run = store.find_run("K")
    assert run.status == "KILLED"
    history = store.metric_history(run.id, "loss")
    assert [point.step for point in history] == list(range(len(history)))
    assert len(history) - 1 in (seen, seen + 1)  # the last one may not have been printed
    assert [point.value for point in history] == [1 / (s + 1) for s in range(len(history))]
    for step in range(0, seen, 50):
        assert store.read_text(run.id, f"steps/{step}.txt") == str(step)


def _log_one(folder: Path, name: str) -> str:
    store = open_store(resolve_store(folder=folder))
    with store.record(folder / f"journal {name}", on_gap=_fail) as recorder:
        run = recorder.start_run(name)
        run.log_text(f"of {name}", "levels.csv")
        run.finish()
        assert recorder.flush().left == 0
        return run.id


def test_a_moved_folder_still_finds_its_artifacts_and_takes_new_ones(
    project: Path, tmp_path: Path
) -> None:
    before = _log_one(project, "before")
    moved = tmp_path / "elsewhere" / "it's moved é"
    moved.parent.mkdir()
    project.rename(moved)
    after = _log_one(moved, "after")
    store = open_store(resolve_store(folder=moved))
    assert store.list_artifacts(before) == ["levels.csv"]
    assert store.read_text(before, "levels.csv") == "of before"
    for run_id in (before, after):
        location = store.download_artifact(run_id, "levels.csv")
        assert location.is_relative_to(moved / "mlruns" / "artifacts")
    assert not project.exists()


def test_a_journal_moves_with_its_project(project: Path, tmp_path: Path) -> None:
    store = open_store(resolve_store(folder=project))
    with store.record(project / "journal", on_gap=_fail) as recorder:
        run = recorder.start_run("r", key="K")
        assert recorder.flush().left == 0
        before = run.id
    moved = tmp_path / "moved"
    project.rename(moved)
    store = open_store(resolve_store(folder=moved))
    with store.record(moved / "journal", on_gap=_fail) as recorder:
        run = recorder.start_run("r", key="K")
        run.log_text("x", "x.txt")
        assert recorder.flush().left == 0
        assert run.id == before
    assert store.list_artifacts(before) == ["x.txt"]


def test_a_copied_folder_uses_its_own_artifacts(project: Path, tmp_path: Path) -> None:
    run_id = _log_one(project, "first")
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    copied = open_store(resolve_store(folder=copy))
    assert copied.download_artifact(run_id, "levels.csv").is_relative_to(copy)
    original = open_store(resolve_store(folder=project))
    assert original.download_artifact(run_id, "levels.csv").is_relative_to(project)


def test_a_copied_database_alone_goes_on_reading_where_the_artifacts_are(
    project: Path, tmp_path: Path
) -> None:
    run_id = _log_one(project, "first")
    copy = tmp_path / "copy" / "mlruns"
    copy.mkdir(parents=True)
    shutil.copy(project / "mlruns" / "mlflow.db", copy)
    store = open_store(resolve_store(folder=copy.parent))
    assert store.read_text(run_id, "levels.csv") == "of first"
    new = _log_one(copy.parent, "new")
    assert store.download_artifact(new, "levels.csv").is_relative_to(copy)


def test_locations_elsewhere_are_left_alone_and_a_store_at_home_is_not_touched(
    project: Path, tmp_path: Path
) -> None:
    _log_one(project, "first")
    database = project / "mlruns" / "mlflow.db"
    with sqlite3.connect(database) as connection:
        near = f"{project}/mlruns/artifacts-of-others"
        for name, location in (("s3", "s3://bucket/x"), ("near", near)):
            connection.execute(
                "INSERT INTO experiments (name, artifact_location, lifecycle_stage, workspace) "
                "VALUES (?, ?, 'active', 'default')",
                (name, location),
            )
    assert relocate(database, project / "mlruns" / "artifacts") == 0
    moved = tmp_path / "moved"
    project.rename(moved)
    database = moved / "mlruns" / "mlflow.db"
    assert relocate(database, moved / "mlruns" / "artifacts") == 3  # experiments 0 and 1, the run
    assert relocate(database, moved / "mlruns" / "artifacts") == 0
    with sqlite3.connect(database) as connection:
        stored = dict(connection.execute("SELECT name, artifact_location FROM experiments"))
    assert stored["s3"] == "s3://bucket/x"
    assert stored["near"] == near
    assert stored["tfprune"] == f"{moved}/mlruns/artifacts"


@pytest.mark.parametrize(
    ("limit", "remedy"),
    [(resource.RLIM_INFINITY, "The disk, or"), (2**40, "The disk, or"), (2**20, "'ulimit -f'")],
)
def test_a_limit_on_the_size_of_files_is_no_fault_of_the_disk(project, monkeypatch, limit, remedy):
    """SQLite has one word for both."""
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    told = store_problem(sqlite3.OperationalError("disk I/O error"), resolve_store(folder=project))
    assert f"can't be used: disk I/O error. {remedy}" in str(told).replace(
        "It is larger than allowed: raise the limit with ", ""
    )


def test_a_failure_while_mending_changes_nothing(project, tmp_path, monkeypatch) -> None:
    _log_one(project, "first")
    moved = tmp_path / "moved"
    project.rename(moved)
    database = moved / "mlruns" / "mlflow.db"
    mend = local._mend

    def fail_at_runs(connection, table, *arguments) -> int:
        if table == "runs":
            raise sqlite3.OperationalError("disk I/O error")
        return mend(connection, table, *arguments)

    monkeypatch.setattr(local, "_mend", fail_at_runs)
    with pytest.raises(InputError, match=r"mlflow\.db can't be used: disk I/O error\."):
        prepare(resolve_store(folder=moved))
    with sqlite3.connect(database) as connection:
        locations = [
            row[0] for row in connection.execute("SELECT artifact_location FROM experiments")
        ]
    assert all(location.startswith(str(project)) for location in locations)


def test_a_full_disk_while_paths_are_mended_is_told_as_that(project, tmp_path, monkeypatch) -> None:
    """SQLite ends the transaction itself then, and a ROLLBACK on top would raise another error."""
    moved = tmp_path / "moved"
    project.rename(moved)
    full = "database or disk is full"

    class Full(sqlite3.Connection):
        def execute(self, sql, *parameters):
            if sql.startswith("UPDATE"):
                super().execute("ROLLBACK")
                raise sqlite3.OperationalError(full)
            return super().execute(sql, *parameters)

    real = sqlite3.connect
    monkeypatch.setattr(
        sqlite3, "connect", lambda *given, **named: real(*given, **named, factory=Full)
    )
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(folder=moved), create=False)
    assert str(caught.value) == (
        f"the MLflow store {moved}/mlruns/mlflow.db can't be used: {full}. Free some space on its "
        "disk."
    )


def test_a_database_that_others_laid_is_not_mended(project: Path) -> None:
    database = project / "mlruns" / "mlflow.db"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE experiments SET artifact_location = 'mlflow-artifacts:/0' "
                           "WHERE experiment_id = 0")  # fmt: skip
    assert relocate(database, Path("/new/mlruns/artifacts")) == 0


def test_a_database_of_an_older_mlflow_is_refused_with_what_to_do(project: Path) -> None:
    with sqlite3.connect(project / "mlruns" / "mlflow.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '451aebb31d03'")
    with pytest.raises(InputError, match=r"mlflow db upgrade <database_uri>"):
        open_store(resolve_store(folder=project))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mlruns").mkdir()
    (tmp_path / "mlruns" / "mlflow.db").write_text("not a database, but long enough " * 40)
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(folder=tmp_path))
    assert str(caught.value) == (
        f"the MLflow store {tmp_path}/mlruns/mlflow.db can't be used: file is not a database. It "
        "is damaged: move it elsewhere, and fill a new one from the folder of each run: tfprune "
        "sync RUN --to sqlite:///mlruns/mlflow.db"
    )
