"""Writes that Ctrl-C and SIGTERM wait for."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def finishing_first() -> Iterator[None]:
    """Hold SIGINT and SIGTERM back until the block is done; then they act as they would have.

    For blocks that take moments: a write in hand is finished, not cut. Signals reach the main
    thread only, so in any other thread, and inside another such block, nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    held: list[int] = []
    done = False

    def hold(signum: int, frame: FrameType | None) -> None:
        handler = before[signal.Signals(signum)]
        if not done:
            held.append(signum)
        elif callable(handler):  # it came between the end of the block and its removal
            handler(signum, frame)

    # a handler set by code outside Python reads as None and can't be put back: let it be
    ours = [number for number, handler in before.items() if handler is not None]
    for number in ours:
        signal.signal(number, hold)
    try:
        yield
    finally:
        done = True
        for number in ours:
            signal.signal(number, before[number])
        if held:
            signal.raise_signal(held[0])
