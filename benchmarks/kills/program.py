"""`tfprune` as a program of its own that counts its writes, and dies in the middle of the n-th.

    python program.py run --levels 2 ...

With KILL_AT_WRITE=n in the environment it kills itself (-9) at its n-th call of os.write,
os.fsync or os.replace: a write stops half-way, the others just before or just after they happen.
With COUNT_WRITES_TO=FILE it writes the number of calls there when it ends.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

_LOCK = threading.RLock()
_count = 0


def _watched(call: Callable[..., Any], last: int | None) -> Callable[..., Any]:
    def watching(*args: Any, **named: Any) -> Any:
        global _count
        with _LOCK:
            _count += 1
            if _count != last:
                return call(*args, **named)
            if call.__name__ == "write":
                file, data = args
                call(file, bytes(data)[: len(data) // 2])
            elif last % 2:
                call(*args, **named)
            os.kill(os.getpid(), signal.SIGKILL)
            raise AssertionError("not reached")

    return watching


def main() -> int:
    last = os.environ.pop("KILL_AT_WRITE", None)
    count_to = os.environ.pop("COUNT_WRITES_TO", None)
    for name in ("write", "fsync", "replace"):
        setattr(os, name, _watched(getattr(os, name), int(last) if last else None))
    from tfprune_cli.main import main as tfprune

    status = tfprune(sys.argv[1:])
    if count_to:
        with open(count_to, "w", encoding="utf-8") as file:
            file.write(str(_count))
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
