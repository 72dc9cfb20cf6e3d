"""Figures drawn by a process of their own, while this one does something else.

Vega holds Python's lock for as long as it draws, so a thread would not do. Nothing depends on
the process: what it did not draw, its parent draws itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
from pathlib import Path

from tfprune.disk import UNREADABLE
from tfprune.errors import TfpruneError

_CODE = "import sys; sys.path[:] = {path!r}; from tfprune.report.drawing import serve; serve()"
_DONE = b"done\n"


class Drawing:
    """A process that has Vega ready, and draws the figures of one run when it is told to.

    It ends with `close`, and with its parent, however that ends. Signals of the terminal do not
    reach it.
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _CODE.format(path=sys.path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip

    def draw(self, data: Path, folder: Path) -> None:
        """Let the figures of a run's report data be drawn into `folder`, as PNG; do not wait."""
        line = json.dumps([os.path.abspath(data), os.path.abspath(folder)])
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended: `is_done` says so
            self._process.stdin.write(line.encode() + b"\n")
            self._process.stdin.flush()

    def is_done(self, *, within: float = 120.0) -> bool:
        """Wait for the figures, so many seconds at most; return whether all of them were drawn."""
        assert self._process.stdout is not None
        said, _, _ = select.select([self._process.stdout], [], [], within)
        return bool(said) and self._process.stdout.readline() == _DONE

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        with self._process:  # closes its pipes, and waits for it
            pass


def start_drawing() -> Drawing | None:
    """Return a process that draws; None where there is one processor only, or no other process."""
    if len(os.sched_getaffinity(0)) < 2 or not sys.executable:
        return None
    try:
        return Drawing()
    except OSError:
        return None


def serve() -> None:
    """Be such a process: make Vega ready, draw what standard input names, say so."""
    from tfprune.report.data import read_data
    from tfprune.report.figures import make_ready, save_figures

    make_ready()
    line = sys.stdin.readline()
    if not line:
        return
    data, folder = json.loads(line)
    with contextlib.suppress(TfpruneError, *UNREADABLE):
        save_figures(folder, read_data(data), formats=("png",))
        sys.stdout.buffer.write(_DONE)
        sys.stdout.buffer.flush()
