"""ADMM's pull on the kernels: its gradient while targets are set, and none before and after."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.training.optimizer import Pull

RHO = 0.25


@pytest.fixture
def pulled(make_trainer):
    trainer = make_trainer(TrainingConfig(epochs="1it", batch_size=16))
    return Pull(trainer.prunable, rho=RHO), trainer.prunable.kernels()


def test_the_pull_is_rho_times_the_distance_from_the_target_and_ends_with_it(pulled):
    pull, kernels = pulled
    first, second = list(kernels)[:2]
    targets = {name: np.full(kernel.shape, 2.0, np.float32) for name, kernel in kernels.items()}

    def gradient(name):
        return np.broadcast_to(np.asarray(pull.gradient(kernels[name])), kernels[name].shape)

    np.testing.assert_array_equal(gradient(first), 0)
    pull.set(targets)
    for name, kernel in kernels.items():
        np.testing.assert_allclose(gradient(name), RHO * (kernel.numpy() - 2), rtol=1e-6)
    pull.set(None)
    np.testing.assert_array_equal(gradient(first), 0)
    pull.set({first: targets[first]})  # what was set before is forgotten
    np.testing.assert_allclose(gradient(second), RHO * kernels[second].numpy(), rtol=1e-6)


def test_what_is_no_prunable_kernel_is_not_pulled(pulled):
    pull, _ = pulled
    assert pull.gradient(np.zeros(3)) == 0.0
