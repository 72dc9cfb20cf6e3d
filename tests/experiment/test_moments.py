"""Moments of the learning rate's schedule that training ends before are refused."""

from __future__ import annotations

import pytest

from tfprune.config import ConfigError, from_dict
from tfprune.experiment.plan import make_plan


def plan(**training):
    return make_plan(from_dict({"training": {"epochs": "4ep", "batch_size": 256, **training}}))


@pytest.mark.parametrize("moment", ["4ep", "80ep", "20it", "9000it"])
def test_a_decay_past_the_end_is_refused(moment):
    with pytest.raises(ConfigError) as caught:
        plan(schedule="step", decay_at=["1ep", moment])
    assert str(caught.value) == (
        f"training.decay_at: {moment} is past the end of training (20 steps, 5 to the epoch); the "
        "rate would never fall there. Give an earlier step, or train longer with --epochs."
    )


@pytest.mark.parametrize("moment", ["5ep", "21it"])
def test_a_warm_up_past_the_end_is_refused(moment):
    with pytest.raises(ConfigError) as caught:
        plan(warmup=moment)
    assert str(caught.value) == (
        f"training.warmup: {moment} is past the end of training (20 steps, 5 to the epoch); the "
        "learning rate would never be reached. Give a shorter warm-up, or train longer with "
        "--epochs."
    )


def test_what_training_reaches_is_taken():
    assert plan(schedule="step", decay_at=["19it"], warmup="4ep").n_steps == 20
