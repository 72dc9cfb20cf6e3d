"""Ctrl-C and SIGTERM: how they end a program, and the writes that they wait for."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_AGAIN_AFTER = 0.02  # seconds; long enough to be out of the callback that dropped the exception


class Interrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM.

    A class of its own: where a plain KeyboardInterrupt passes an `exec`, as imports run many,
    Python ends by SIGINT whatever status the program returns after catching it.
    """


@contextlib.contextmanager
def interruptible() -> Iterator[list[int]]:
    """Have SIGTERM and Ctrl-C raise `Interrupted` within the block; yields the signals that came.

    A signal may come while Python runs a callback whose exceptions it drops, such as that of a
    weak reference or a finalizer. Such an exception shows up in `sys.unraisablehook` only; the
    signal is then sent once more, a moment later. Signals reach the main thread only, so in any
    other thread nothing changes. A SIGINT that is ignored, as by `nohup`, stays so.
    """
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        came.append(signum)
        raise Interrupted

    def send_again(signum: int, frame: FrameType | None) -> None:
        signal.raise_signal(came[-1])

    def report(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Interrupted):
            hook(unraisable)
        else:
            before.setdefault(signal.SIGALRM, signal.signal(signal.SIGALRM, send_again))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_AFTER)

    before: dict[int, Any] = {signal.SIGTERM: signal.signal(signal.SIGTERM, interrupt)}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, interrupt)
    hook = sys.unraisablehook
    sys.unraisablehook = report
    try:
        yield came
    finally:
        sys.unraisablehook = hook
        if signal.SIGALRM in before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


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
