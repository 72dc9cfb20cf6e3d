"""MLflow's UI on the store in use: a light server on this machine, started and ended cleanly.

By default `mlflow server` starts four workers, a job runner and seven consumers (2.5 GB); here it
is one worker. It listens on 127.0.0.1 only and keeps MLflow's checks of the Host and Origin
headers, which stop web pages from reaching into it.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tfprune.errors import InputError, RunError
from tfprune.tracking.errors import RejectedError, UnavailableError
from tfprune.tracking.local import prepare, require_database
from tfprune.tracking.location import StoreLocation

HOST = "127.0.0.1"
DEFAULT_PORT = 5000

_START_SECONDS = 90.0
_END_SECONDS = 10.0


@dataclass(frozen=True)
class ServerCommand:
    """How to start the server: arguments and environment, of which the latter holds the URI.

    The URI may hold a password, and any user of the machine can read a process's arguments.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str]


def server_command(location: StoreLocation, port: int) -> ServerCommand:
    """Return how to start MLflow's server for a store on this machine, as two processes."""
    arguments = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)]
    arguments += ["--workers", "1"]
    if location.artifact_root is not None:
        arguments += ["--default-artifact-root", str(location.artifact_root)]
    environment = {
        name: value
        for name, value in os.environ.items()
        # what a shell may have left set must not open the server to others
        if not name.startswith(("MLFLOW_SERVER_", "MLFLOW_TRACKING_", "_MLFLOW_SERVER_"))
    }
    environment |= {
        "MLFLOW_BACKEND_STORE_URI": location.uri,
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return ServerCommand(tuple(arguments), environment)


def serve_ui(
    location: StoreLocation,
    *,
    port: int = DEFAULT_PORT,
    on_ready: Callable[[str], None],
    log: Path | None = None,
) -> int:
    """Serve MLflow's UI until SIGINT or SIGTERM; return 0 for such an end.

    `on_ready` is called with the address of the page that shows the experiment's runs once the
    server answers; port 0 takes a free one. What the server prints goes to the file `log`, or
    nowhere. Where the store is a server already, the address is all there is to say, and the call
    returns at once.

    Raises InputError when the port is taken or there is no store yet, RunError when the server
    ends by itself or does not answer within 90 s.
    """
    if location.is_server:
        on_ready(location.shown.rstrip("/") + runs_page(location))
        return 0
    require_database(location)
    prepare(location)
    port = _free_port(port)
    command = server_command(location, port)
    address = f"http://{HOST}:{port}"
    with contextlib.ExitStack() as stack:
        ending = stack.enter_context(_end_signals())
        sink = stack.enter_context((log or Path(os.devnull)).open("wb"))
        folder = location.database.parent if location.database is not None else None
        server = subprocess.Popen(
            command.arguments,
            env=command.environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # a Ctrl-C in the terminal reaches us, and we end the server
        )
        stack.callback(_end, server)
        page = runs_page(location)
        if _wait_until_it_answers(server, address, ending, log):
            on_ready(address + page)
        while not ending.wait(0.2):
            if server.poll() is not None:
                raise RunError(_ended_by_itself(server, log))
    return 0


def runs_page(location: StoreLocation) -> str:
    """Return what follows MLflow's address where its page shows the runs of the experiment.

    MLflow opens a fresh browser in another mode, and this says which: one of experiments and
    their runs. Where the store does not say which number the experiment has, it is the page of
    all experiments.
    """
    from tfprune.tracking.client import MlflowClient

    try:
        client = MlflowClient(location.uri)
        problem = client.open_experiment(location.experiment, create=False)
    except (UnavailableError, RejectedError):
        problem = "unknown"
    where = "" if problem else f"/{client.experiment_id}/runs"
    return f"/#/experiments{where}?workflowType=machine_learning"


def _free_port(port: int) -> int:
    """Return the port if it can be had, a free one for 0; raise InputError if it is taken."""
    if not 0 <= port <= 65535:
        raise InputError(f"port {port}: expected 0 (any free one) to 65535.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(
                f"port {port} can't be used: {error.strerror}. "
                "Give another --port, or --port 0 for any free one."
            ) from error
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def _end_signals() -> Iterator[threading.Event]:
    """Yield an event that SIGINT and SIGTERM set; the earlier handlers come back afterwards."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    earlier = {
        number: signal.signal(number, lambda *_: event.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield event
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)


def _wait_until_it_answers(
    server: subprocess.Popen[bytes], address: str, ending: threading.Event, log: Path | None
) -> bool:
    """Return True once the server answers, False when it was told to end before."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if ending.is_set():
            return False
        if server.poll() is not None:
            raise RunError(_ended_by_itself(server, log))
        with contextlib.suppress(OSError), opener.open(f"{address}/health", timeout=5) as answer:
            if answer.status == 200:
                return True
        ending.wait(0.2)
    raise RunError(f"MLflow's server did not answer on {address} within {_START_SECONDS:.0f} s.")


def _ended_by_itself(server: subprocess.Popen[bytes], log: Path | None) -> str:
    where = f"; its output is in {log}" if log is not None else ""
    return f"MLflow's server stopped with status {server.returncode}{where}."


def _end(server: subprocess.Popen[bytes]) -> None:
    """End the server and its worker: asked first, made to after ten seconds."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(_END_SECONDS)
            return
