"""Writes that signals wait for."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from tfprune.interrupts import finishing_first


def interrupt_within(done: list[str]) -> None:
    with finishing_first():
        os.kill(os.getpid(), signal.SIGINT)
        done.append("to the end")


def test_a_signal_acts_after_the_block_and_not_within():
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupt_within(done)
    assert done == ["to the end"]


def test_handlers_are_what_they_were():
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    with finishing_first():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_error_in_the_block_is_not_hidden():
    with pytest.raises(ZeroDivisionError), finishing_first():
        raise ZeroDivisionError


def test_the_outermost_block_is_waited_for():
    done = []

    def nested() -> None:
        with finishing_first():
            interrupt_within(done)
            done.append("outer too")

    with pytest.raises(KeyboardInterrupt):
        nested()
    assert done == ["to the end", "outer too"]


def test_other_threads_are_left_alone():
    seen = []

    def work() -> None:
        with finishing_first():
            seen.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [before]
