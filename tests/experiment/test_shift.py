"""Every level on further test sets, with an exact test against the dense network."""

from __future__ import annotations

import csv
import io
from itertools import product
from math import comb

import numpy as np
import pytest

from tfprune.experiment.shift import probability_worse
from tfprune.report.facts import fact_named, markdown
from tfprune.results import levels_csv
from tfprune.runs.run import resume, run


def oracle(lost: int, won: int) -> float:
    return sum(comb(lost + won, k) for k in range(lost, lost + won + 1)) / 2 ** (lost + won)


@pytest.mark.parametrize(("lost", "won"), [*product(range(5), range(5)), (40, 20)])
def test_the_probability_is_that_of_coins(lost, won):
    both, neither = 7, 3
    labels = np.zeros(lost + won + both + neither, int)
    dense = np.repeat([0, 1, 0, 1], [lost, won, both, neither])
    pruned = np.repeat([1, 0, 0, 1], [lost, won, both, neither])
    expected = oracle(lost, won) if lost + won else 1.0
    assert probability_worse(labels, dense, pruned) == pytest.approx(expected, rel=1e-12)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory):
    """An .npz of the digits' test images with noise that leaves little of them."""
    from tfprune.data import load_dataset

    test = load_dataset("digits").test
    rng = np.random.default_rng(0)
    noisy = np.clip(test.images + rng.normal(0, 6, test.images.shape), 0, 16).astype(np.uint8)
    path = tmp_path_factory.mktemp("shifted") / "noisy.npz"
    np.savez(path, x_test=noisy, y_test=test.labels)
    return path


@pytest.fixture(scope="module")
def config(small, shifted):
    data = {"also_test": [f"{shifted}:test", "digits:test[:200]"]}
    return {
        **small,
        "training": {"epochs": "6ep", "batch_size": 64},
        "pruning": {"levels": 2, "fraction": 0.85, "scope": "layer"},
        "data": data,
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory, config):
    return run(config, folder=tmp_path_factory.mktemp("whole"), tell=lambda message: None)


@pytest.mark.slow
def test_every_level_has_its_accuracy_on_every_set(whole):
    rows = list(csv.DictReader(io.StringIO(levels_csv(whole.levels))))
    assert len(rows) == 3
    for row, level in zip(rows, whole.levels, strict=True):
        noisy = float(row["accuracy_on/noisy.npz:test"])
        assert 0 <= noisy < level.accuracy_test
        assert float(row["accuracy_on/digits:test_:200_"]) == pytest.approx(
            level.accuracy_test, abs=0.1
        )


@pytest.mark.slow
def test_the_dense_network_has_lost_nothing_against_itself(whole):
    dense = whole.levels[0].facts
    for name in ("test", "noisy.npz:test", "digits:test_:200_"):
        assert dense[f"p_worse/{name}"] == 1
        assert dense[f"prune_potential/{name}"] == 0


@pytest.mark.slow
def test_the_prune_potential_is_the_largest_sparsity_without_a_significant_loss(whole):
    for name in ("test", "noisy.npz:test", "digits:test_:200_"):
        best = 0.0
        for level in whole.levels:
            if level.facts[f"p_worse/{name}"] >= 0.05:
                best = max(best, level.sparsity)
            assert level.facts[f"prune_potential/{name}"] == best
    # 2% of the weights are left: that is seen on the test set
    assert whole.levels[-1].facts["p_worse/test"] < 0.05


@pytest.mark.slow
def test_p_worse_of_the_test_set_agrees_with_accuracy(whole):
    for level in whole.levels[1:]:
        n_lost = round((whole.levels[0].accuracy_test - level.accuracy_test) * 500)
        if level.facts["p_worse/test"] < 0.05:
            assert n_lost > 0


@pytest.mark.parametrize("stop", [1, 2])
@pytest.mark.slow
def test_a_resumed_run_finds_the_same(config, whole, tmp_path, stop):
    from tfprune.experiment.events import LevelFinished

    left = [stop]

    def watch(event):
        left[0] -= isinstance(event, LevelFinished)
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(config, folder=tmp_path, tell=lambda message: None, watch=watch)
    (key,) = [path.name for path in (tmp_path / "mlruns" / "runs").iterdir()]
    assert resume(key, folder=tmp_path, tell=lambda message: None).levels == whole.levels


def test_the_facts_are_declared():
    fact = fact_named("accuracy_on/noisy.npz:test")
    assert (fact.label, fact.unit) == ("accuracy on noisy.npz:test", "share of images")
    assert fact_named("prune_potential/test").label == "prune potential on test"
    for heading in ("### accuracy_on/SET", "### p_worse/SET", "### prune_potential/SET"):
        assert heading in markdown()
