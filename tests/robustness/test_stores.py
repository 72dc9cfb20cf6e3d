"""MLflow that is down, broken, locked or full while real runs go on."""

from __future__ import annotations

import contextlib
import http.client
import shutil
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tfprune.tracking import open_store, resolve_store

from .conftest import SMALL_RUN

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


class Between(ThreadingHTTPServer):
    """Stands between a run and MLflow's server: `mode` is pass, 500, or down (no answer).

    It goes down by itself after `passes` calls, where that is a number.
    """

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.behind = port
        self.mode = "pass"
        self.passes: int | None = None

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Between

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.server.passes is not None:
            self.server.passes -= 1
            if self.server.passes < 0:
                self.server.mode = "down"
        if self.server.mode == "down":
            self.connection.close()
            return
        if self.server.mode == "500":
            self.send_error(500)
            return
        headers = {"Content-Type": "application/json"}
        with closing(http.client.HTTPConnection("127.0.0.1", self.server.behind)) as behind:
            behind.request(self.command, self.path, body, headers)
            answer = behind.getresponse()
            content = answer.read()
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_DELETE = _pass_on  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def between(tmp_path, program) -> Iterator[Between]:
    """MLflow's own server on the store of the folder, and what stands in front of it."""
    open_store(resolve_store(folder=tmp_path))
    server = program.start(tmp_path, "ui", "--port", "0", "--no-browser")
    address = server.stdout.readline().partition("/#")[0]
    front = Between(int(address.rpartition(":")[2]))
    threading.Thread(target=front.serve_forever, daemon=True).start()
    yield front
    front.shutdown()
    front.server_close()
    server.terminate()
    server.communicate(timeout=60)


def test_a_server_that_goes_down_in_the_middle_costs_nothing(
    tmp_path, program, between, once_training, same_as_whole
):
    process = program.start(tmp_path, *SMALL_RUN, "--tracking-uri", between.address)
    key = once_training(tmp_path, process)
    between.mode = "down"
    _, err = process.communicate(timeout=400)
    assert process.returncode == 1, err
    told = " ".join(err.split())
    assert told.count("MLflow is not accepting records at the moment") == 1
    assert f"Upload them with: tfprune sync {key}" in told
    status, _, err = program(tmp_path, "sync", key)  # still down
    assert (status, "does not respond" in err) == (2, True)
    between.mode = "pass"
    status, out, err = program(tmp_path, "sync", key)
    assert status == 0, err
    assert "left 0, refused 0" in out
    assert program(tmp_path, "sync", key)[1] == "uploaded 0, left 0, refused 0\n"
    same_as_whole(tmp_path)


def test_a_server_that_answers_500_for_a_while_costs_nothing(
    tmp_path, program, between, once_training, same_as_whole
):
    process = program.start(tmp_path, *SMALL_RUN, "--tracking-uri", between.address)
    once_training(tmp_path, process)
    between.mode = "500"
    time.sleep(6)
    between.mode = "pass"
    _, err = process.communicate(timeout=400)
    assert process.returncode == 0, err
    same_as_whole(tmp_path)


def test_a_store_locked_for_a_minute_by_another_process_costs_nothing(
    tmp_path, program, once_training, same_as_whole
):
    process = program.start(tmp_path, *SMALL_RUN)
    key = once_training(tmp_path, process)
    with closing(sqlite3.connect(tmp_path / "mlruns" / "mlflow.db", timeout=60)) as other:
        other.isolation_level = None
        other.execute("BEGIN EXCLUSIVE")
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(60)
        other.execute("ROLLBACK")
    _, err = process.communicate(timeout=400)
    if process.returncode == 1:  # it was done within the minute
        assert f"tfprune sync {key}" in " ".join(err.split())
        assert program(tmp_path, "sync", key)[0] == 0
    else:
        assert process.returncode == 0, err
    same_as_whole(tmp_path)


def test_a_lost_database_is_filled_anew_from_the_folder_of_the_run(
    tmp_path, program, whole, kills_contents
):
    (home,) = (whole[1] / "mlruns" / "runs").iterdir()
    shutil.copytree(home, tmp_path / "mlruns" / "runs" / home.name)
    status, out, err = program(tmp_path, "report", home.name)
    told = " ".join(err.split())
    assert (status, out) == (2, "")
    command = told[told.index("tfprune sync") :].split()[1:]
    for _ in range(2):
        status, out, err = program(tmp_path, *command)
        assert (status, err) == (0, "")
        assert out.endswith(", left 0, refused 0\n")
        contents, wrong = kills_contents.read_contents(tmp_path)
        differing = kills_contents.differences(whole[0], contents)
        # the report was written with MLflow's id of the run, and a new store gives another one
        named = {line for line in wrong + differing if "report" in line}
        assert set(wrong + differing) == named
        assert {line.rpartition("/")[2].rpartition(" ")[2] for line in named} == {
            "report.html", "report-data.npz"}  # fmt: skip
    assert program(tmp_path, "report", home.name)[0] == 0
    (store_id,) = [run.id for run in open_store(resolve_store(folder=tmp_path)).search_runs()
                   if run.key == home.name]  # fmt: skip
    assert store_id in (tmp_path / "report.html").read_text()


def test_a_comparison_that_a_server_does_not_take_is_delivered_later(
    tmp_path, program, between, keras
):
    for name in ("a.keras", "b.keras"):
        keras.Sequential(
            [
                keras.layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 1), name="conv"),
                keras.layers.Flatten(),
                keras.layers.Dense(10, name="out"),
            ]
        ).save(tmp_path / name)
    between.passes = 1  # the experiment is found, and no more
    arguments = ("compare", "a.keras", "b.keras", "--dataset", "digits")
    status, out, err = program(tmp_path, *arguments, "--tracking-uri", between.address)
    assert status == 1, err
    (folder,) = (tmp_path / "mlruns" / "runs").iterdir()
    assert f"run     {folder.name}  (not in MLflow yet)" in out
    assert f"Upload them with: tfprune sync {folder.name}" in " ".join(err.split())
    between.mode, between.passes = "pass", None
    status, out, err = program(tmp_path, "sync", folder.name)
    assert (status, "left 0, refused 0" in out) == (0, True), err
    store = open_store(resolve_store(folder=tmp_path))
    (run,) = store.search_runs()
    assert (run.key, run.status, run.kind) == (folder.name, "FINISHED", "comparison")
    assert store.metric_history(run.id, "profile/cka")
    assert "similarity.csv" in store.list_artifacts(run.id)


@pytest.fixture
def small_disk(tmp_path) -> Iterator:
    """A file system of a few megabytes, and a call that makes it larger."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def mount(options: str) -> bool:
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True
        )
        return done.returncode == 0

    if not shutil.which("mount") or not mount("size=100m"):
        pytest.skip("mounting a small file system needs root's rights")
    yield folder, lambda size: mount(f"remount,size={size}")
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("size", ["1400k", "1800k", "2300k"])
def test_a_full_disk_is_told_and_the_run_goes_on_once_there_is_room(
    small_disk, program, same_as_whole, size
):
    folder, resize = small_disk
    assert resize(size)
    status, _, err = program(folder, *SMALL_RUN)
    assert status == 1, err
    assert "Traceback" not in err
    assert "No space left on device" in err
    (key,) = [path.parent.name for path in folder.glob("mlruns/runs/*/run.json")]
    assert f"tfprune resume {key}" in err
    assert resize("100m")
    status, _, err = program(folder, "resume", key, "--json")
    assert status == 0, err
    same_as_whole(folder)
