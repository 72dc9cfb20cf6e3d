from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tfprune.errors import InputError
from tfprune.tracking import open_store, resolve_store
from tfprune.tracking.server import runs_page, serve_ui, server_command


def test_the_server_is_light_local_and_keeps_its_checks(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE", "true")
    monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "*")
    command = server_command(resolve_store(folder=tmp_path), 5001)
    assert command.arguments[1:] == (
        "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", "5001", "--workers", "1",
        "--default-artifact-root", f"{tmp_path}/mlruns/artifacts",
    )  # fmt: skip
    assert command.environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] == "false"
    assert command.environment["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert "MLFLOW_SERVER_DISABLE_SECURITY_MIDDLEWARE" not in command.environment
    assert "MLFLOW_SERVER_ALLOWED_HOSTS" not in command.environment


def test_a_password_does_not_show_in_the_arguments(tmp_path: Path) -> None:
    command = server_command(resolve_store("postgresql://me:secret@db/mlflow"), 5001)
    assert "secret" not in " ".join(command.arguments)
    assert command.environment["MLFLOW_BACKEND_STORE_URI"] == "postgresql://me:secret@db/mlflow"


def test_a_store_that_is_a_server_only_has_its_address_said() -> None:
    said: list[str] = []
    assert serve_ui(resolve_store("http://127.0.0.1:9/"), on_ready=said.append) == 0
    assert said == ["http://127.0.0.1:9/#/experiments?workflowType=machine_learning"]


def test_the_address_is_that_of_the_experiments_runs(project: Path) -> None:
    store = open_store(resolve_store(folder=project))
    page = runs_page(resolve_store(folder=project))
    number = store._client.experiment_id
    assert page == f"/#/experiments/{number}/runs?workflowType=machine_learning"
    other = runs_page(resolve_store(experiment="nobody's", folder=project))
    assert other == "/#/experiments?workflowType=machine_learning"


def test_a_taken_port_is_refused(project: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError) as caught:
            serve_ui(resolve_store(folder=project), port=port, on_ready=print)
    assert str(caught.value) == (
        f"port {port} can't be used: Address already in use. "
        "Give another --port, or --port 0 for any free one."
    )
    with pytest.raises(InputError) as caught:
        serve_ui(resolve_store(folder=project), port=70000, on_ready=print)
    assert str(caught.value) == "port 70000: expected 0 (any free one) to 65535."


def test_without_a_store_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Run 'tfprune run' first"):
        serve_ui(resolve_store(folder=tmp_path), on_ready=print)
    assert list(tmp_path.iterdir()) == []


def _servers_below(pid: int) -> list[int]:
    """The process ids of what descends from `pid` and runs mlflow."""
    listed = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(None, 2) for line in listed.stdout.splitlines()]
    found = [pid]
    for parent in found:
        found += [int(row[0]) for row in rows if int(row[1]) == parent]
    return [int(row[0]) for row in rows if int(row[0]) in found[1:] and "mlflow" in row[2]]


@pytest.mark.slow
def test_the_real_server_shows_the_store_and_ends_on_a_signal(project: Path) -> None:
    seen: dict[str, object] = {}

    def look(page: str) -> None:
        address = page.partition("/#")[0]
        with urllib.request.urlopen(
            f"{address}/api/2.0/mlflow/experiments/search?max_results=5", timeout=30
        ) as answer:
            seen["experiments"] = [e["name"] for e in json.load(answer)["experiments"]]
        foreign = urllib.request.Request(f"{address}/", headers={"Host": "evil.example"})
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(foreign, timeout=30)
        seen["foreign"] = caught.value.code
        caught.value.close()
        seen["processes"] = _servers_below(os.getpid())
        threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()

    before = set(_listing(project))
    assert serve_ui(resolve_store(folder=project), port=0, on_ready=look) == 0
    assert seen["experiments"] == ["tfprune", "Default"]
    assert seen["foreign"] == 403
    assert seen["processes"]  # how many the server takes is MLflow's affair
    ends = time.monotonic() + 20
    while any(map(_runs, seen["processes"])) and time.monotonic() < ends:
        time.sleep(0.05)  # one that another process has started ends by itself, a little later
    assert not any(map(_runs, seen["processes"]))
    assert set(_listing(project)) == before


def _runs(pid: int) -> bool:
    """Whether a process is there that has not ended: one that nobody has waited for has."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def _listing(folder: Path) -> list[str]:
    return [str(path) for path in folder.rglob("*")]
