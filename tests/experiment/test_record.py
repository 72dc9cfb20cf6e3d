"""How a run is logged: what MLflow's pages open on, and how children are called and coloured."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace
from typing import Any

import pytest

from tests.report.conftest import synthetic
from tfprune.config import from_dict
from tfprune.experiment.events import (
    ControlFinished,
    EpochFinished,
    FloorMeasured,
    LevelStarted,
)
from tfprune.results import SEED_FLOOR, ControlResult, EpochResult
from tfprune.runs.record import RunRecord


class Logged:
    """A recorder and its runs in one; keeps what is logged."""

    def __init__(self) -> None:
        self.runs: list[tuple[str, dict[str, Any]]] = []
        self.metrics: list[str] = []

    def start_run(self, name: str, **given: Any) -> Logged:
        self.runs.append((name, given))
        return self

    def log_metrics(self, metrics: dict[str, float], *, step: int) -> None:
        self.metrics += metrics

    def log_inputs(self, datasets: Any) -> None:
        pass

    def finish(self, status: str) -> None:
        pass


@pytest.fixture
def logged() -> Logged:
    return Logged()


@pytest.fixture
def record(logged, monkeypatch) -> RunRecord:
    monkeypatch.setattr("tfprune.runs.record.dataset_inputs", lambda plan, seed: ())
    config = from_dict({"pruning": {"levels": 3}})
    made = RunRecord(logged, config, name="digits", key="k")  # type: ignore[arg-type]
    made._plan = SimpleNamespace(sparsity_at={1: 0.63, 2: None}.get)  # type: ignore[assignment]
    return made


def epoch(validation: float | None) -> EpochFinished:
    result = EpochResult(
        seed=0, level=1, epoch=0, loss=0.5, accuracy=0.8, validation_loss=validation,
        validation_accuracy=validation, learning_rate=0.1,
    )  # fmt: skip
    return EpochFinished(result, lambda: None)  # type: ignore[arg-type, return-value]


@pytest.mark.parametrize(
    ("validation", "first"), [(0.7, "epoch/validation_accuracy"), (None, "epoch/accuracy")]
)
def test_the_first_metric_of_a_child_is_an_accuracy(record, logged, validation, first):
    record(LevelStarted(0, 1))
    record(epoch(validation))
    assert logged.metrics[0] == first
    assert len(logged.metrics) == (3 if validation is None else 5)


def test_a_control_is_called_by_its_level_and_seed_and_gray(record, logged):
    result = ControlResult(
        control="random-mask", seed=1, level=2, sparsity=0.36, accuracy_test=0.8,
        accuracy_validation=None, loss_test=0.4, similarity={"cka": {"conv1": 0.9}},
    )  # fmt: skip
    record(ControlFinished(result))
    name, given = logged.runs[-1]
    assert name == "L2 s1 random-mask"
    colour = given["tags"]["mlflow.runColor"]
    assert colour[1:3] == colour[3:5] == colour[5:7]
    assert logged.metrics == ["accuracy/test", "loss/test", "sparsity/global", "profile/cka"]


def test_a_control_and_a_floor_have_their_shares_too(record, logged):
    result = ControlResult(
        control="random-mask", seed=0, level=1, sparsity=0.36, accuracy_test=0.8,
        accuracy_validation=None, loss_test=0.4, similarity={"svcca": {"conv1": math.nan}},
        dense_share={"svcca": {"conv1": 0.0}},
    )  # fmt: skip
    record(ControlFinished(result))
    assert logged.metrics[-2:] == ["profile/svcca", "share/svcca"]
    record(LevelStarted(1, 0))
    row = synthetic(n_levels=1, measures=("svcca",)).similarities[0]
    row = dataclasses.replace(row, seed=1, against=SEED_FLOOR, dense_share=0.4, against_seed=0)
    record(FloorMeasured((row,)))
    assert logged.metrics[-2:] == ["floor/svcca", "floor-share/svcca"]


def test_a_level_is_called_by_the_sparsity_that_its_plan_projects(record, logged):
    record(LevelStarted(0, 1))
    record(LevelStarted(0, 2))
    (first, given), (second, without) = logged.runs[-2:]
    assert (first, given["params"]["target_sparsity"]) == ("L1 s0 63.0%", 0.63)
    assert (second, "target_sparsity" in without["params"]) == ("L2 s0", False)
