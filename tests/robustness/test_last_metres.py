"""Signals and streams of a real process, up to its very end; a stand-in does the work of a run.

The stand-in begins an MLflow run in a journal whose store never answers, so that its clean-up
takes as long as it may.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfprune.tracking.journal import Journal

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]

STAND_IN = """
import sys, time, types
from pathlib import Path
import click
from tfprune.tracking.recorder import Recorder
from tfprune_cli import main as program

class Silent:
    identity = "silent"
    def find_key(self, key):
        time.sleep(60)

@click.command()
@click.argument("seconds", type=float)
def work(seconds):
    if not seconds:
        click.echo("result")
        return 0
    with Recorder(Silent(), Path("journal"), on_gap=lambda gap: click.echo(gap, err=True)) as it:
        it.start_run("experiment", key="parent")
        it.start_run("level", key="child")
        print("ready", flush=True)
        time.sleep(seconds)

program._COMMANDS["run"] = ("work", "work", "")
sys.modules["tfprune_cli.work"] = types.SimpleNamespace(work=work)
sys.exit(program.main())
"""


def start(folder: Path, *args: str, code: str = STAND_IN, **options) -> subprocess.Popen[str]:
    (folder / "stand_in.py").write_text(code, encoding="utf-8")
    given = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    command = [sys.executable, "stand_in.py", *args]
    return subprocess.Popen(command, cwd=folder, text=True, **given)


def once_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout.readline() == "ready\n", process.stderr.read()


def end(process: subprocess.Popen[str], number: int) -> int:
    """Send a signal until the process has ended; return its status."""
    for _ in range(100):
        process.send_signal(number)
        try:
            return process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            pass
    raise AssertionError("it goes on")


def statuses(folder: Path) -> dict[str, str]:
    """What each run's last record says, after another process could open the journal."""
    Journal(folder / "journal", store="silent").close()
    lines = (folder / "journal" / "records.jsonl").read_text(encoding="utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    return {one["run"]: one.get("status", "RUNNING") for one in records}


@pytest.mark.parametrize(
    "number", [SIGNALS[0], *(pytest.param(n, marks=pytest.mark.slow) for n in SIGNALS[1:])]
)
def test_twenty_signals_in_a_row_cut_no_clean_up_and_hurry_it(tmp_path, number):
    process = start(tmp_path, "run", "60")
    once_ready(process)
    began = time.monotonic()
    for _ in range(20):
        process.send_signal(number)
        time.sleep(0.01)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Interrupted."
    assert time.monotonic() - began < 20  # of the 30 s that the store would be waited for
    assert statuses(tmp_path) == {"parent": "KILLED", "child": "KILLED"}


def test_signals_of_all_kinds_until_the_end_leave_one_message(tmp_path):
    process = start(tmp_path, "run", "60")
    once_ready(process)
    n_sent = 0
    end = time.monotonic() + 60
    while process.poll() is None and time.monotonic() < end:
        process.send_signal(SIGNALS[n_sent % 3])  # SIGQUIT stays the way out of an end that hangs
        n_sent += 1
        time.sleep(0.005)
    _, err = process.communicate(timeout=60)
    assert n_sent > 20
    assert process.returncode == 130
    assert "Traceback" not in err
    assert err.splitlines()[-1] == "Interrupted."
    assert statuses(tmp_path) == {"parent": "KILLED", "child": "KILLED"}


@pytest.mark.parametrize(
    "number", [signal.SIGHUP, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_that_nohup_or_a_shell_has_ignored_stays_ignored(tmp_path, number):
    process = start(tmp_path, "run", "60", preexec_fn=lambda: signal.signal(number, signal.SIG_IGN))
    once_ready(process)
    process.send_signal(number)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(timeout=0.5)
    assert end(process, signal.SIGTERM) == 130
    process.communicate(timeout=60)


@pytest.mark.slow
def test_a_terminal_that_is_gone_costs_neither_status_nor_record(tmp_path):
    """SIGHUP, and from then on every write to stderr fails."""
    process = start(tmp_path, "run", "60")
    once_ready(process)
    process.stderr.close()
    process.stdout.close()
    assert end(process, signal.SIGHUP) == 130
    assert statuses(tmp_path) == {"parent": "KILLED", "child": "KILLED"}


def test_a_finished_run_whose_result_can_t_be_printed_is_finished(tmp_path):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = start(tmp_path, "run", "0", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 0
    assert err == (
        "Error: can't write to stdout: No space left on device. The results are kept: "
        "see them with 'tfprune ui'.\n"
    )


def test_a_listing_that_can_t_be_printed_is_an_error(tmp_path):
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        process = start(tmp_path, "models", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert err == "Error: can't write to stdout: No space left on device.\n"


@pytest.mark.parametrize("arguments", [("run", "0"), ("models",)])
def test_a_reader_that_has_read_enough_is_no_error(tmp_path, arguments):
    reading, writing = os.pipe()
    os.close(reading)
    process = start(tmp_path, *arguments, stdout=writing)
    os.close(writing)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("closed", "arguments", "status"),
    [((1,), ("run", "0"), 0), ((2,), ("rnu",), 2), ((0, 1, 2), ("run", "0"), 0)],
)
def test_streams_that_are_closed_change_no_status(tmp_path, closed, arguments, status):
    process = start(
        tmp_path, *arguments, preexec_fn=lambda: [os.close(descriptor) for descriptor in closed]
    )
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "Traceback" not in err


def test_no_file_gets_the_number_of_a_stream_that_is_closed(tmp_path):
    """Else what TensorFlow writes to stderr would go into MLflow's database."""
    instead = 'Path("number").write_text(str(open("stand_in.py").fileno()))'
    process = start(
        tmp_path,
        *("run", "0"),
        code=STAND_IN.replace('click.echo("result")', instead),
        preexec_fn=lambda: [os.close(descriptor) for descriptor in (0, 1, 2)],
    )
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert int((tmp_path / "number").read_text(encoding="utf-8")) > 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_letter_that_a_stream_lacks_is_written_as_an_escape(tmp_path, encoding):
    code = STAND_IN.replace(
        'click.echo("result")', 'print("→ \\udcff"); print("→", file=sys.stderr)'
    )
    process = start(
        tmp_path, "run", "0", code=code, env={**os.environ, "PYTHONIOENCODING": encoding}
    )
    out, err = process.communicate(timeout=60)
    arrow = "→" if encoding == "utf-8" else "\\u2192"
    assert (process.returncode, out, err) == (0, f"{arrow} \\udcff\n", f"{arrow}\n")
