"""Loading strategies by name, and those of other packages."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.pruning.kernels import FILTER
from tfprune.pruning.masks import prune
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.strategy import Strategy, load_strategy


def refusal(spec):
    with pytest.raises(InputError) as caught:
        load_strategy(spec)
    return str(caught.value)


def test_options_stand_behind_a_colon():
    assert load_strategy("synflow").rounds == 100
    assert load_strategy("synflow:rounds=7").rounds == 7


def test_an_unknown_strategy_is_refused_with_the_nearest():
    assert refusal("magnitud").startswith(
        "unknown strategy 'magnitud'; did you mean 'magnitude' or 'magnitude-increase' or "
        "'large-init'? Known: "
    )


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("snip:rounds=many", "strategy 'snip': expected option=number, got 'rounds=many'."),
        ("snip:rounds", "strategy 'snip': expected option=number, got 'rounds'."),
        ("snip:rounds=0", "strategy 'snip': rounds is a whole number from 1; got 0."),
        ("snip:rounds=1.5", "strategy 'snip': rounds is a whole number from 1; got 1.5."),
        ("n-m:n=0", "n-m keeps n of m weights: expected whole numbers, 1 <= n < m; got n=0, m=4."),
        ("n-m:n=4", "n-m keeps n of m weights: expected whole numbers, 1 <= n < m; got n=4, m=4."),
        (
            "n-m:n=1.5",
            "n-m keeps n of m weights: expected whole numbers, 1 <= n < m; got n=1.5, m=4.",
        ),
        (
            "block:width=2.5",
            "block: height and width are whole numbers from 1; got height=1, width=2.5.",
        ),
        (
            "block:height=0",
            "block: height and width are whole numbers from 1; got height=0, width=4.",
        ),
        (
            "magnitude:k=1",
            "strategy 'magnitude' does not take 'k=1': "
            "magnitude() got an unexpected keyword argument 'k'.",
        ),
    ],
)
def test_an_option_that_makes_no_sense_is_refused(spec, text):
    assert refusal(spec) == text


PLUGIN = """
import numpy as np
from tfprune.pruning.strategy import Strategy

def _score(context, tensors):
    return {t.name: -np.arange(t.size).reshape(t.shape) for t in tensors}

def last_first():
    return Strategy(name="last-first", score=_score, paper="none")
"""
USE = """
import numpy as np
from tfprune.pruning.masks import prune
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.kernels import PrunableTensor, full_masks
from tfprune.pruning.strategy import PruningContext
tensors = (PrunableTensor("a", "dense", (2, 3)),)
context = PruningContext(
    tensors=tensors, weights={"a": np.ones((2, 3))}, masks=full_masks(tensors)
)
print([entry.summary for entry in STRATEGIES if entry.name == "last-first"])
print(prune(context, strategy="last-first", rates=0.5)["a"].astype(int).tolist())
"""


def test_a_strategy_of_an_installed_package_works_by_name(tmp_path):
    (tmp_path / "oddprune.py").write_text(PLUGIN)
    info = tmp_path / "oddprune-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: oddprune\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[tfprune.strategies]\nlast-first = oddprune:last_first\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", USE],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == ["['from oddprune']", "[[1, 1, 1], [0, 0, 0]]"]


def test_an_entry_point_that_returns_no_strategy_is_named(monkeypatch):
    monkeypatch.setattr(STRATEGIES, "get", lambda _name: dict)
    assert refusal("mine") == (
        "strategy 'mine': its entry point must be a function that returns a "
        "tfprune.pruning.strategy.Strategy; it returned dict."
    )


@pytest.mark.parametrize(
    ("scores", "text"),
    [
        (lambda t: np.ones(3), "expected shape (8,), got shape (3,)."),
        (None, "expected shape (8,), got nothing."),
    ],
)
def test_scores_of_the_wrong_shape_are_refused(mixed, scores, text):
    def score(_context, tensors):
        return {} if scores is None else {t.name: scores(t) for t in tensors}

    with pytest.raises(InputError) as caught:
        prune(mixed, strategy=Strategy(name="mine", score=score, paper="none", unit=FILTER))
    assert str(caught.value) == f"strategy 'mine' must score every filter of 'conv': {text}"


def test_a_need_that_no_context_has_is_refused():
    with pytest.raises(InputError, match=r"strategy 'mine' needs \['luck'\]: expected names among"):
        Strategy(name="mine", score=lambda c, t: {}, paper="none", needs=frozenset({"luck"}))


def test_a_pattern_gives_both_its_floor_and_what_it_protects():
    with pytest.raises(InputError, match="give floor and protect together"):
        Strategy(name="mine", score=lambda c, t: {}, paper="none", floor=lambda t: 0)


def test_a_layer_without_batch_normalisation_is_named(mixed):
    scales = {n: s for n, s in mixed.norm_scales.items() if n != "dense"}
    with pytest.raises(InputError) as caught:
        prune(replace(mixed, norm_scales=scales), strategy="bn-scale")
    assert str(caught.value) == (
        "norm_scales holds nothing for 'dense': exclude that layer, or choose a strategy that "
        "looks at its weights (filter-l1)."
    )
