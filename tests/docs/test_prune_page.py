"""The how-to page for one network: its blocks and its command run in turn."""

from __future__ import annotations

import re

import numpy as np
import pytest

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^    (tfprune prune .*)$", re.MULTILINE)


# Keras says it of itself while it saves
@pytest.mark.filterwarnings("ignore:__array__ implementation doesn't:DeprecationWarning")
@pytest.mark.slow
def test_the_page_runs_as_it_stands(root, tmp_path, monkeypatch, capsys):
    from tfprune_cli.main import main

    monkeypatch.chdir(tmp_path)
    page = (root / "docs" / "how-to" / "prune-one.md").read_text(encoding="utf-8")
    names: dict[str, object] = {}
    for number, block in enumerate(BLOCK.findall(page)):
        exec(compile(block, f"block {number} of prune-one.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "PruneResult, evaluated on validation:" in shown
    assert names["kept"].shape == (3, 3, 16, 24)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "smaller.keras"]

    (command,) = COMMAND.findall(page)
    assert main(command.split()[1:]) == 0
    said = capsys.readouterr()
    assert "sparsity     90.00%" in said.out
    assert "Level 5 of 5" in said.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras", "smaller.keras"]
    import keras

    read = keras.models.load_model("smaller.keras")
    kernels = [layer.kernel.numpy() for layer in read.layers if hasattr(layer, "kernel")]
    share = np.mean(np.concatenate([kernel.ravel() == 0 for kernel in kernels]))
    assert share == pytest.approx(0.9, abs=1e-3)
