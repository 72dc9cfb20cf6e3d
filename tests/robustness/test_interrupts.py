"""How signals end a program, and the writes that they wait for."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import weakref

import pytest

from tfprune.interrupts import Interrupted, cleaning_up, finishing_first, interruptible

SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT]


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
    before = [signal.getsignal(number) for number in SIGNALS]
    with finishing_first():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in SIGNALS] == before


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


@pytest.mark.parametrize("number", SIGNALS)
def test_every_signal_raises_where_they_may(number):
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


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_whose_exception_python_drops_comes_again(number, capsys):
    handlers = [signal.getsignal(n) for n in (*SIGNALS, signal.SIGALRM)]
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
    after = [signal.getsignal(n) for n in (*SIGNALS, signal.SIGALRM)]
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


@pytest.mark.parametrize("number", SIGNALS)
def test_signals_after_the_first_cut_no_clean_up(number):
    done = []

    def program() -> None:
        with interruptible():
            try:
                os.kill(os.getpid(), number)
                time.sleep(1)
            finally:
                for _ in range(20):
                    os.kill(os.getpid(), number)
                    done.append("on")

    with pytest.raises(Interrupted):
        program()
    assert len(done) == 20


def test_clean_up_is_known_below_other_errors_and_in_generators():
    done = []

    def cleans():
        try:
            yield
        finally:
            try:
                raise OSError
            except OSError:
                os.kill(os.getpid(), signal.SIGTERM)
            done.append("on")

    def program() -> None:
        with interruptible():
            block = cleans()
            next(block)
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            except KeyboardInterrupt as error:
                block.throw(error)

    with pytest.raises(Interrupted):
        program()
    assert done == ["on"]


def test_an_interrupt_that_was_swallowed_comes_again_with_the_next_signal():
    survived = []

    def program() -> None:
        with interruptible():
            try:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(1)
            except BaseException:
                survived.append(True)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(1)
            survived.append(False)

    with pytest.raises(Interrupted):
        program()
    assert survived == [True]


@pytest.mark.parametrize("number", SIGNALS)
def test_an_ignored_signal_stays_ignored(number):
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with interruptible() as came:
            os.kill(os.getpid(), number)
            assert signal.getsignal(number) is signal.SIG_IGN
        assert came == []
    finally:
        signal.signal(number, before)


def test_what_is_over_is_interrupted_no_more_and_signals_are_ignored_to_the_end():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    try:
        with interruptible(to_the_end=True) as came:
            came.are_over = True
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert came == [signal.SIGTERM]
        kept = [signal.getsignal(number) for number in SIGNALS[:3]]
        assert kept == [signal.SIG_IGN] * 3
        assert signal.getsignal(signal.SIGQUIT) is before[signal.SIGQUIT]
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def interrupted_while_cleaning_up(hurried: list[str], *, is_ending: bool) -> None:
    with interruptible(), cleaning_up(lambda: hurried.append("hurry"), is_ending=is_ending):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGTERM)
        hurried.append("to the end")


def test_a_signal_hurries_a_clean_up_and_is_done_with():
    hurried = []
    interrupted_while_cleaning_up(hurried, is_ending=True)
    assert hurried == ["hurry", "hurry", "to the end"]


def test_a_signal_hurries_what_ends_in_peace_and_acts_after_it():
    hurried = []
    with pytest.raises(Interrupted):
        interrupted_while_cleaning_up(hurried, is_ending=False)
    assert hurried == ["hurry", "hurry", "to the end"]
