"""Where a level starts from: weights, optimizer and rate under every rewinding policy."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import from_dict
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate


def replicate_of(small, **pruning):
    config = {
        **small,
        "training": {"epochs": "2ep", "batch_size": 256, "schedule": "cosine"},
        "pruning": {"levels": 1, "fraction": 0.5, **pruning},
    }
    return Replicate(make_plan(from_dict(config)), seed=0)


def starts_of(replicate):
    """Run all levels; return the states that training calls of level 1 began with, and their rates.

    The masks of level 1 come with them, and the state at the end of level 0.
    """
    trainer, starts = replicate.trainer, []
    train = trainer.train

    def watched(**options):
        if replicate.level == 1:
            starts.append((trainer.state(), trainer._rates.numpy()))
        train(**options)

    trainer.train = watched
    levels = replicate.levels()
    next(levels)
    trained = trainer.state()
    pruned = next(levels)
    (state, rates), *later = starts  # an epoch each
    assert all((rates == r).all() for _, r in later)
    return state, rates, trained, pruned.masks


@pytest.fixture(scope="module")
def early(small):
    """The states at steps 0 and 3 of the first training, from a trainer of its own."""
    trainer = replicate_of(small).trainer
    states = [trainer.state()]
    trainer.train(until=3)
    return {0: states[0], 3: trainer.state()}


def assert_same(replicate, found, expected, masks):
    """Every variable has the expected bits, pruned weights 0."""
    names = {id(variable): name for name, variable in replicate.prunable.kernels().items()}
    variables = replicate.network.variables
    for variable, ours, theirs in zip(variables, found, expected, strict=True):
        name = names.get(id(variable))
        kept = theirs if name is None else np.where(masks[name], theirs, 0)
        np.testing.assert_array_equal(ours, kept)


def same_arrays(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize(("rewind_to", "step"), [("init", 0), ("3it", 3)])
def test_rewinding_brings_weights_and_optimizer_back_to_their_step(small, early, rewind_to, step):
    replicate = replicate_of(small, rewind_to=rewind_to)
    state, rates, trained, masks = starts_of(replicate)
    assert state.step == step
    assert_same(replicate, state.variables, early[step].variables, masks)
    assert same_arrays(state.slots, early[step].slots)
    assert not same_arrays(state.slots, trained.slots)
    np.testing.assert_array_equal(rates, replicate.trainer.rates)


@pytest.mark.slow
def test_learning_rate_rewinding_keeps_the_weights_and_brings_back_the_rest(small, early):
    replicate = replicate_of(small, rewind_to="3it", rewind="learning-rate")
    state, rates, trained, masks = starts_of(replicate)
    assert state.step == 3
    assert_same(replicate, state.variables, trained.variables, masks)
    assert same_arrays(state.slots, early[3].slots)
    np.testing.assert_array_equal(rates, replicate.trainer.rates)


@pytest.mark.slow
def test_fine_tuning_keeps_the_weights_and_trains_at_the_last_rate_afresh(small, early):
    replicate = replicate_of(small, rewind_to="final")
    state, rates, trained, masks = starts_of(replicate)
    assert state.step == 0
    assert_same(replicate, state.variables, trained.variables, masks)
    assert same_arrays(state.slots, early[0].slots)
    assert set(rates.tolist()) == {float(replicate.trainer.rates[-1])}
    assert replicate.trainer.rates[-1] < replicate.trainer.rates[0]


@pytest.mark.slow
def test_one_shot_and_iterative_pruning_meet_at_the_same_sparsity(small):
    kept = {}
    for levels, fraction in ((1, 0.75), (2, 0.5)):
        replicate = replicate_of(small, levels=levels, fraction=fraction)
        *_, last = replicate.levels()
        kept[levels] = last.masks
    counts = [sum(int(mask.sum()) for mask in masks.values()) for masks in kept.values()]
    assert counts == [6144 // 4] * 2
    assert any((kept[1][name] != kept[2][name]).any() for name in kept[1])
