"""SIGTERM, SIGINT and SIGKILL sent to real processes."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest

from .conftest import ROOT, SMALL_RUN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def statuses(folder) -> dict[str, str]:
    with closing(sqlite3.connect(folder / "mlruns" / "mlflow.db")) as database:
        return dict(database.execute("SELECT name, status FROM runs"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_marks_the_runs_killed_and_loses_nothing(
    tmp_path, program, once_training, same_as_whole, number
):
    process = program.start(tmp_path, *SMALL_RUN)
    key = once_training(tmp_path, process)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert "Traceback" not in err
    assert f"tfprune resume {key}" in err
    assert err.splitlines()[-1] == "Interrupted."
    assert "KILLED" in statuses(tmp_path).values()
    assert "RUNNING" not in statuses(tmp_path).values()
    status, _, err = program(tmp_path, "resume", key, "--json")
    assert status == 0, err
    same_as_whole(tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("seconds", [1.0, 2.0, 4.0, 6.0])
def test_a_signal_during_start_up_ends_at_once_and_leaves_no_half_made_store(
    tmp_path, program, number, seconds
):
    # of so many epochs that no machine is through with it before the signal comes
    process = program.start(tmp_path, *SMALL_RUN, "--epochs", "4000")
    time.sleep(seconds)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Interrupted."
    if (tmp_path / "mlruns" / "mlflow.db").exists():
        assert "RUNNING" not in statuses(tmp_path).values()


def test_twenty_interrupts_in_a_row_lose_nothing(tmp_path, program, once_training, same_as_whole):
    process = program.start(tmp_path, *SMALL_RUN)
    key = once_training(tmp_path, process)
    for _ in range(20):
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert f"tfprune resume {key}" in err
    status, _, err = program(tmp_path, "resume", key, "--json")
    assert status == 0, err
    same_as_whole(tmp_path)


def test_a_killed_run_is_marked_killed_by_sync_and_finished_by_resume(
    tmp_path, program, once_training, same_as_whole
):
    process = program.start(tmp_path, *SMALL_RUN)
    key = once_training(tmp_path, process)
    process.kill()
    process.communicate(timeout=120)
    status, out, err = program(tmp_path, "sync", key)
    assert (status, err) == (0, "")
    assert ", left 0, refused 0" in out
    assert "KILLED" in statuses(tmp_path).values()
    assert "RUNNING" not in statuses(tmp_path).values()
    status, _, err = program(tmp_path, "resume", key, "--json")
    assert status == 0, err
    same_as_whole(tmp_path)


@pytest.mark.parametrize("stdout", ["full", "closed"])
def test_a_whole_run_whose_result_can_t_be_printed_exits_as_finished(
    tmp_path, program, same_as_whole, stdout
):
    """With stderr closed as well, whose number no file of the run must get."""
    shell = 'exec "$0" "$@" >/dev/full' if stdout == "full" else 'exec "$0" "$@" >&- 2>&-'
    status, out, err = program(tmp_path, *SMALL_RUN, prefix=("sh", "-c", shell))
    assert (status, out) == (0, "")
    assert "Traceback" not in err
    if stdout == "full":
        assert err.splitlines()[-1].startswith("Error: can't write to stdout: No space left")
    same_as_whole(tmp_path)


def test_killed_runs_resumed_equal_the_uninterrupted_one():
    # python -m benchmarks.kills --kills 50 is the long one
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.kills", "--kills", "4", "--seed", "11"],
        cwd=ROOT, capture_output=True, text=True, timeout=1500,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1] == "4 of 4 identical"
