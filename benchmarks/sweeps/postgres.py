"""A PostgreSQL server for as long as a block: in a temporary folder, on 127.0.0.1, with a password.

It is Debian's (`apt-get install postgresql`), or whichever `initdb` and `postgres` are found. They
refuse to run as root, so a root user lends them to `postgres`, or `nobody`.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_PLACES = "/usr/lib/postgresql"  # Debian keeps the server's programs here, by version
_WAIT = 60.0  # seconds that a start or a stop may take


def programs() -> Path | None:
    """Return the folder that holds `initdb` and `postgres`, the newest; None without one."""
    found = shutil.which("postgres")
    if found is not None and shutil.which("initdb") is not None:
        return Path(found).parent
    there = [path.parent for path in Path(_PLACES).glob("*/bin/postgres")]
    there = [path for path in there if (path / "initdb").exists()]
    return max(there, key=lambda path: float(path.parent.name), default=None)


class Postgres:
    """A server that can be stopped and started again; `uri` names its database with the password.

    Its unix socket lies in its folder, so that it meets no other server.
    """

    def __init__(self, bin_folder: Path, folder: Path, identity: dict[str, Any]) -> None:
        self._bin, self._folder, self._identity = bin_folder, folder, identity
        self._process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_hex(8)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.uri = f"postgresql://tfprune:{self.password}@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        """Make the server's files: connections need the password."""
        given = self._folder / "password"
        given.write_text(self.password, encoding="utf-8")
        given.chmod(0o644)  # the folder itself lets nobody else in
        self._run(
            "initdb", "--pgdata", "data", "--username", "tfprune", "--pwfile", str(given),
            "--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale",
        )  # fmt: skip

    def _run(self, program: str, *words: str) -> None:
        done = subprocess.run(
            [self._bin / program, *words], capture_output=True, text=True, timeout=_WAIT,
            **self._identity,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{program} failed: {done.stderr.strip()}")

    def start(self) -> None:
        """Start the server; it takes connections when this returns."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._bin / "postgres", "-D", "data", "-p", str(self.port), "-k", self._folder,
                 "-c", "listen_addresses=127.0.0.1"],
                stdout=log, stderr=log, **self._identity,
            )  # fmt: skip
        ready = self._folder / "data" / "postmaster.pid"
        until = time.monotonic() + _WAIT
        while time.monotonic() < until and self._process.poll() is None:
            with contextlib.suppress(OSError):
                if ready.read_text(encoding="utf-8").splitlines()[7:8] == ["ready   "]:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"postgres did not start: {(self._folder / 'log').read_text()}")

    def stop(self) -> None:
        """Stop the server, breaking off its connections."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGINT)  # a "fast" shutdown
        try:
            process.wait(_WAIT)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGQUIT)  # an "immediate" one: its children end too
            process.wait(_WAIT)

    def cpu_seconds(self) -> float:
        """Return the processor seconds of the server's processes, those that have ended too."""
        import psutil

        assert self._process is not None
        main = psutil.Process(self._process.pid)
        total = 0.0
        with contextlib.suppress(psutil.NoSuchProcess):  # one may end while it is looked at
            for one in main.children():
                times = one.cpu_times()
                total += times.user + times.system
        times = main.cpu_times()
        return float(
            total + times.user + times.system + times.children_user + times.children_system
        )

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Return the rows of a query, asked without MLflow."""
        import psycopg

        with psycopg.connect(self.uri) as connection:
            return connection.execute(sql.encode()).fetchall()


@contextlib.contextmanager
def postgres() -> Iterator[Postgres]:
    """Yield a running server; raises RuntimeError where PostgreSQL is not installed."""
    found = programs()
    if found is None:
        raise RuntimeError("PostgreSQL's server is not installed: apt-get install postgresql")
    with tempfile.TemporaryDirectory(prefix="tfprune-postgres-") as name:
        folder = Path(name)
        identity: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:
            user = _other_user()
            os.chown(folder, user.pw_uid, user.pw_gid)
            identity |= {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        server = Postgres(found, folder, identity)
        try:
            server.create()
            server.start()
            yield server
        finally:
            server.stop()


def _other_user() -> pwd.struct_passwd:
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL does not run as root, and there is no user nobody.")
