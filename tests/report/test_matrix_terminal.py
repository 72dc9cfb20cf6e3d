"""The matrix of a comparison on the terminal."""

from __future__ import annotations

import io
from types import SimpleNamespace

import numpy as np
from rich.console import Console

from tfprune.report.matrix import print_matrices


def test_the_null_stands_beside_each_value_on_the_terminal():
    score = SimpleNamespace(null=0.06, warnings=())
    result = SimpleNamespace(
        a="a", b="b", layers_a=("conv1",), layers_b=("conv2",), layout="mean", n_images=9,
        values={"cka": np.array([[0.84]])}, scores={("conv1", "conv2", "cka"): score},
        attribution=(),
    )  # fmt: skip
    console = Console(record=True, width=80, file=io.StringIO())
    print_matrices(result, console)
    text = console.export_text()
    assert "0.84 (0.06)" in text
    assert "in brackets: what unrelated layers of this size would show" in text
