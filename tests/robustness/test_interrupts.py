"""How signals end a program, and the writes that they wait for."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref

import pytest

from tfprune.interrupts import Interrupted, finishing_first, interruptible


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_both_signals_raise_where_they_may(number):
    came = []

    def program() -> None:
        with interruptible() as signals:
            try:
                os.kill(os.getpid(), number)
                time.sleep(1)
            finally:
                came.extend(signals)

    with pytest.raises(Interrupted):
        program()
    assert came == [number]


class Referred:
    pass


def drop_a_weak_reference(number: int) -> None:
    """Get a signal inside a callback whose exceptions Python only reports."""
    thing = Referred()
    watched = weakref.ref(thing, lambda _: os.kill(os.getpid(), number))
    del thing
    assert watched() is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_whose_exception_python_drops_comes_again(number, capsys):
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    hook = sys.unraisablehook
    survived = []

    def program() -> None:
        with interruptible():
            drop_a_weak_reference(number)
            survived.append(True)
            time.sleep(10)

    with pytest.raises(Interrupted):
        program()
    assert survived
    assert capsys.readouterr().err == ""
    assert sys.unraisablehook is hook
    after = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)]
    assert after == handlers


def test_a_signal_dropped_within_a_write_acts_after_it():
    done = []

    def program() -> None:
        with interruptible():
            drop_a_weak_reference(signal.SIGINT)
            with finishing_first():
                time.sleep(0.2)
                done.append("to the end")
            done.append("past it")

    with pytest.raises(Interrupted):
        program()
    assert done == ["to the end"]


def test_other_dropped_exceptions_are_reported_as_ever(capsys):
    seen = []
    hook = sys.unraisablehook
    sys.unraisablehook = seen.append
    try:
        with interruptible():
            thing = Referred()
            watched = weakref.ref(thing, lambda _: 1 / 0)
            del thing
            assert watched() is None
    finally:
        sys.unraisablehook = hook
    assert [type(entry.exc_value) for entry in seen] == [ZeroDivisionError]


def test_interrupts_in_other_threads_are_left_alone():
    seen = []

    def work() -> None:
        with interruptible() as came:
            seen.append((signal.getsignal(signal.SIGINT), came))

    before = signal.getsignal(signal.SIGINT)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(before, [])]
