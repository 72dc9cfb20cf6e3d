"""The learning rate of every step, against values worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.training.optimizer import learning_rates


def rates(*, steps_per_epoch=4, **settings):
    training = TrainingConfig(batch_size=16, **settings)
    return learning_rates(training, steps_per_epoch=steps_per_epoch)


def test_a_constant_rate_is_the_same_at_every_step():
    np.testing.assert_allclose(rates(epochs="3ep", learning_rate=0.3), [0.3] * 12, rtol=1e-7)


def test_cosine_falls_from_the_whole_rate_by_half_a_wave():
    """(1 + cos(pi t / 6)) / 2 at t = 0 ... 5; the value at t = 6 would be 0."""
    found = rates(epochs="6it", schedule="cosine", learning_rate=0.4)
    half = math.sqrt(3) / 2
    factors = [1, (1 + half) / 2, 0.75, 0.5, 0.25, (1 - half) / 2]
    np.testing.assert_allclose(found, 0.4 * np.array(factors), rtol=1e-6)


def test_steps_decay_at_their_moment_and_not_before():
    found = rates(epochs="8it", schedule="step", decay_at=("3it", "6it"), decay_factor=0.1,
                  learning_rate=1.0)  # fmt: skip
    np.testing.assert_allclose(found, [1, 1, 1, 0.1, 0.1, 0.1, 0.01, 0.01], rtol=1e-6)


def test_a_moment_in_epochs_is_the_first_step_after_so_many():
    found = rates(epochs="3ep", schedule="step", decay_at=("2ep",), decay_factor=0.5,
                  learning_rate=1.0)  # fmt: skip
    np.testing.assert_allclose(found, [1] * 8 + [0.5] * 4, rtol=1e-7)


def test_warm_up_rises_in_equal_steps_and_reaches_the_rate_at_its_last():
    found = rates(epochs="6it", warmup="4it", learning_rate=0.8)
    np.testing.assert_allclose(found, [0.2, 0.4, 0.6, 0.8, 0.8, 0.8], rtol=1e-6)


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ({"schedule": "cosine"}, [1 / 2, (1 + math.sqrt(0.5)) / 2, 0.5, (1 - math.sqrt(0.5)) / 2]),
        ({"schedule": "step", "decay_at": ("1it",), "decay_factor": 0.1}, [0.5, 0.1, 0.1, 0.1]),
    ],
)
def test_warm_up_scales_what_the_schedule_says(schedule, factors):
    found = rates(epochs="4it", warmup="2it", learning_rate=1.0, **schedule)
    np.testing.assert_allclose(found, factors, rtol=1e-6)


def test_every_step_is_taken_at_its_own_rate(make_trainer):
    """Plain SGD moves every weight by rate times gradient: with rate 0 at a step, not at all."""
    plain = TrainingConfig(epochs="3it", batch_size=16, optimizer="sgd", learning_rate=0.1)
    trainer = make_trainer(plain)
    trainer._rates.assign(np.array([0.0, 0.1, 0.0], np.float32))
    moved = []
    for step in (1, 2, 3):
        before = [v.numpy() for v in trainer.prunable.trainable.trainable_variables]
        trainer.train(until=step)
        after = [v.numpy() for v in trainer.prunable.trainable.trainable_variables]
        moved.append(any((a != b).any() for a, b in zip(before, after, strict=True)))
    assert moved == [False, True, False]


def test_the_rate_of_an_epoch_is_that_of_its_last_step(make_trainer):
    training = TrainingConfig(epochs="2ep", batch_size=16, optimizer="sgd", schedule="step",
                              decay_at=("3it", "7it"), learning_rate=0.1)  # fmt: skip
    heard = []
    make_trainer(training).train(on_epoch=lambda report: heard.append(report.learning_rate))
    assert heard == [pytest.approx(0.01), pytest.approx(0.001)]  # steps 3 and 7 of 0 ... 7
