"""The real MLflow client against a server that fails: a small stand-in speaks its REST API."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tfprune.errors import InputError
from tfprune.tracking import open_store, resolve_store, sender


class Server(ThreadingHTTPServer):
    """Keeps what it is sent; answers `status` to everything while that is not 200."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status = 200
        self.n_requests = 0
        self.runs: dict[str, dict] = {}
        self.points: list[dict] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, path: str, sent: dict) -> dict:
        call = path.rpartition("mlflow/")[2]
        experiment = {"experiment_id": "7", "name": "tfprune", "lifecycle_stage": "active"}
        if call == "experiments/get-by-name":
            return {"experiment": experiment}
        if call == "runs/search":
            key = sent["filter"].split("'")[1]
            return {"runs": [r for r in self.runs.values() if _tag(r, "tfprune.key") == key]}
        if call == "runs/create":
            run_id = f"{len(self.runs):032x}"
            info = {"run_id": run_id, "run_uuid": run_id, "experiment_id": "7",
                    "status": "RUNNING", "lifecycle_stage": "active",
                    "run_name": sent["run_name"], "start_time": sent["start_time"]}  # fmt: skip
            self.runs[run_id] = {"info": info, "data": {"tags": sent["tags"]}}
            return {"run": self.runs[run_id]}
        if call == "runs/update":
            self.runs[sent["run_id"]]["info"]["status"] = sent["status"]
            return {"run_info": self.runs[sent["run_id"]]["info"]}
        if call == "runs/log-batch":
            self.points += sent.get("metrics", [])
            return {}
        raise AssertionError(f"unexpected call {path}")


def _tag(run: dict, key: str) -> str | None:
    return next((t["value"] for t in run["data"]["tags"] if t["key"] == key), None)


class Handler(BaseHTTPRequestHandler):
    server: Server

    def _reply(self) -> None:
        self.server.n_requests += 1
        length = int(self.headers.get("Content-Length", 0))
        sent = json.loads(self.rfile.read(length) or b"{}")
        if self.server.status == 200:
            body = json.dumps(self.server.answer(urlsplit(self.path).path, sent)).encode()
        else:
            body = b"internal error"
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PATCH = _reply  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setattr(sender, "QUICK_RETRIES", (0.05, 0.05))
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_server_that_answers_500_for_a_while_gets_every_point_once_and_in_order(
    server: Server, tmp_path: Path
) -> None:
    told: list[str] = []
    store = open_store(resolve_store(server.address))
    with store.record(tmp_path, on_gap=told.append) as recorder:
        parent = recorder.start_run("parent", key="P")
        parent.log_metrics({"loss": 0.5}, step=0)
        assert recorder.flush().left == 0
        server.status = 500
        begin = time.monotonic()
        child = recorder.start_run("child", key="C", parent=parent)
        for step in range(50):
            child.log_metrics({"loss": 0.25}, step=step)
        assert time.monotonic() - begin < 0.5
        assert recorder.flush(20).left == 51
        server.status = 200
        assert recorder.flush(20).left == 0
        child.finish()
    assert [point["step"] for point in server.points] == [0, *range(50)]
    names = [run["info"]["run_name"] for run in server.runs.values()]
    assert names == ["parent", "child"]
    ids = list(server.runs)
    assert _tag(server.runs[ids[1]], "mlflow.parentRunId") == ids[0]
    assert server.runs[ids[1]]["info"]["status"] == "FINISHED"
    assert len(told) == 2
    assert told[0].startswith("MLflow is not accepting records at the moment (")
    assert told[1] == "MLflow is accepting records again; the waiting records are being uploaded."


def test_a_server_that_is_not_there_is_refused_before_training(server: Server) -> None:
    address = "http://user:secret@127.0.0.1:9"
    begin = time.monotonic()
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(address))
    assert time.monotonic() - begin < 10
    assert str(caught.value).startswith(
        "the MLflow store http://***@127.0.0.1:9 does not respond: "
    )
    assert str(caught.value).endswith(
        "Start it, correct --tracking-uri (or MLFLOW_TRACKING_URI), or leave both out to use the "
        "folder mlruns/ here."
    )
    assert caught.value.exit_status == 2


def test_a_server_that_answers_500_is_refused_before_training(server: Server) -> None:
    server.status = 500
    with pytest.raises(InputError, match="reports an error of its own: "):
        open_store(resolve_store(server.address))
