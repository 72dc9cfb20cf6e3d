"""FLOPs per layer, dense and sparse."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.models import build_model
from tfprune.models.shrink import LayerFlops, flops


def test_flops_are_two_per_weight_and_position(keras):
    layers = keras.layers
    layer_list = (
        layers.Conv2D(6, 3, strides=2, padding="same", name="conv"),
        layers.DepthwiseConv2D(3, name="depthwise"),
        layers.Conv2DTranspose(4, 2, strides=2, name="up"),
        layers.Flatten(),
        layers.Dense(5, name="logits"),
    )
    inputs = x = keras.Input((8, 8, 3))
    for layer in layer_list:
        x = layer(x)
    model = keras.Model(inputs, x)
    masks = {"conv": np.array([1, 1, 0, 0, 0, 1], bool), "logits": np.zeros((64, 5), bool)}
    masks["logits"][:7, 1] = True
    assert flops(model, masks) == {
        "conv": LayerFlops(2 * 16 * 27 * 6, 2 * 16 * 27 * 3),
        "depthwise": LayerFlops(2 * 4 * 9 * 6, 2 * 4 * 9 * 6),
        "up": LayerFlops(2 * 4 * 4 * 6 * 4, 2 * 4 * 4 * 6 * 4),
        "logits": LayerFlops(2 * 64 * 5, 2 * 7),
    }


def test_flops_of_resnet20_are_those_of_its_paper(keras):
    """He et al. 2016 and others: 40.8 M multiply-adds with parameter-free shortcuts."""
    model = build_model("resnet20", input_shape=(32, 32, 3), n_classes=10, seed=0)
    counted = flops(model)
    shortcuts = sum(layer.dense for name, layer in counted.items() if "shortcut" in name)
    total = sum(layer.dense for layer in counted.values())
    assert (total - shortcuts) / 2 == pytest.approx(40.55e6, rel=0.001)
    assert all(layer.sparse == layer.dense for layer in counted.values())
