"""Progress on a terminal, in a notebook and in a log, by the events of an experiment."""

from __future__ import annotations

import io
import sys
import types
from itertools import islice
from types import SimpleNamespace

import pytest

import tfprune
from tfprune.experiment.events import (
    STAGES,
    Describing,
    EpochFinished,
    LevelFinished,
    LevelStarted,
    RunFinished,
    RunStarted,
    StageStarted,
    StepsTaken,
)
from tfprune.results import EpochResult, LevelResult
from tfprune.runs import progress as room
from tfprune.runs.progress import Progress, in_notebook, shown


def plan(*, levels: int = 1, n_steps: int = 20):
    config = SimpleNamespace(pruning=SimpleNamespace(levels=levels), seeds=(0,))
    return SimpleNamespace(
        config=config, n_steps=n_steps, steps_per_epoch=10, total_steps=n_steps * (levels + 1)
    )


def level(number: int) -> LevelResult:
    return LevelResult(
        seed=0, level=number, sparsity=0.5 * number, n_weights=10, n_kept=5,
        accuracy_validation=None, accuracy_test=0.75, loss_validation=None, loss_test=1.0, flips=0,
    )  # fmt: skip


def events(clock=lambda seconds: None, *, levels: int = 1):
    """An experiment whose levels train 2 s and are compared for 3 s."""
    yield RunStarted(plan(levels=levels), None)
    for number in range(levels + 1):
        yield LevelStarted(0, number)
        clock(2)
        for epoch in range(2):
            yield StepsTaken(10)
            yield EpochFinished(EpochResult(0, number, epoch, 1.0, 0.5, None, None, 0.1), None)
        clock(3)
        yield LevelFinished(level(number), (), (), None)
    for stage in STAGES:
        yield StageStarted(stage)
    yield RunFinished()


@pytest.fixture
def clock(monkeypatch):
    """A clock that moves when it is told to; returns what moves it."""
    now = [100.0]
    monkeypatch.setattr(room.time, "monotonic", lambda: now[0])

    def move(seconds: float) -> None:
        now[0] += seconds

    return move


def test_a_log_has_one_line_a_level_with_all_the_seconds_that_it_took(clock, capsys):
    bar = Progress()
    for event in events(clock):
        bar(event)
    bar.stop()
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        "seed 0  level 0: sparsity 0.0%, test accuracy 75.0%, 5.0 s\n"
        "seed 0  level 1: sparsity 50.0%, test accuracy 75.0%, 5.0 s\n"
    )


def test_quiet_shows_nothing(capsys):
    bar = Progress(quiet=True)
    for event in events():
        bar(event)
    bar.stop()
    assert capsys.readouterr() == ("", "")


def test_the_layer_that_is_described_is_named(monkeypatch):
    view = Counted()
    monkeypatch.setattr(room, "_view", lambda: view)
    bar = Progress()
    bar(RunStarted(plan(levels=1), None))
    bar(Describing("conv1", "curvature"))
    assert view.said[-1][0] == "curvature of conv1 ..."


class Counted(room._Nothing):
    """A view that keeps the share that is done, and what was said at it."""

    def __init__(self) -> None:
        self.done, self.total, self.said = 0, 0, []

    def start(self, total):
        self.total = total

    def advance(self, n):
        self.done += n

    def say(self, *, where=None, note=None):
        self.said.append((note, self.done / self.total))


def test_the_bar_is_full_when_everything_is_done_and_not_before(monkeypatch):
    view = Counted()
    monkeypatch.setattr(room, "_view", lambda: view)
    bar = Progress()
    for event in events(levels=3):
        bar(event)
    assert view.done == view.total
    at = {note: share for note, share in view.said if note}
    stages = [at[note] for note in STAGES.values()]
    assert stages == sorted(set(stages))
    assert at["comparing ..."] < stages[0] < stages[-1] < 1


def notebook(monkeypatch) -> list[str]:
    """Make this process a kernel, as far as it can be told; return what is displayed."""
    displayed: list[str] = []

    class Handle:
        def update(self, shown):
            displayed.append(shown._repr_html_())

    def display(shown, *, display_id):
        assert display_id
        displayed.append(shown._repr_html_())
        return Handle()

    python = types.ModuleType("IPython")
    python.get_ipython = lambda: SimpleNamespace(kernel=object())
    python.display = types.ModuleType("IPython.display")
    python.display.display = display
    monkeypatch.setitem(sys.modules, "IPython", python)
    monkeypatch.setitem(sys.modules, "IPython.display", python.display)
    return displayed


def test_a_notebook_shows_a_bar_and_keeps_the_lines(monkeypatch, clock, capsys):
    displayed = notebook(monkeypatch)
    bar = Progress()
    for event in events(clock):
        bar(event)
    # 40 steps, 2 for each of two comparisons and three stages: 22 of 50 after the dense level
    assert displayed[0] == (
        '<div><progress value="0" max="50" style="width:40ex"></progress> 0%  start</div>'
    )
    assert any('value="20" max="50"' in part and "level 0/1" in part for part in displayed)
    bar.stop()
    assert displayed[-1] == (
        "<div>seed 0  level 0: sparsity 0.0%, test accuracy 75.0%, 5.0 s</div>"
        "<div>seed 0  level 1: sparsity 50.0%, test accuracy 75.0%, 5.0 s</div>"
    )
    assert capsys.readouterr() == ("", "")


def test_a_notebook_is_not_asked_to_draw_more_than_ten_times_a_second(monkeypatch, clock):
    displayed = notebook(monkeypatch)
    bar = Progress()
    bar(RunStarted(plan(), None))
    for _ in range(1000):
        clock(0.01)
        bar(StepsTaken(0))
    assert 90 <= len(displayed) <= 102


def test_a_notebook_without_a_kernel_is_none(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    python = types.ModuleType("IPython")
    python.get_ipython = lambda: None
    monkeypatch.setitem(sys.modules, "IPython", python)
    assert not in_notebook()


class Screen(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("progress", "screen", "is_shown"),
    [(None, False, False), (None, True, True), (True, False, True), (False, True, False)],
)
def test_progress_is_shown_where_someone_looks_on_or_asks_for_it(
    monkeypatch, progress, screen, is_shown
):
    stream = Screen() if screen else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    heard = []
    with shown(heard.append, progress) as watch:
        for event in events():
            watch(event)
    assert len(heard) == len(list(events()))
    assert ("level 1: sparsity 50.0%" in stream.getvalue()) == is_shown


def test_a_notebook_shows_progress_unasked(monkeypatch):
    displayed = notebook(monkeypatch)
    with shown(lambda event: None, None) as watch:
        for event in events():
            watch(event)
    assert displayed[-1].count("<div>") == 2


def fail_after(n: int) -> None:
    with shown(lambda event: None, True) as watch:
        for event in islice(events(), n):
            watch(event)
        raise RuntimeError


def test_the_bar_goes_when_the_run_fails(monkeypatch):
    displayed = notebook(monkeypatch)
    with pytest.raises(RuntimeError):
        fail_after(3)
    assert "<progress" in displayed[-2]
    assert "<progress" not in displayed[-1]


@pytest.mark.slow
def test_a_run_with_controls_and_floors_fills_the_bar_exactly(monkeypatch, small, tmp_path):
    view = Counted()
    monkeypatch.setattr(room, "_view", lambda: view)
    tfprune.run(
        small, epochs="10it", replicates=2, controls=["random-mask", "same-init"],
        folder=tmp_path, progress=True, tell=lambda message: None,
    )  # fmt: skip
    assert view.done == view.total
