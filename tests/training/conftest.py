"""A data set and a network small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.data import normalization
from tfprune.data.dataset import Dataset, Examples


def _examples(n: int, seed: int) -> Examples:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 3
    images = rng.integers(0, 60, (n, 6, 6, 1)) + 90 * (labels[:, None, None, None] == [0])
    images[labels == 1, :3] += 90
    return Examples(images.astype(np.uint8), labels.astype(np.int64), np.arange(n))


@pytest.fixture(scope="session")
def tiny_data() -> Dataset:
    """Three classes that a small network learns in a few steps."""
    return Dataset("tiny", _examples(50, 0), _examples(20, 1), _examples(30, 2), 3,
                   ("a", "b", "c"), {})  # fmt: skip


@pytest.fixture
def build_tiny(keras):
    """A function that builds conv(3) - batch norm - relu - dense(4) - logits(3)."""

    def build(seed: int = 0, *, dropout: float = 0.0):
        layers = keras.layers
        given = [keras.initializers.GlorotNormal(seed=seed + i) for i in range(3)]
        inputs = keras.Input((6, 6, 1))
        x = layers.Conv2D(3, 3, name="conv1", kernel_initializer=given[0])(inputs)
        x = layers.BatchNormalization(name="norm1")(x)
        x = layers.ReLU(name="relu1")(x)
        x = layers.Flatten(name="flatten")(x)
        x = layers.Dense(4, activation="relu", name="dense1", kernel_initializer=given[1])(x)
        if dropout:
            x = layers.Dropout(dropout, name="drop1")(x)
        x = layers.Dense(3, name="logits", kernel_initializer=given[2])(x)
        return keras.Model(inputs, x, name="tiny")

    return build


@pytest.fixture
def make_trainer(build_tiny, tiny_data):
    """A function that makes a trainer of the tiny network, by default 3 epochs of 4 steps."""
    sgd = TrainingConfig(epochs="3ep", batch_size=16, optimizer="momentum", learning_rate=0.02)

    def make(training=sgd, *, seed=0, dropout=0.0, **options):
        from tfprune.training.prunable import PrunableNetwork
        from tfprune.training.trainer import Trainer

        prunable = PrunableNetwork(build_tiny(seed, dropout=dropout))
        scale = normalization(tiny_data.train.images)
        return Trainer(prunable, tiny_data, training, seed=seed, normalization=scale, **options)

    return make
