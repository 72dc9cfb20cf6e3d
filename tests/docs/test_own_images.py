"""The page on images of one's own runs as it stands."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

STEP = re.compile(
    r"^```python\n# (?P<file>\w+\.py)\n(?P<code>.*?)^```$|^ {4}(?P<line>tfprune run [^\n]*)$",
    re.MULTILINE | re.DOTALL,
)
PREPARED = "~/tensorflow_datasets"


@pytest.fixture(scope="module")
def steps(root):
    """Scripts and command lines of the page, in order."""
    text = (root / "docs/how-to/own-images.md").read_text(encoding="utf-8")
    return [(match["file"], match["code"], match["line"]) for match in STEP.finditer(text)]


def test_every_form_has_an_example(steps):
    lines = " ".join(line for _, _, line in steps if line)
    for form in ("--dataset ./mine ", "--test-fraction", ".csv", ".npz", PREPARED, "my_data:load",
                 "--stream"):  # fmt: skip
        assert form in lines
    assert any("train=" in (code or "") for _, code, _ in steps)


def test_every_script_of_the_page_is_python(steps):
    scripts = [(file, code) for file, code, _ in steps if file]
    assert len(scripts) == 5
    for file, code in scripts:
        compile(code, file, "exec")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_page_runs_from_top_to_bottom(steps, tmp_path, monkeypatch, capsys):
    from tfprune_cli.main import main

    monkeypatch.chdir(tmp_path)
    for file, code, line in steps:
        if file is not None:
            Path(file).write_text(code, encoding="utf-8")
            if file != "my_data.py":  # is imported by the command that follows
                runpy.run_path(file)
        elif PREPARED not in line:  # needs what TFDS prepared; tests/data reads such a folder
            assert main(shlex.split(line)[1:]) == 0, (line, capsys.readouterr().err)
    assert len(list(Path().glob("mlruns/runs/*/report.html"))) == 7
