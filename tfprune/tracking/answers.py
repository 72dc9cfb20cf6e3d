"""What an answer of an MLflow server may cost and must look like, as a hook of its session.

MLflow's time limit is for a single read: a server that sends a byte a second, or no end of them,
would hold a command for ever. Here each answer is read as it comes, up to so many seconds and
bytes, and one that no MLflow server gives is told as that. Its head, and the body of an error that
is tried again, which libraries read by themselves, end with the connection after that time.
"""

from __future__ import annotations

import contextlib
import functools
import json
import socket
import threading
import time
from typing import Any

MAX_SECONDS = 60.0
MAX_BYTES = 256 << 20  # a page of a thousand runs has some twenty megabytes
_BLOCK = 1 << 16
_SHOWN = 80


class DeniedError(Exception):
    """The server does not accept the credentials, or has not got any."""


class ForeignError(Exception):
    """What answered is not an MLflow server."""


class EndlessError(Exception):
    """An answer was not complete after the time that one may take."""


def bounded(session: Any) -> Any:
    """Return a session of `requests` whose answers are read within bounds."""
    if check_answer not in session.hooks["response"]:
        session.hooks["response"].append(check_answer)
        for adapter in session.adapters.values():
            adapter.poolmanager.pool_classes_by_scheme = _pools()
    return session


@functools.cache
def _pools() -> dict[str, Any]:
    """Return urllib3's pools by scheme, with connections that shut when an answer takes long."""
    from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

    def shutting(pool: Any) -> Any:
        class Connection(pool.ConnectionCls):
            watch: threading.Timer | None = None

            def getresponse(self) -> Any:
                if self.watch is not None:
                    self.watch.cancel()
                found: list[Any] = []
                self.watch = threading.Timer(MAX_SECONDS, _shut, (self.sock, found))
                self.watch.daemon = True
                self.watch.start()
                response = super().getresponse()
                found.append(response)
                if response.status < 400:  # its body is read by the hook, or streamed
                    self.watch.cancel()
                return response

        return type(pool.__name__, (pool,), {"ConnectionCls": Connection})

    return {"http": shutting(HTTPConnectionPool), "https": shutting(HTTPSConnectionPool)}


def _shut(connection: socket.socket, found: list[Any]) -> None:
    """End a connection whose answer is not complete; whoever reads from it gets an error."""
    if not (found and found[0].closed):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(connection, socket.SHUT_RDWR)


def check_answer(response: Any, *_: Any, **options: Any) -> None:
    """Read an answer, unless it is streamed as files are; raises one of the errors above."""
    if options.get("stream"):
        return
    read = getattr(response.raw, "read1", None)
    if read is not None and not response._content_consumed:
        response._content = _content(response, read)
        response._content_consumed = True
    if response.status_code in (401, 403):
        raise DeniedError(f"{response.status_code} {response.reason}{_message(response)}")
    _check_kind(response)


def _content(response: Any, read: Any) -> bytes:
    content, begin = bytearray(), time.monotonic()
    while block := read(_BLOCK, decode_content=True):
        content += block
        if len(content) > MAX_BYTES:
            response.close()
            raise ForeignError(f"its answer has more than {MAX_BYTES >> 20} MB")
        if time.monotonic() - begin > MAX_SECONDS:
            response.close()
            raise EndlessError(f"its answer was not complete after {MAX_SECONDS:.0f} s")
    return bytes(content)


def _check_kind(response: Any) -> None:
    """Raise ForeignError for what is not JSON's `{...}` where an MLflow server sends that."""
    address, begin = str(response.url), response.content.lstrip()[:_SHOWN]
    if begin.startswith(b"{") or "/api/2.0/mlflow/" not in address:
        return
    # MLflow takes these for an empty answer
    if response.status_code == 200 and response.content.strip() not in (b"", b"200 OK"):
        raise ForeignError(f"it answers with {_shown(begin)}")
    if response.status_code == 404 and "/experiments/get-by-name" in address:
        raise ForeignError(f"it knows no experiments ({_shown(begin) or '404'})")


def _shown(begin: bytes) -> str:
    return repr(begin.decode("ascii", errors="replace").replace("\ufffd", "?"))


def _message(response: Any) -> str:
    try:
        text = json.loads(response.content)["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {text}"
