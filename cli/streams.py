"""stdin, stdout and stderr of the program: open whatever it was started with, never an error.

A run that has trained for days must not end by what becomes of its output: a terminal that was
closed, a reader that has read enough, a disk that is full. What can't be written is dropped, and
`unwritten` says so at the end.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, TextIO


class Careful(io.FileIO):
    """A file descriptor whose writes never fail; `error` is the first that did, else None."""

    error: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write as much as goes; after an error nothing any more, as if it were written."""
        if self.error is None:
            try:
                return super().write(data) or 0
            except OSError as error:
                self.error = error
        return memoryview(data).nbytes


def open_streams() -> None:
    """Give the process all three streams, and careful ones to write to.

    A descriptor that was closed (`2>&-`) leads nowhere from here on. Left closed, its number
    would go to the next file opened, such as MLflow's database, and the messages of TensorFlow
    with it. Letters that a stream's encoding lacks are written as escapes.
    """
    for descriptor in (0, 1, 2):
        if not _is_open(descriptor):  # and the lowest number that is free
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdout = _careful(1, sys.stdout)
    sys.stderr = _careful(2, sys.stderr)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True


def _careful(descriptor: int, given: TextIO | None) -> TextIO:
    """Return a stream like the one given that writes to a descriptor without failing."""
    if given is not None:
        with contextlib.suppress(OSError, ValueError):
            given.flush()
    encoding = given.encoding if given is not None else "utf-8"
    is_shown_at_once = descriptor == 2 or (given is not None and given.isatty())
    return io.TextIOWrapper(
        io.BufferedWriter(Careful(descriptor, "wb", closefd=False)),
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=is_shown_at_once,
    )


def unwritten() -> OSError | None:
    """Return why stdout did not take all that was printed, None where it did."""
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    if not isinstance(raw, Careful):
        return None
    sys.stdout.flush()
    return raw.error
