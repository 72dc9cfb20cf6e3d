"""Every fact that a run can log is declared, once, with all that a reader needs."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import itertools
import re
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tfprune.config.words import DESCRIPTIONS as DESCRIBED
from tfprune.experiment import level
from tfprune.experiment.comparison import ComparisonResult
from tfprune.report.columns import (
    COMPARE,
    CONTROLS,
    DESCRIPTIONS,
    LEVELS,
    MASK_OVERLAP,
    SIMILARITY,
    TABLES,
    UNITS,
)
from tfprune.report.facts import FACTS, fact_named, markdown
from tfprune.report.page.page import render
from tfprune.results import (
    COUNTS,
    controls_csv,
    levels_csv,
    mask_overlap_csv,
    similarity_csv,
)
from tfprune.results.descriptions import QUANTITIES, descriptions_csv, units_csv
from tfprune.similarity import Comparison
from tfprune.training.connectivity import Line, line_between

FOLDER = Path(__file__).parents[2] / "tfprune" / "experiment"
RECORDS = FOLDER.parent / "runs" / "record.py"
SOURCES = tuple(FOLDER / name for name in ("facts.py", "functional.py", "level.py"))


# in names made from parts
HOLES = {
    "of": ("dense", "previous", "seed"),
    "ending": ("", "_recalibrated"),
}


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
    assert {"js_divergence", "kappa", "forgotten_p", "accuracy_dense_others"} <= names
    assert {"jaccard", "gzip_bytes", "barrier_loss_dense", "barrier_error_seed"} <= names
    assert names <= {fact.name for fact in FACTS}
    on_lines = {f.name for f in FACTS if f.name.startswith(("barrier", "instability"))}
    assert len(on_lines) == 12 + 4
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
        assert f"### {fact.name}\n\n{fact.sentence}" in markdown()


def test_the_report_shows_barriers_by_their_label_with_unit_and_sentence(make_data):
    data = make_data(n_levels=1)
    facts = {"barrier_loss_dense": 0.25, "of_another_version": 1.0}
    levels = tuple(dataclasses.replace(row, facts=facts) for row in data.levels)
    page = render([dataclasses.replace(data, levels=levels)])
    fact = fact_named("barrier_loss_dense")
    assert f"{fact.label} <small>(nats)</small>" in page
    assert fact.sentence in unescape(page)
    assert ">of another version</th>" in page


@pytest.mark.parametrize(
    ("columns", "text"),
    [
        (LEVELS, levels_csv([])),
        (SIMILARITY, similarity_csv([])),
        (CONTROLS, controls_csv([])),
        (MASK_OVERLAP, mask_overlap_csv([])),
        (DESCRIPTIONS, descriptions_csv([])),
        (UNITS, units_csv([])),
    ],
)
def test_every_column_of_a_table_is_declared_in_its_place(columns, text):
    """A column without a definition fails here, and so does a definition without a column."""
    assert text.strip().split(",") == [column.name for column in columns]


def test_every_column_of_a_comparisons_table_is_declared_in_its_place():
    rng = np.random.default_rng(0)
    engine = Comparison([("l", "l")], measures=["cka"], blocks=0)
    engine.update({"l": rng.normal(size=(20, 3))}, {"l": rng.normal(size=(20, 3))})
    found = ComparisonResult(
        a="a", b="b", layers_a=("l",), layers_b=("l",), layout="pixels", n_images=20, values={},
        scores=engine.scores(),
    )  # fmt: skip
    header = found.csv().splitlines()[0]
    assert header.split(",") == [column.name for column in COMPARE]


def test_the_page_defines_every_quantity_that_can_be_asked_for():
    page = markdown()
    for one in QUANTITIES:
        row = f"| `{one.name}` | `{one.kind}` | {one.unit} | {one.sentence} | {one.paper} |"
        assert row in page
        assert one.sentence.endswith(".")
    assert {one.kind for one in QUANTITIES} == set(DESCRIBED)


def test_the_page_defines_every_table_that_a_run_leaves():
    page = markdown()
    left = set(re.findall(r'"([a-z-]+\.csv)"', RECORDS.read_text(encoding="utf-8")))
    assert left - {"attribution.csv"} <= set(TABLES)
    for name, columns in TABLES.items():
        assert f"## {name}\n" in page
        for column in columns:
            assert column.sentence.endswith(".")
            assert f"| `{column.name}` | {column.unit} | {column.sentence} |" in page


@pytest.mark.parametrize("n_validation", [3, 0])
def test_the_page_says_on_which_images_barriers_and_instability_are_measured(
    monkeypatch, n_validation
):
    """Validation images, where there are none the test images; between seeds always the latter."""
    seen = []
    monkeypatch.setattr(level, "_lines", lambda *_, examples, **__: seen.append(examples) or ())
    dataset = SimpleNamespace(validation=["validation"] * n_validation, test=["test"])
    replicate = SimpleNamespace(dataset=dataset, network=SimpleNamespace(variables=[]))
    level.barriers(replicate, [], [], of="dense")
    level.barriers(replicate, [], [], of="seed")
    level.instability(replicate, [])
    unseen = dataset.validation or dataset.test
    assert seen == [unseen, dataset.test, unseen]
    for fact in FACTS:
        if fact.name.startswith(("barrier", "instability")):
            expected = "the test images, since" if "_seed" in fact.name else "the seed's validation"
            assert fact.images.startswith(expected)
            assert f"| measured on | {fact.images} |" in markdown()


def test_what_tables_write_as_whole_numbers_is_what_counts_something():
    counted = {"numbers", "operations per image", "bytes", "filters", "images"}
    assert {fact.name for fact in FACTS if fact.unit in counted} == COUNTS
    assert {fact.unit.split()[0] for fact in FACTS if fact.name not in COUNTS} <= {
        "share", "nats", "at", "probability", "1",
    }  # fmt: skip
