"""What a parent shows of a level, and which level's network is kept as the best."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import pytest

from tfprune.data.images import Normalization
from tfprune.experiment.events import LevelFinished, RunStarted
from tfprune.report.levels import level_summaries
from tfprune.results import (
    DENSE,
    SAME_INIT,
    SEED_FLOOR,
    Ledger,
    LevelResult,
    SimilarityResult,
)
from tfprune.runs import models
from tfprune.runs.models import ModelKeeper
from tfprune.runs.record import RunRecord


def level(seed: int, level: int, validation: float | None = 0.9) -> LevelResult:
    return LevelResult(
        seed=seed, level=level, sparsity=0.2 * level, n_weights=10, n_kept=8,
        accuracy_validation=validation, accuracy_test=0.9, loss_validation=0.3, loss_test=0.3,
        flips=0.0,
    )  # fmt: skip


def similarity(seed: int, value: float, against: str) -> SimilarityResult:
    return SimilarityResult(
        seed=seed, level=0, layer_index=0, layer="conv1", measure="cka", similarity=value,
        low=None, high=None, null=None, n_samples=9, n_images=9, width=4, rank_a=4, rank_b=4,
        live=None, nominal=None, dead_a=0, dead_b=0, constant_a=0, constant_b=0, masked_a=0,
        masked_b=0, duplicate_a=0, duplicate_b=0, layout="mean", against=against, warnings="",
    )  # fmt: skip


def test_the_parents_mean_holds_no_floor():
    ledger = Ledger()
    ledger.levels += [level(seed, 0) for seed in range(3)]
    ledger.similarities += [similarity(seed, 1.0, DENSE) for seed in range(3)]
    ledger.similarities += [similarity(seed, 0.4, SEED_FLOOR) for seed in (1, 2, 2)]
    ledger.similarities += [similarity(seed, 0.7, SAME_INIT) for seed in range(3)]
    shown = {}
    record = SimpleNamespace(
        _ledger=ledger,
        _config=SimpleNamespace(replicates=3),
        parent=SimpleNamespace(log_metrics=lambda metrics, *, step: shown.update(metrics)),
    )
    RunRecord._mirror(record, 0)
    assert shown["cka/00_conv1"] == 1.0


def mirrored(levels, similarities, n_seeds, at):
    """What the parent shows of a level."""
    shown = {}
    record = SimpleNamespace(
        _ledger=Ledger(levels=levels, similarities=similarities),
        _config=SimpleNamespace(replicates=n_seeds),
        parent=SimpleNamespace(log_metrics=lambda metrics, *, step: shown.update(metrics)),
    )
    RunRecord._mirror(record, at)
    return shown


def test_the_parents_accuracies_are_medians_as_in_the_report_and_all_else_is_a_mean():
    levels = [
        dataclasses.replace(level(seed, 0), accuracy_test=accuracy, loss_test=loss)
        for seed, (accuracy, loss) in enumerate([(0.9, 0.5), (0.7, 0.1), (0.86, 0.3)])
    ]
    found = [similarity(seed, value, DENSE) for seed, value in enumerate([0.9, 0.6, 0.9])]
    shown = mirrored(levels, found, 3, 0)
    assert shown["accuracy/test"] == level_summaries(levels)[0].accuracy_test_median == 0.86
    assert shown["loss/test"] == pytest.approx(0.3)
    assert shown["cka/00_conv1"] == pytest.approx(0.8)


def test_the_parents_means_are_of_seeds_that_did_not_collapse_and_count_the_others():
    accuracies = [(0.96, 0.94), (0.96, 0.1), (0.96, 0.96)]
    levels = [
        dataclasses.replace(level(seed, n), accuracy_test=accuracy)
        for seed, both in enumerate(accuracies)
        for n, accuracy in enumerate(both)
    ]
    found = [
        dataclasses.replace(similarity(seed, 0.9 if seed != 1 else 0.1, DENSE), level=1)
        for seed in range(3)
    ]
    shown = mirrored(levels, found, 3, 1)
    assert shown["accuracy/test"] == pytest.approx(0.95)
    assert shown["cka/00_conv1"] == pytest.approx(0.9)
    assert shown["seeds/collapsed"] == 1
    assert mirrored(levels, [], 3, 0)["seeds/collapsed"] == 0
    assert "seeds/collapsed" not in mirrored(levels[:2], [], 1, 1)


def test_a_dying_layer_falls_in_its_share_and_a_dead_one_is_0():
    levels = [level(0, n) for n in range(3)]
    row = dataclasses.replace(similarity(0, 0.9, DENSE), measure="svcca")
    dying = dataclasses.replace(row, level=1, similarity=0.95, rank_b=1, dense_share=0.95 / 4)
    dead = dataclasses.replace(row, level=2, similarity=math.nan, rank_b=0, dense_share=0.0)
    assert mirrored(levels, [dying], 1, 1)["svcca-share/00_conv1"] == pytest.approx(0.2375)
    shown = mirrored(levels, [dying, dead], 1, 2)
    assert shown["svcca-share/00_conv1"] == 0
    assert "svcca/00_conv1" not in shown


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [([0.8, 0.9, 0.9], 3), ([0.9, 0.9, 0.8], 2), ([0.9, 0.8, 0.85], 1), ([None, None, None], 3)],
)
def test_of_equally_accurate_levels_the_sparser_is_the_best(
    tmp_path, monkeypatch, accuracies, best
):
    written = {}
    monkeypatch.setattr(
        models, "write_network", lambda path, network, facts: written.update({path: facts})
    )
    ledger, keeper = Ledger(), ModelKeeper(tmp_path)
    images = SimpleNamespace(input_shape=(8, 8, 1), class_names=("zero", "one"))
    keeper(RunStarted(SimpleNamespace(config=SimpleNamespace(seed=0), dataset=images), ledger))
    scale = Normalization("none", (0.0,), (1.0,))
    trained = SimpleNamespace(normalization=scale, network=None)
    for number, accuracy in enumerate([0.99, *accuracies]):
        row = level(0, number, accuracy)
        ledger.levels.append(row)
        keeper(LevelFinished(row, (), (), trained))
    assert written[tmp_path / "best.npz"]["level"] == best
    assert written[tmp_path / "final.npz"]["level"] == 3
