"""The how-to page for Python: its blocks run in turn, and show what its sentences say."""

from __future__ import annotations

import re

import pytest

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.slow
def test_the_blocks_of_the_page_run_in_turn(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = BLOCK.findall((root / "docs" / "how-to" / "python.md").read_text(encoding="utf-8"))
    assert len(blocks) == 8
    names: dict[str, object] = {}
    for number, block in enumerate(blocks):
        exec(compile(block, f"block {number} of python.md", "exec"), names)
    shown = capsys.readouterr().out
    assert shown.startswith(
        "FinishedRun 'mine': 1 seed, 3 levels, 3 compared layers, measures svcca"
    )
    assert "unknown measure 'cka'; did you mean 'svcca'? Known: svcca." in shown
    assert (tmp_path / "mine" / "depth.pdf").read_bytes().startswith(b"%PDF")
    assert len((tmp_path / "mine" / "levels.csv").read_text().splitlines()) == 4
