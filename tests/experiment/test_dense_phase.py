"""A dense network that was trained once is the start of every experiment that shares it."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tfprune.config import from_dict
from tfprune.experiment.dense_phase import DensePhases, dense_key, is_trained, train_dense
from tfprune.experiment.events import EpochFinished, LevelStarted
from tfprune.experiment.plan import make_plan
from tfprune.runs.run import run, run_checked

BASE = {"seed": 3, "training": {"data_order_seed": 8}}


def key(changes: dict, seed: int = 3) -> str | None:
    nested = {**BASE, **changes}
    return dense_key(from_dict(nested), seed)


@pytest.mark.parametrize(
    "changes",
    [
        {"pruning": {"strategy": "random", "fraction": 0.7, "levels": 2, "scope": "layer"}},
        {"pruning": {"controls": ["random-mask"], "rewind_to": "final"}},
        {"comparison": {"measures": ["cka"], "probe_size": 64}},
        {"training": {"data_order_seed": 8, "data_order": "level"}},
        {"data": {"also_test": ["digits"], "stream": True}},
        # the replicate of seed 3 of an experiment that begins with seed 2
        {"seed": 2, "replicates": 2, "training": {"data_order_seed": 7}},
    ],
)
def test_what_comes_after_the_dense_network_does_not_tell_dense_phases_apart(changes):
    assert key(changes) == key({})


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 4},
        {"training": {"epochs": "3ep", "data_order_seed": 8}},
        {"training": {"data_order_seed": 9}},
        {"model": {"name": "lenet-300-100"}},
        {"data": {"validation_fraction": 0.2}},
        {"pruning": {"rewind_to": "1ep"}},
        {"pruning": {"admm": 0.01}},
        {"pruning": {"strategy": "movement"}},
        {"device": "cpu"},
    ],
)
def test_what_the_dense_network_depends_on_does(changes):
    assert key(changes, changes.get("seed", 3)) != key({})


def test_a_ticket_and_a_trained_model_have_no_dense_phase():
    assert key({"pruning": {"ticket": "run:3"}}) is None
    assert key({"model": {"name": "net.keras", "start": "trained"}}) is None


CONFIG = {"pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "7it"}}


@pytest.fixture(scope="module")
def config(small):
    return from_dict({**small, **CONFIG})


class Killed(BaseException):
    pass


@pytest.fixture(scope="module")
def dense(tmp_path_factory, config):
    """A dense phase that was killed after its first epoch, and then went on."""
    folder = tmp_path_factory.mktemp("dense") / "phase"
    plan = make_plan(config)

    def stop(event):
        if isinstance(event, EpochFinished) and event.result.epoch == 1:
            raise Killed

    with pytest.raises(Killed):
        train_dense(plan, 0, folder, watch=stop)
    assert not is_trained(folder)
    seen = []
    train_dense(plan, 0, folder, watch=seen.append)
    assert [type(event) for event in seen] == [LevelStarted, EpochFinished]
    assert is_trained(folder)
    return folder


@pytest.mark.slow
def test_an_experiment_that_begins_with_it_finds_what_it_would_have_found_alone(
    tmp_path, config, dense, silent
):
    alone = run(config, folder=tmp_path / "alone", tell=silent)
    shared = run_checked(config, folder=tmp_path / "shared", tell=silent, dense={0: dense})
    assert shared.levels == alone.levels
    assert shared.epochs == alone.epochs
    assert shared.similarities == alone.similarities
    assert not [message for message in silent if "trained anew" in message]


def phases(folder, heard):
    return DensePhases({0: folder}, tell=heard)


def test_one_of_other_data_is_told_and_not_used(tmp_path, config, dense, silent):
    plan = make_plan(config)
    other = tmp_path / "phase"
    other.mkdir()
    facts = json.loads((dense / "dense.json").read_text())
    facts["data"]["train"] = "0" * 16
    (other / "dense.json").write_text(json.dumps(facts))
    assert phases(other, silent).of(plan, 0) is None
    (other / "dense.json").write_text("{")
    assert phases(other, silent).of(plan, 0) is None
    assert phases(dense, silent).of(dataclasses.replace(plan, n_steps=99), 0) is None
    assert phases(dense, silent).of(plan, 1) is None
    assert silent == [
        f"The dense network of seed 0 is trained anew: {other} was trained on other data.",
        f"The dense network of seed 0 is trained anew: {other} is not there or damaged.",
        f"The dense network of seed 0 is trained anew: {dense} was not trained to its end.",
    ]
