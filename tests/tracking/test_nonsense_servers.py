"""Servers that are none of MLflow's, refuse access, or never end: each is said for what it is."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tfprune.errors import InputError
from tfprune.tracking import answers, open_store, resolve_store
from tfprune.tracking.client import import_mlflow


class Handler(BaseHTTPRequestHandler):
    """Answers by what the path begins with: `ANSWERS`, a byte at a time, or without an end."""

    def _reply(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        mode = self.path.split("/")[1]
        status, body = ANSWERS.get(mode, (500 if mode == "error-drip" else 200, b""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) or 1 << 32))
        try:
            if mode == "head-drip":
                self.flush_headers()
                self.wfile.write(b"X-Endless: ")
            else:
                self.end_headers()
            self.wfile.write(body)
            while not body:
                self.wfile.write(b" " if mode.endswith("drip") else b" " * (1 << 16))
                if mode.endswith("drip"):
                    time.sleep(0.02)
        except OSError:  # the client has had enough
            pass

    do_GET = do_POST = do_PATCH = _reply  # noqa: N815

    def log_message(self, *arguments: object) -> None:
        pass


FOREIGN = "Correct --tracking-uri (or MLFLOW_TRACKING_URI): something else is at that address."
LOGIN = (
    "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, to what "
    "it accepts."
)
ANSWERS = {
    "hello": (200, b"hello\x1b[2J"),
    "list": (200, b"[]"),
    "null": (200, b"null"),
    "binary": (200, b"\x00\xff\xfe\x1b]0;"),
    "empty": (200, b"{}"),
    "wrong": (200, b'{"experiment": {"experiment_id": {}, "name": 5, "lifecycle_stage": []}}'),
    "half": (200, b'{"experiment": {"exp'),
    "page": (404, b"<html>nginx</html>"),
    "401": (401, b'{"error_code": "X", "message": "no such user"}'),
    "403": (403, b"go away"),
    "500": (500, b"oops"),
}
SAID = {
    "hello": (r"is not an MLflow server: it answers with 'hello\x1b[2J'. ", FOREIGN),
    "list": ("is not an MLflow server: it answers with '[]'. ", FOREIGN),
    "null": ("is not an MLflow server: it answers with 'null'. ", FOREIGN),
    "binary": (r"is not an MLflow server: it answers with '\x00??\x1b]0;'. ", FOREIGN),
    "empty": ("is not an MLflow server: it answers with an experiment that has no name. ", FOREIGN),
    "wrong": ("is not an MLflow server: its answer can't be read (", FOREIGN),
    "half": ("is not an MLflow server: ", FOREIGN),
    "page": ("is not an MLflow server: it knows no experiments ('<html>nginx</html>'). ", FOREIGN),
    "401": ("refuses access: 401 Unauthorized: no such user. ", LOGIN),
    "403": ("refuses access: 403 Forbidden. ", LOGIN),
    "500": ("reports an error of its own: ", "or leave both out to use the folder mlruns/ here."),
    "drip": ("does not respond: ", "or leave both out to use the folder mlruns/ here."),
    "head-drip": ("does not respond: ", "or leave both out to use the folder mlruns/ here."),
    "error-drip": ("does not respond: ", "or leave both out to use the folder mlruns/ here."),
    "big": ("is not an MLflow server: its answer has more than 1 MB. ", FOREIGN),
}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    import_mlflow()  # it takes seconds
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("mode", SAID)
def test_each_kind_of_answer_is_told_with_its_cause_and_its_remedy(address, mode, monkeypatch):
    retries = "1" if mode == "error-drip" else "0"
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", retries)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    monkeypatch.setattr(answers, "MAX_SECONDS", 0.2)
    monkeypatch.setattr(answers, "MAX_BYTES", 1 << 20)
    begin = time.monotonic()
    said, remedy = SAID[mode]
    for create in (True, False):
        with pytest.raises(InputError) as caught:
            open_store(resolve_store(f"{address}/{mode}"), create=create)
        told = str(caught.value)
        assert told.startswith(f"the MLflow store {address}/{mode} {said}")
        assert told.endswith(remedy)
        assert told.isprintable()
    assert time.monotonic() - begin < 5


def test_an_answer_that_does_not_end_says_how_long_was_waited(address, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setattr(answers, "MAX_SECONDS", 0.3)
    with pytest.raises(InputError, match="its answer was not complete after 0 s"):
        open_store(resolve_store(f"{address}/drip"))


DRIVERS = {
    "postgresql+psycopg2://h/db": ("psycopg2", "pip install psycopg2-binary"),
    "postgresql+psycopg://h/db": ("psycopg", "pip install 'psycopg[binary]'"),
    "mysql://h/db": ("MySQLdb", "pip install mysqlclient"),
    "mysql+pymysql://h/db": ("pymysql", "pip install pymysql"),
}


@pytest.mark.parametrize("uri", DRIVERS)
def test_a_database_whose_driver_is_missing_says_what_to_install(uri, monkeypatch):
    module, install = DRIVERS[uri]
    monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(uri))
    assert str(caught.value) == (
        f"the MLflow store {uri} needs the package {module}, which is not installed. Install it "
        f"with: {install}"
    )


@pytest.mark.parametrize("uri", ["nonsense://host/db", "postgresql+nonsense://host/db"])
def test_a_store_of_no_kind_that_there_is_says_which_there_are(uri):
    with pytest.raises(InputError) as caught:
        open_store(resolve_store(uri))
    assert str(caught.value).startswith(
        f"the MLflow store {uri} is of a kind that MLflow does not know: "
    )
    assert str(caught.value).endswith(
        "Give http://HOST:PORT for a server or sqlite:///FILE for a database."
    )
