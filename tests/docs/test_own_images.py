"""The page on images of one's own runs as it stands."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
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
def test_the_page_runs_from_top_to_bottom(steps, tmp_path, monkeypatch):
    for file, code, line in steps:
        if file is not None:
            (tmp_path / file).write_text(code, encoding="utf-8")
            command = [sys.executable, file]
        elif PREPARED in line:
            continue  # needs what TFDS prepared; tests/data reads such a folder
        else:
            command = [sys.executable, "-m", "tfprune_cli.main", *shlex.split(line)[1:]]
        if file == "my_data.py":
            continue
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, (command, done.stderr[-2000:])
    assert len(list(Path(tmp_path).glob("mlruns/runs/*/report.html"))) == 7
