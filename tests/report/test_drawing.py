"""A process of its own draws what this one would have drawn, and ends whatever happens to it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tfprune.report import drawing
from tfprune.report.data import write_data
from tfprune.report.drawing import Drawing, start_drawing
from tfprune.report.figures import save_figures
from tfprune.runs.reporting import Reporter

ENDS_AT_ONCE = "raise SystemExit(1)"
HANGS = "import sys; sys.stdin.readline(); sys.stdin.readline()"
DRAWS_HALF = (
    "import json, pathlib, sys; folder = pathlib.Path(json.loads(sys.stdin.readline())[1]); "
    "folder.mkdir(); (folder / '.accuracy.png.1').write_bytes(b'half')"
)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.slow
def test_its_figures_are_those_of_this_process_byte_for_byte(tmp_path, make_data):
    data = make_data(n_levels=2, n_layers=3)
    write_data(tmp_path / "data.npz", data)
    process = Drawing()
    try:
        process.draw(tmp_path / "data.npz", tmp_path / "theirs")
        save_figures(tmp_path / "ours", data, formats=("png",))
        assert process.is_done()
    finally:
        process.close()
    assert pictures(tmp_path / "theirs") == pictures(tmp_path / "ours")


@pytest.mark.parametrize("code", [ENDS_AT_ONCE, HANGS, DRAWS_HALF])
def test_what_it_did_not_draw_this_process_draws(tmp_path, make_data, monkeypatch, code):
    monkeypatch.setattr(drawing, "_CODE", code)
    monkeypatch.setattr(drawing, "start_drawing", Drawing)
    done = Drawing.is_done
    monkeypatch.setattr(Drawing, "is_done", lambda self: done(self, within=0.2))
    drawn = []
    monkeypatch.setattr("tfprune.report.figures.save_figures", lambda folder, *a, **k: (
        drawn.append(folder), Path(folder).mkdir(), (Path(folder) / "a.png").touch()))  # fmt: skip
    data = make_data(n_levels=1, n_layers=2)
    with Reporter(tmp_path, name="r") as reporter:
        monkeypatch.setattr(reporter, "data", lambda run_id, **facts: data)
        reporter.draw("id")
        process = reporter._drawing._process
        assert reporter.write() == tmp_path / "report.html"
    assert drawn == [tmp_path / "plots"]
    assert list(pictures(tmp_path / "plots")) == ["a.png"]
    assert process.returncode is not None  # it has ended, and was waited for


def test_it_ends_with_the_block_that_an_interrupt_leaves(tmp_path, monkeypatch):
    monkeypatch.setattr(drawing, "_CODE", HANGS)
    reporter = Reporter(tmp_path, name="r")

    def interrupted() -> None:
        with reporter:
            reporter._drawing = Drawing()
            process.append(reporter._drawing._process)
            raise KeyboardInterrupt

    process: list[subprocess.Popen] = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert process[0].returncode == -signal.SIGKILL


def test_it_ends_with_its_parent_however_that_ends(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", "from tfprune.report import drawing\n"
         "drawing._CODE = 'import sys; sys.stdin.readline()'\n"
         "process = drawing.Drawing()._process\nprint(process.pid, flush=True)\ninput()"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    for _ in range(200):
        if (
            not Path(f"/proc/{child}").exists()
            or "Z (" in Path(f"/proc/{child}/status").read_text()
        ):
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        pytest.fail("it outlived its parent")


def test_no_process_is_started_for_one_processor(monkeypatch):
    monkeypatch.setattr(drawing, "_CODE", ENDS_AT_ONCE)
    process = start_drawing()  # the real one, taken before conftest put another in its place
    assert isinstance(process, Drawing)
    process.close()
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    assert start_drawing() is None
