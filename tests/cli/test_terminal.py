"""What a run shows in a terminal of 80 columns: progress while it goes on, tables at its end."""

from __future__ import annotations

import io
import re
from itertools import pairwise

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

CONTROL = re.compile(r"\x1b\[(\??\d*(?:;\d+)*)([A-Za-z])|[\r\n]")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
PAGE = """<!doctype html><meta charset="utf-8"><title>{title}</title>
<style>
html {{ background: #16191d; }}
pre {{ margin: 0; padding: 20px; width: 80ch; font: 15px/1.35 "DejaVu Sans Mono", monospace;
color: #e6e6e6; }}
</style>
<pre>{text}</pre>"""


def screen(sent: str) -> list[str]:
    """The lines that a terminal shows in the end, with their colours.

    It knows what rich makes use of: lines written, cleared and gone back to.
    """
    lines, row, at = [""], 0, 0
    for control in CONTROL.finditer(sent):
        lines[row] += sent[at : control.start()]
        at = control.end()
        number, kind = control[1], control[2]
        if control[0] == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif kind == "m":
            lines[row] += control[0]
        elif kind == "A":
            row -= int(number or 1)
        elif kind == "K":
            lines[row] = ""
        else:  # back to the line's beginning, where rich clears it; the cursor shown or hidden
            assert control[0] == "\r" or number == "?25", repr(control[0])
    lines[row] += sent[at:]
    return lines


def plain(lines: list[str]) -> list[str]:
    return [COLOUR.sub("", line) for line in lines]


def until_last(sent: str, text: str) -> str:
    """What was sent until a line with a text was cleared for the last time."""
    at = [frame.start() for frame in re.finditer(r"\r\x1b\[2K", sent)]
    ends = [b for a, b in pairwise(at) if text in COLOUR.sub("", sent[a:b])]
    return sent[: ends[-1]]


def shoot(browser, tmp_path, lines: list[str], name: str) -> None:
    """Keep the lines as a picture, in a terminal's colours."""
    from rich.console import Console
    from rich.terminal_theme import MONOKAI
    from rich.text import Text

    console = Console(record=True, width=100, file=io.StringIO())
    for line in lines:
        console.print(Text.from_ansi(line), soft_wrap=True)
    text = console.export_html(theme=MONOKAI, inline_styles=True, code_format="{code}")
    page = tmp_path / f"{name}.html"
    page.write_text(PAGE.format(title=name, text=text), encoding="utf-8")
    browser.look(width=860, height=600)
    browser.open(page.as_uri())
    browser.shoot(name)


def test_the_end_is_tables_that_fit_into_80_columns(real_run, browser, tmp_path):
    lines = screen(real_run.sent)
    shown = plain(lines)
    assert max(len(line) for line in shown) <= 80
    start = shown.index("digits (2 replicates)")
    table = [line.split() for line in shown[start + 1 : start + 7]]
    assert table[0] == ["level", "sparsity", "val.", "test", "conv1", "conv2", "dense1"]
    assert [row[:2] for row in table[2:]] == [
        ["0", "0.0%"], ["1", "20.0%"], ["2", "36.0%"], ["3", "48.8%"],
    ]  # fmt: skip
    depth = next(line for line in shown if line.startswith("svcca over depth"))
    assert re.match(r"svcca over depth, level 3: [▁▂▃▄▅▆▇█]{3}  other seed: [▁▂▃▄▅▆▇█]{3}$", depth)
    assert shown[-2] == "next    tfprune ui"
    shoot(browser, tmp_path, lines, "terminal-end")


def test_nothing_of_the_bar_is_left_but_a_line_for_each_level(real_run):
    shown = plain(screen(real_run.sent))
    start = shown.index("digits (2 replicates)")
    levels = [f"seed {seed}  level {level}" for seed in (0, 1) for level in range(4)]
    assert [line.split(":")[0] for line in shown[:start]] == [*levels, ""]


def test_the_bar_shows_level_epoch_accuracy_and_the_time_left(real_run, browser, tmp_path):
    lines = screen(until_last(real_run.sent, "seed 1  level 2/3"))
    shown = plain(lines)
    bar = shown[-1]
    assert re.match(r"seed 1  level 2/3 ━+[╸╺]?━* +\d+% 0:\d\d:\d\d ", bar), bar
    assert len(bar.rstrip()) <= 80
    shoot(browser, tmp_path, lines, "terminal-progress")
    epochs = plain(screen(until_last(real_run.sent, "epoch 3: train")))
    assert re.search(r"epoch 3: train \d+\.\d%, validation \d+\.\d%$", epochs[-1])
    for note in ("comparing ...", "random-mask: test ", "writing the networks ..."):
        assert note in "".join(plain([real_run.sent]))
