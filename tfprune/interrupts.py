"""Ctrl-C, SIGTERM and the like: how they end a program, and the writes that they wait for."""

from __future__ import annotations

import contextlib
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

#: of the keyboard (Ctrl-C, Ctrl-\\), of schedulers, and of a terminal that was closed
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
_AGAIN_AFTER = 0.02  # seconds; long enough to be out of the callback that dropped the exception


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, SIGTERM, SIGHUP or SIGQUIT.

    A class of its own: where a plain KeyboardInterrupt passes an `exec`, as imports run many,
    Python ends by SIGINT whatever status the program returns after catching it.
    """


class Signals(list[int]):
    """The signals that came so far; once they `are_over`, none interrupts any more."""

    are_over = False


@contextlib.contextmanager
def interruptible(*, to_the_end: bool = False) -> Iterator[Signals]:
    """Have signals that end a program raise `Interrupted` within the block; yields those that came.

    While the block cleans up after the first, others change nothing: however many come, they cut
    no clean-up short. One that was swallowed on its way out interrupts again when it comes again.
    With `to_the_end` the process ends after the block, and they are ignored from then on, but for
    SIGQUIT, should the end not come.

    A signal may come while Python runs a callback whose exceptions it drops, such as that of a
    weak reference or a finalizer. Such an exception shows up in `sys.unraisablehook` only; the
    signal is then sent once more, a moment later. Signals reach the main thread only, so in any
    other thread nothing changes. One that is ignored, as SIGHUP is under `nohup`, stays so.
    """
    came = Signals()
    if threading.current_thread() is not threading.main_thread():
        yield came
        return

    def interrupt(signum: int, frame: FrameType | None) -> None:
        came.append(signum)
        if not came.are_over and not _is_cleaning_up():
            raise Interrupted

    def send_again(signum: int, frame: FrameType | None) -> None:
        signal.raise_signal(came[-1])

    def report(unraisable: Any) -> None:
        if not isinstance(unraisable.exc_value, Interrupted):
            hook(unraisable)
        else:
            before.setdefault(signal.SIGALRM, signal.signal(signal.SIGALRM, send_again))
            signal.setitimer(signal.ITIMER_REAL, _AGAIN_AFTER)

    usual = (signal.SIG_DFL, signal.default_int_handler)
    before: dict[int, Any] = {
        number: signal.signal(number, interrupt)
        for number in _SIGNALS
        if signal.getsignal(number) in usual
    }
    hook = sys.unraisablehook
    sys.unraisablehook = report
    try:
        yield came
    finally:
        sys.unraisablehook = hook
        if signal.SIGALRM in before:
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            is_ignored = to_the_end and number not in (signal.SIGQUIT, signal.SIGALRM)
            signal.signal(number, signal.SIG_IGN if is_ignored else handler)


def _is_cleaning_up() -> bool:
    """Whether what runs now runs because of an interrupt: in a `finally`, an `except`, a `with`."""
    error: BaseException | None = sys.exc_info()[1]
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, KeyboardInterrupt):
            return True
        seen.add(id(error))
        error = error.__context__
    return False


@contextlib.contextmanager
def cleaning_up(hurry: Callable[[], None], *, is_ending: bool) -> Iterator[None]:
    """Let no signal cut the block short: each calls `hurry`, which must only note that it came.

    Where an error or an interrupt is ending the caller (`is_ending`), that is all they do, but for
    those whose default ends the process; else they act after the block. In any other thread
    nothing happens.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    held: list[int] = []

    def note(signum: int, frame: FrameType | None) -> None:
        hurry()
        if not is_ending or before[signal.Signals(signum)] is signal.SIG_DFL:
            held.append(signum)

    ours = [n for n, handler in before.items() if handler not in (None, signal.SIG_IGN)]
    for number in ours:
        signal.signal(number, note)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, before[number])
        if held:
            signal.raise_signal(held[0])


@contextlib.contextmanager
def finishing_first() -> Iterator[None]:
    """Hold signals that end a program back until the block is done; then they act as ever.

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
