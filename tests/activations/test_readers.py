"""Readers of many networks in one process."""

from __future__ import annotations

import logging

import numpy as np

from tfprune.activations import collect_activations
from tfprune.data.feed import AsTheyAre


def test_many_networks_are_read_without_a_warning_of_tensorflow(keras, caplog):
    x = np.ones((3, 4), np.float32)
    with caplog.at_level(logging.WARNING, logger="tensorflow"):
        for _ in range(8):
            image = keras.Input((4,))
            hidden = keras.layers.Dense(3, activation="relu", name="hidden")(image)
            network = keras.Model(image, keras.layers.Dense(2)(hidden))
            assert len(collect_activations(network, x, normalization=AsTheyAre())["hidden"]) == 3
    assert "retracing" not in caplog.text
