from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import pytest

from tests.tracking.conftest import MemoryClient
from tfprune.errors import InputError, RunError
from tfprune.tracking import sender
from tfprune.tracking.delivery import Delivery
from tfprune.tracking.recorder import Recorder


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "_GATHER_SECONDS", 0.01)
    monkeypatch.setattr(sender, "QUICK_RETRIES", (0.02, 0.02))


def _recorder(client: MemoryClient, folder: Path, told: list[str] | None = None) -> Recorder:
    tell = told.append if told is not None else print
    return Recorder(client, folder, on_gap=tell, retry_seconds=0.05)


def _wait(condition, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def test_runs_reach_the_store_while_the_recorder_is_open(tmp_path, memory) -> None:
    with _recorder(memory, tmp_path) as recorder:
        run = recorder.start_run("conv4", key="K", params={"levels": 3}, tags={"kind": "e"})
        assert run.id is None
        run.log_metrics({"accuracy/test": 0.5}, step=2)
        run.log_text("x", "tables/levels.csv")
        run.set_note("# Result")
        assert recorder.flush(5).left == 0
        assert run.id == "id0"
        assert memory.runs["id0"]["status"] == "RUNNING"
        run.finish()
    stored = memory.runs["id0"]
    assert (stored["name"], stored["status"]) == ("conv4", "FINISHED")
    assert stored["params"] == {"levels": "3"}
    assert stored["tags"] == {"kind": "e", "mlflow.note.content": "# Result"}
    assert [(p.key, p.value, p.step) for p in stored["points"]] == [("accuracy/test", 0.5, 2)]
    assert stored["artifacts"] == {"tables/levels.csv": "x"}


def test_a_store_that_is_down_costs_no_time_and_no_point(tmp_path, memory) -> None:
    told: list[str] = []
    memory.available = False
    with _recorder(memory, tmp_path, told) as recorder:
        begin = time.monotonic()
        parent = recorder.start_run("parent", key="P")
        child = recorder.start_run("child", key="C", parent=parent)
        for step in range(100):
            child.log_metrics({"loss": 0.5}, step=step)
        assert time.monotonic() - begin < 0.5
        _wait(lambda: memory.n_calls >= 6)
        assert told == [
            "MLflow is not accepting records at the moment (connection refused). The run "
            "continues; the records wait in the journal and are uploaded when MLflow responds "
            "again."
        ]
        memory.available = True
        _wait(lambda: len(told) == 2)
        assert told[1] == (
            "MLflow is accepting records again; the waiting records are being uploaded."
        )
        assert recorder.flush(5).left == 0
    assert [p.step for p in memory.runs["id1"]["points"]] == list(range(100))
    assert memory.runs["id1"]["tags"]["mlflow.parentRunId"] == "id0"


def test_an_end_that_comes_during_a_failing_try_still_tells_of_the_gap(
    tmp_path, memory, monkeypatch
) -> None:
    """That try is not counted among those that are made for the end."""
    begun, ending = threading.Event(), threading.Event()
    told: list[str] = []
    find_key = memory.find_key

    def slow(key: str) -> str | None:
        begun.set()
        ending.wait(10)
        return find_key(key)

    monkeypatch.setattr(memory, "find_key", slow)
    memory.available = False
    recorder = _recorder(memory, tmp_path, told)
    recorder.start_run("r")
    assert begun.wait(10)
    threading.Timer(0.3, ending.set).start()
    assert recorder.close(timeout=20).left == 1
    assert len(told) == 1
    assert told[0].startswith("MLflow is not accepting records at the moment")


def test_a_gap_of_one_quick_retry_is_not_told(tmp_path, memory) -> None:
    told: list[str] = []
    memory.available = False
    with _recorder(memory, tmp_path, told) as recorder:
        recorder.start_run("r")
        _wait(lambda: memory.n_calls == 1)
        memory.available = True
        assert recorder.flush(5).left == 0
    assert told == []


def test_closing_with_the_store_down_says_what_is_left_and_the_next_opening_delivers_it(
    tmp_path, memory
) -> None:
    memory.available = False
    recorder = _recorder(memory, tmp_path)
    run = recorder.start_run("r", key="K")
    run.log_metrics({"loss": 0.5}, step=1)
    run.finish()
    begin = time.monotonic()
    assert recorder.close(timeout=10) == Delivery(0, 3, 0)
    assert time.monotonic() - begin < 3  # it gives up when the store does
    memory.available = True
    with _recorder(memory, tmp_path) as recorder:
        assert recorder.flush(5) == Delivery(3, 0, 0)
    assert memory.runs["id0"]["status"] == "FINISHED"


def test_a_call_that_hangs_does_not_hold_up_the_end(tmp_path, memory, monkeypatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(memory, "find_key", lambda key: release.wait(20) and None)
    recorder = _recorder(memory, tmp_path)
    recorder.start_run("r", key="K")
    begin = time.monotonic()
    assert recorder.close(timeout=0.3).left == 1
    assert time.monotonic() - begin < 2
    release.set()


def test_a_resumed_run_is_the_same_run_and_its_repeated_points_are_one(tmp_path, memory) -> None:
    with _recorder(memory, tmp_path) as recorder:
        run = recorder.start_run("r", key="K", params={"seed": 0})
        for step in range(4):
            run.log_metrics({"loss": 1 / (step + 1)}, step=step)
    told: list[str] = []
    with _recorder(memory, tmp_path, told) as recorder:
        run = recorder.start_run("r", key="K", params={"seed": 0})
        for step in range(2, 6):  # from its last checkpoint, two steps back
            run.log_metrics({"loss": 1 / (step + 1), "new": 1.0}, step=step)
        run.finish()
    assert len(memory.runs) == 1
    points = memory.runs["id0"]["points"]
    assert [(p.step, p.value) for p in points if p.key == "loss"] == [
        (step, 1 / (step + 1)) for step in range(6)
    ]
    assert [p.step for p in points if p.key == "new"] == [2, 3, 4, 5]
    assert told == []


def test_a_run_goes_on_by_its_key_without_the_journal(tmp_path, memory) -> None:
    with _recorder(memory, tmp_path / "lost") as recorder:
        recorder.start_run("r", key="K").finish()
    with _recorder(memory, tmp_path / "new") as recorder:
        recorder.start_run("r", key="K")
        recorder.flush(5)
        assert list(memory.runs) == ["id0"]
        assert memory.runs["id0"]["status"] == "RUNNING"


def test_a_param_keeps_its_first_value_and_the_change_is_told(tmp_path, memory) -> None:
    told: list[str] = []
    with _recorder(memory, tmp_path, told) as recorder:
        run = recorder.start_run("r", key="K", params={"epochs": 3})
        recorder.flush(5)
        run.log_params({"epochs": 4, "batch": 128})
    assert memory.runs["id0"]["params"] == {"epochs": "3", "batch": "128"}
    assert told == ["param 'epochs' of run id0 stays '3', not '4'."]


@pytest.mark.parametrize(
    ("error", "status"),
    [(KeyboardInterrupt, "KILLED"), (SystemExit, "KILLED"), (ValueError, "FAILED")],
)
def test_runs_left_open_by_an_error_end_as_killed_or_failed(
    tmp_path, memory, error, status
) -> None:
    recorder = _recorder(memory, tmp_path)
    with pytest.raises(error), recorder:  # noqa: PT012
        parent = recorder.start_run("parent")
        recorder.start_run("done", parent=parent).finish()
        recorder.start_run("open", parent=parent)
        raise error
    assert [run["status"] for run in memory.runs.values()] == [status, "FINISHED", status]


def test_an_artifact_is_what_the_file_held_when_it_was_logged(tmp_path, memory) -> None:
    memory.available = False
    file = tmp_path / "mask.txt"
    file.write_text("first")
    with _recorder(memory, tmp_path / "journal") as recorder:
        run = recorder.start_run("r")
        run.log_file(file, "masks")
        file.write_text("second")
        run.log_file(file, name="later.txt")
        file.unlink()
        memory.available = True
    assert memory.runs["id0"]["artifacts"] == {"masks/mask.txt": "first", "later.txt": "second"}


def test_impossible_artifacts_are_refused_at_once(tmp_path, memory) -> None:
    with _recorder(memory, tmp_path) as recorder:
        run = recorder.start_run("r")
        with pytest.raises(InputError) as caught:
            run.log_file(tmp_path / "absent.csv")
        assert str(caught.value) == f"no file {tmp_path / 'absent.csv'} to log as an artifact."
        with pytest.raises(InputError, match=r"must be a relative path without '\.\.'"):
            run.log_file(tmp_path / "records.jsonl", "../elsewhere")


def test_a_full_disk_ends_the_run_with_one_clear_error(tmp_path, memory, monkeypatch) -> None:
    with _recorder(memory, tmp_path) as recorder:
        run = recorder.start_run("r")
        monkeypatch.setattr(os, "write", lambda file, data: 0)
        with pytest.raises(RunError, match=r"can't be written: .* Free some space on its disk\."):
            run.log_metrics({"loss": 0.5}, step=0)


def test_a_full_disk_is_still_the_error_that_leaves_the_recorder(
    tmp_path, memory, monkeypatch
) -> None:
    with pytest.raises(RunError, match=r"can't be written"):  # noqa: PT012, SIM117
        with _recorder(memory, tmp_path) as recorder:
            run = recorder.start_run("r")
            monkeypatch.setattr(os, "write", lambda file, data: 0)
            run.log_metrics({"loss": 0.5}, step=0)


def test_points_from_many_threads_all_arrive(tmp_path, memory) -> None:
    with _recorder(memory, tmp_path) as recorder:
        run = recorder.start_run("r")

        def log(number: int) -> None:
            for step in range(50):
                run.log_metrics({f"m{number}": step}, step=step)

        threads = [threading.Thread(target=log, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(memory.runs["id0"]["points"]) == 400


def test_an_error_that_nobody_foresaw_is_told_once_by_its_cause_and_the_run_goes_on(
    tmp_path, memory, monkeypatch
) -> None:
    def broken(*args, **named):
        raise AttributeError("no such field at http://joe:hunter2@host")

    told: list[str] = []
    monkeypatch.setattr(memory, "log_batch", broken)
    recorder = _recorder(memory, tmp_path, told)
    run = recorder.start_run("r", key="K")
    run.log_metrics({"loss": 0.5}, step=0)
    fault = "AttributeError: no such field at http://***@host"
    assert recorder.flush(5) == Delivery(0, 1, 0, fault=fault)
    run.log_metrics({"loss": 0.4}, step=1)
    run.finish()
    begin = time.monotonic()
    assert recorder.close(timeout=10) == Delivery(0, 3, 0, fault=fault)
    assert time.monotonic() - begin < 3
    kept = tmp_path / "delivery-fault.txt"
    assert told == [
        f"Uploading to MLflow has stopped because of an unexpected error ({fault}). The run "
        f"continues, its records stay in the journal, and the full error is in {kept}."
    ]
    assert "in broken" in kept.read_text()
    assert "hunter2" not in kept.read_text()
    monkeypatch.undo()
    with _recorder(memory, tmp_path) as recorder:
        assert recorder.flush(5) == Delivery(3, 0, 0)
    assert [point.step for point in memory.runs["id0"]["points"]] == [0, 1]
