"""Every fact that a run can log is declared, once, with all that a reader needs."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from tfprune.report.facts import FACTS, fact_named, markdown
from tfprune.report.page.page import render
from tfprune.training.connectivity import Line, line_between

FOLDER = Path(__file__).parents[2] / "tfprune" / "experiment"
SOURCES = (FOLDER / "facts.py", FOLDER / "level.py")


HOLES = {"of": ("dense", "seed"), "ending": ("", "_recalibrated")}  # in names made from parts


def emitted() -> set[str]:
    """Names of facts as the code that takes them writes them: keys of mappings, and assignments."""
    names = set()
    trees = (ast.parse(source.read_text(encoding="utf-8")) for source in SOURCES)
    for node in itertools.chain.from_iterable(map(ast.walk, trees)):
        keys = node.keys if isinstance(node, ast.Dict) else []
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
            keys = [node.slice]
        for key in keys:
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                names.add(key.value)
            elif isinstance(key, ast.JoinedStr):
                holes = [part for part in key.values if isinstance(part, ast.FormattedValue)]
                choices = [HOLES[ast.unparse(hole.value)] for hole in holes]
                for chosen in itertools.product(*choices):
                    filling = iter(chosen)
                    names.add(
                        "".join(
                            part.value if isinstance(part, ast.Constant) else next(filling)
                            for part in key.values
                        )
                    )
    return names


def test_every_fact_that_a_run_can_log_is_declared():
    names = emitted()
    assert {"balanced_accuracy", "majority_share"} <= names
    assert {"jaccard", "gzip_bytes", "barrier_loss_dense", "barrier_error_seed"} <= names
    assert names <= {fact.name for fact in FACTS}
    on_lines = {f.name for f in FACTS if f.name.startswith(("barrier", "instability"))}
    assert len(on_lines) == 8 + 4
    assert on_lines <= names


def test_the_formula_of_a_barrier_is_what_is_computed():
    """Evaluated as written, for a rise in the middle of a line whose ends differ."""
    (formula,) = {f.formula for f in FACTS if f.name.startswith(("barrier", "instability"))}
    assert formula == "max of E((1 - t) a + t b) over t = 0, 0.1, ..., 1, less (E(a) + E(b)) / 2"
    t = np.linspace(0, 1, 11)
    line = Line(t, 3 - 2 * t + t * (1 - t), np.ones(11), recalibrated=False)
    assert line.loss_barrier == pytest.approx(max(line.loss) - (3 + 1) / 2)
    assert inspect.signature(line_between).parameters["n_points"].default == len(t)


def test_a_fact_is_declared_once_and_whole():
    names = [fact.name for fact in FACTS]
    assert len(set(names)) == len(names)
    for fact in FACTS:
        assert all(getattr(fact, item.name) for item in dataclasses.fields(fact))
        assert fact.sentence.endswith(".")
        assert f"## {fact.name}\n\n{fact.sentence}" in markdown()


def test_the_report_shows_barriers_by_their_label_with_unit_and_sentence(make_data):
    data = make_data(n_levels=1)
    facts = {"barrier_loss_dense": 0.25, "of_another_version": 1.0}
    levels = tuple(dataclasses.replace(row, facts=facts) for row in data.levels)
    page = render([dataclasses.replace(data, levels=levels)])
    fact = fact_named("barrier_loss_dense")
    assert f"{fact.label} <small>(nats)</small>" in page
    assert fact.sentence in unescape(page)
    assert ">of another version</th>" in page
