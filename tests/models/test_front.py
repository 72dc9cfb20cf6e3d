"""A network's own preprocessing, found by its first layers."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.models.fits import front_of

SHAPE = (8, 8, 3)


def network(keras, front, *, dtype=None):
    inputs = keras.Input(SHAPE, dtype=dtype)
    x = keras.layers.Conv2D(2, 3, name="c")(front(inputs))
    return keras.Model(inputs, keras.layers.Dense(3)(keras.layers.Flatten()(x)))


def adapted(keras):
    layer = keras.layers.Normalization()
    layer.adapt(np.random.default_rng(0).uniform(0, 255, (50, *SHAPE)))
    return layer


FRONTS = {
    "nothing": (lambda keras, tf: lambda x: x, ()),
    "Rescaling": (lambda keras, tf: keras.layers.Rescaling(1 / 255), ("Rescaling",)),
    "Rescaling by 1": (lambda keras, tf: keras.layers.Rescaling(1.0), ()),
    "Normalization": (lambda keras, tf: adapted(keras), ("Normalization",)),
    "after resizing": (
        lambda keras, tf: lambda x: keras.layers.Rescaling(1 / 255)(keras.layers.Resizing(8, 8)(x)),
        ("Rescaling",),
    ),
    "after augmentation": (
        lambda keras, tf: lambda x: keras.layers.Rescaling(2.0, -1.0)(
            keras.layers.RandomFlip()(x)),
        ("Rescaling",),
    ),
    "operations": (
        lambda keras, tf: lambda x: x / 127.5 - 1.0, ("math.truediv", "math.subtract")
    ),
    "Lambda": (lambda keras, tf: keras.layers.Lambda(lambda x: x / 255.0), ("Lambda",)),
    "batch norm": (lambda keras, tf: keras.layers.BatchNormalization(), ()),
    "preprocess_input, tf": (
        lambda keras, tf: keras.applications.mobilenet.preprocess_input,
        ("math.truediv", "math.subtract"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", FRONTS)
def test_steps_that_scale_or_shift_are_found(keras, form):
    import tensorflow as tf

    make, expected = FRONTS[form]
    assert front_of(network(keras, make(keras, tf))).steps == expected


def test_whole_numbers_are_followed_through_their_cast(keras):
    import tensorflow as tf

    model = network(keras, lambda x: tf.cast(x, tf.float32) / 255.0, dtype="uint8")
    assert front_of(model).steps[-1] == "math.truediv"
    model = network(keras, keras.layers.Rescaling(1 / 255.0), dtype="uint8")
    assert front_of(model).steps == ("Rescaling",)


def test_preprocessing_of_imagenet_networks_is_found(keras):
    caffe = network(keras, keras.applications.vgg16.preprocess_input)
    assert len(front_of(caffe).steps) >= 1
    torch = network(keras, keras.applications.densenet.preprocess_input)
    assert len(front_of(torch).steps) >= 2


def test_strength_is_what_the_first_learning_layer_is_given(keras):
    model = network(keras, keras.layers.Rescaling(0.5, 1.0))
    images = np.random.default_rng(0).normal(0, 1, (5, *SHAPE)).astype(np.float32)
    expected = np.sqrt(np.mean((images * 0.5 + 1) ** 2))
    assert front_of(model).strength(images) == pytest.approx(expected, rel=1e-5)
