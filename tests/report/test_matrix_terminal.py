"""The matrix of a comparison on the terminal."""

from __future__ import annotations

import io
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from tfprune.report.matrix import print_matrices
from tfprune.results.descriptions import QUANTITIES, DescriptionResult


def test_the_null_stands_beside_each_value_on_the_terminal():
    score = SimpleNamespace(null=0.06, warnings=())
    result = SimpleNamespace(
        a="a", b="b", layers_a=("conv1",), layers_b=("conv2",), layout="mean", n_images=9,
        values={"cka": np.array([[0.84]])}, scores={("conv1", "conv2", "cka"): score},
        attribution=(), described_a=(), described_b=(),
    )  # fmt: skip
    console = Console(record=True, width=80, file=io.StringIO())
    print_matrices(result, console)
    text = console.export_text()
    assert "0.84 (0.06)" in text
    assert "in brackets: the value for unrelated layers of this size" in text


def test_layers_that_lack_a_quantity_leave_its_cell_empty():
    """Vectors have no detectors; each kind of description is a table of its own."""

    def row(layer, name, value, low=None, high=None):
        return DescriptionResult(0, 0, int(layer[-1]), layer, name, value, low, high, 9)

    rows = (
        row("conv1", "curvature-rms", None), row("conv1", "detectors", 3.0),
        row("conv1", "class-auc", 0.7), row("dense2", "curvature-rms", 2.0, 1.0, 3.0),
        row("dense2", "class-auc", 0.9),
    )  # fmt: skip
    result = SimpleNamespace(
        a="dense", b="b", layers_a=(), layers_b=(), layout="mean", n_images=9, values={},
        scores={}, attribution=(), described_a=rows, described_b=(), same_places=(),
    )  # fmt: skip
    console = Console(record=True, width=80, file=io.StringIO())
    print_matrices(result, console)
    lines = [line.split() for line in console.export_text().splitlines()]
    assert ["Layers", "of", "dense:", "curvature"] in lines
    assert ["conv1", "-"] in lines
    assert ["dense2", "2", "(1", "to", "3)"] in lines
    assert ["layer", "detectors", "class-auc"] in lines
    assert ["conv1", "3", "0.7"] in lines
    assert ["dense2", "0.9"] in lines


def described(kinds, *, scale=1.0, dead=()):
    """What two layers are like, as a run has it: only maps have detectors, some have no value."""
    return tuple(
        DescriptionResult(
            0, 0, index, layer, one.name,
            None if (layer, one.kind) in dead else scale * (index + 1), None, None, 20,
            f"why {layer} has no {one.kind}" if (layer, one.kind) in dead else "",
            0.25 if one.name in ("class-auc", "curvature-steps-rms") else None,
        )
        for index, layer in enumerate(("conv1", "dense1"))
        for one in QUANTITIES
        if one.kind in kinds and (layer == "conv1" or not one.name.startswith("detectors"))
    )  # fmt: skip


def printed(a, b, width=200):
    result = SimpleNamespace(
        a="a", b="b", layers_a=("conv1", "dense1"), layers_b=("conv1", "dense1"), layout="mean",
        n_images=9, values={}, scores={}, attribution=(), described_a=a, described_b=b,
        same_places=(("conv1", "conv1"), ("dense1", "dense1")),
    )  # fmt: skip
    console = Console(record=True, width=width, file=io.StringIO())
    print_matrices(result, console)
    return console.export_text()


KINDS = ("dimension", "curvature", "curvature-steps", "dissection")


@pytest.mark.parametrize("kinds", [c for n in (1, 2, 3) for c in combinations(KINDS, n)])
def test_every_combination_of_descriptions_is_printed_whatever_layers_have(kinds):
    text = printed(described(kinds), described(kinds, scale=2.0), width=80)
    assert "…" not in text
    n_tables = len(kinds) + ("dissection" in kinds)  # of four columns at most
    assert text.count("dense1") == 1 + 2 * n_tables  # a line in each, values or not
    text = " ".join(text.split())
    words = text.split()
    for one in QUANTITIES:
        if one.kind in kinds:
            assert one.name.removeprefix(f"{one.kind}-") in words
    assert ("over 2 layers" in text) == (kinds != ("dissection",))
    assert ("by chance: with the images' classes" in text) == ("dissection" in kinds)
    assert ("by chance: with the fit's residuals" in text) == ("curvature-steps" in kinds)
    assert "detectors 1" not in text  # no distance between counts


def test_what_has_no_value_is_said_once_and_has_no_distance():
    kinds = ("dimension", "curvature")
    dead = {("dense1", "curvature")}
    text = printed(described(kinds), described(kinds, scale=2.0, dead=dead))
    assert text.count("why dense1 has no curvature") == 1
    assert "no value of dense1 (curvature): why dense1 has no curvature" in text
    assert "distance of the two over 2 layers: dimension-twonn 2.24, dimension-mle 2.24" in text
    assert (
        "no distance over layers of curvature-mapc, curvature-rms, curvature-sectional, "
        "curvature-scalar: a layer has a value in one of the two alone"
    ) in text
    both = printed(described(kinds, dead=dead), described(kinds, scale=2.0, dead=dead))
    assert "over 1 layer: curvature-mapc 1, " in both
    assert printed((), described(("dimension",))).count("Layers of b") == 1
