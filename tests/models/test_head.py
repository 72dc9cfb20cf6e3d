"""Average pooling in place of dense layers: what stays, what comes, who is refused."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.activations import hidden_layers
from tfprune.config import ConfigError
from tfprune.models import build_model
from tfprune.training.prunable import PrunableNetwork

DIGITS = (8, 8, 1)


def build(name, head="average-pooling", **more):
    return build_model(name, input_shape=DIGITS, n_classes=10, seed=3, head=head, **more)


def values_of(model) -> dict[str, np.ndarray]:
    return {weight.name: weight.numpy() for layer in model.layers for weight in layer.weights}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "width", "gone"),
    [("digits-cnn", 24, {"flatten", "dense1"}), ("conv4", 128, {"flatten", "dense1", "dense2"}),
     ("vgg11", 512, {"average"})],
)  # fmt: skip
def test_maps_and_their_means_follow_the_convolutions_which_start_as_before(
    keras, name, width, gone
):
    size = (16, 16, 3) if name == "vgg11" else DIGITS
    own, other = (
        build_model(name, input_shape=size, n_classes=10, seed=3, head=head)
        for head in ("own", "average-pooling")
    )
    names = [layer.name for layer in other.layers]
    assert [layer.name for layer in own.layers if layer.name not in names] == [
        layer.name for layer in own.layers if layer.name in gone
    ]
    assert names[-2:] == ["maps", "logits"]
    maps = other.get_layer("maps")
    assert maps.kernel.shape == (1, 1, width, 10)
    before = values_of(own)
    for weight, value in values_of(other).items():
        if not weight.startswith("maps"):
            np.testing.assert_array_equal(value, before[weight])
    # oracle: the mean of the last feature map, times the 1x1 kernel
    images = np.random.default_rng(0).normal(size=(4, *size)).astype(np.float32)
    last = keras.Model(other.inputs, maps.input)(images, training=False).numpy()
    expected = last.mean(axis=(1, 2)) @ maps.kernel.numpy()[0, 0] + maps.bias.numpy()
    np.testing.assert_allclose(other(images, training=False), expected, atol=1e-5)
    fan = 2 / width if name == "vgg11" else 2 / (width + 10)
    assert maps.kernel.numpy().var() == pytest.approx(fan, rel=0.3)


def test_the_maps_are_the_output_and_all_other_convolutions_are_compared(keras):
    model = build("conv2")
    output = [tensor.name for tensor in PrunableNetwork(model).tensors if tensor.is_output]
    assert output == ["maps"]
    assert [layer.name for layer in hidden_layers(build("conv2"))] == ["conv1", "conv2"]


def test_a_network_that_ends_so_is_as_it_was(keras):
    one, other = build("nin"), build("nin", head="own")
    for a, b in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    assert [layer.name for layer in one.layers] == [layer.name for layer in other.layers]


def test_a_network_without_convolutions_and_a_users_are_refused(keras):
    with pytest.raises(ConfigError) as refused:
        build("lenet300")
    assert str(refused.value) == (
        "model.head: average-pooling takes the mean over a feature map, and 'lenet300' has no "
        "convolution before its dense layers. Leave it out, or choose a convolutional network."
    )
    with pytest.raises(ConfigError) as refused:
        build("applications/MobileNet")
    assert str(refused.value) == (
        "model.head: average-pooling is for built-in networks, and 'applications/MobileNet' is "
        "none: a model of your own keeps the head that it has. Leave it out."
    )
