"""Does a model fit a data set: every misfit has its own message; outputs are told apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import check_fits, output_kind

DATA = "but the data set has images of shape (8, 8, 3) (height, width, channels)"


def classifier(keras: Any, shape: tuple[Any, ...], n: int, **options: Any) -> Any:
    image = keras.Input(shape, **options)
    x = keras.layers.GlobalAveragePooling2D()(image)
    return keras.Model(image, keras.layers.Dense(n)(x), name="net")


@pytest.mark.parametrize("shape", [(8, 8, 3), (None, None, 3)])
def test_a_model_that_fits_passes(keras: Any, shape: Any) -> None:
    check_fits(classifier(keras, shape, 4), (8, 8, 3), 4)


def test_one_output_serves_two_classes(keras: Any) -> None:
    check_fits(classifier(keras, (8, 8, 3), 1), (8, 8, 3), 2)


@pytest.mark.parametrize(
    ("shape", "n", "expected"),
    [
        (
            (8, 8, 1),
            4,
            f"model 'net' takes inputs of shape (batch, 8, 8, 1), {DATA}: 1 channels against 3. "
            "Choose a data set with as many channels, or change the model's input.",
        ),
        (
            (3, 8, 8),
            4,
            f"model 'net' takes inputs of shape (batch, 3, 8, 8), {DATA}: 8 channels against 3. "
            "The model is channels-first; TensorFlow on a CPU needs channels-last.",
        ),
        (
            (16, 8, 3),
            4,
            f"model 'net' takes inputs of shape (batch, 16, 8, 3), {DATA}. Build the model for "
            "(8, 8, 3), begin it with Resizing(16, 8), or choose a data set of its size.",
        ),
        (
            (8, 8, 3),
            10,
            "model 'net' tells 10 classes apart, the data set has 4. Give it an output layer "
            "Dense(4), or choose a data set with 10 classes.",
        ),
    ],
)
def test_a_misfit_says_which_side_has_what(
    keras: Any, shape: tuple[int, ...], n: int, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_fits(classifier(keras, shape, n), (8, 8, 3), 4)
    assert str(caught.value) == expected


def dense(keras: Any, shape: tuple[int, ...]) -> Any:
    x = keras.Input(shape)
    return keras.Model(x, keras.layers.Dense(4)(x), name="net")


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (
            (8, 8),
            f"model 'net' takes inputs of shape (batch, 8, 8), {DATA}. The model lacks a channel "
            "dimension; begin the model with Reshape((height, width, 1)).",
        ),
        (
            (8, 3),
            f"model 'net' takes inputs of shape (batch, 8, 3), {DATA}. The model lacks the batch "
            "dimension or the channels; keras.Input(shape) is written without batch.",
        ),
        (
            (192,),
            "model 'net' takes inputs of shape (batch, 192): flattened images; the data set has "
            "images of shape (8, 8, 3) (height, width, channels). Begin the model with "
            "keras.Input((8, 8, 3)) and Flatten, which gives 192 values.",
        ),
        (
            (5, 8, 8, 3),
            f"model 'net' takes inputs of shape (batch, 5, 8, 8, 3), {DATA}: four dimensions with "
            "the batch are needed.",
        ),
    ],
)
def test_missing_dimensions_are_explained(
    keras: Any, shape: tuple[int, ...], expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        check_fits(dense(keras, shape), (8, 8, 3), 4)
    assert str(caught.value) == expected


def test_an_answer_in_a_dictionary_is_refused(keras: Any) -> None:
    image = keras.Input((8, 8, 3))
    found = {"scores": keras.layers.Dense(4)(keras.layers.Flatten()(image))}
    with pytest.raises(InputError) as caught:
        check_fits(keras.Model(image, found, name="net"), (8, 8, 3), 4)
    assert str(caught.value) == (
        "model 'net' returns a dictionary ('scores'); an experiment on image classification "
        "needs models that return one array. Build one with Model(model.inputs, "
        "model.outputs[0])."
    )


def test_an_output_with_places_is_no_classifier(keras: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_fits(dense(keras, (8, 8, 3)), (8, 8, 3), 4)
    assert str(caught.value) == (
        "model 'net' outputs (batch, 8, 8, 4); a classifier outputs (batch, 4). Add "
        "GlobalAveragePooling2D or Flatten, and Dense(4)."
    )


def test_a_fixed_batch_size_is_explained(keras: Any) -> None:
    model = classifier(keras, (8, 8, 3), 4, batch_size=16)
    with pytest.raises(InputError, match=r"its batch size is fixed at 16\. Build it with"):
        check_fits(model, (8, 8, 3), 4)


def test_several_inputs_or_outputs_are_refused_with_their_names(keras: Any) -> None:
    a, b = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    both = keras.Model([a, b], keras.layers.Add()([a, b]), name="net")
    with pytest.raises(InputError) as caught:
        check_fits(both, (8, 8, 3), 4)
    assert str(caught.value) == (
        "model 'net' has 2 inputs ('left', 'right'); an experiment on image classification uses "
        "models with one. Make a model of the part with one input."
    )
    x = keras.layers.Flatten()(a)
    two = keras.Model(a, [keras.layers.Dense(4)(x), keras.layers.Dense(4)(x)], name="net")
    with pytest.raises(InputError, match=r"^model 'net' has 2 outputs \("):
        check_fits(two, (8, 8, 3), 4)


def test_a_grey_image_without_channel_is_explained(keras: Any) -> None:
    with pytest.raises(InputError) as caught:
        check_fits(dense(keras, (8,)), (28, 28), 4)
    assert str(caught.value) == (
        "input_shape is (height, width, channels) of one image; got (28, 28). Grey images have "
        "channels = 1."
    )


OUTPUTS = [
    ("softmax", lambda k, tf, x: k.Dense(4, activation="softmax")(x)),
    ("softmax", lambda k, tf, x: k.Dense(4, activation=tf.nn.softmax)(x)),
    ("softmax", lambda k, tf, x: k.Dense(4, activation=lambda v: tf.nn.softmax(v))(x)),
    ("softmax", lambda k, tf, x: k.Softmax()(k.Dense(4)(x))),
    ("softmax", lambda k, tf, x: k.Activation("softmax", dtype="float32")(k.Dense(4)(x))),
    ("softmax", lambda k, tf, x: k.Activation("linear")(k.Dense(4, activation="softmax")(x))),
    ("softmax", lambda k, tf, x: k.Flatten()(k.Reshape((2, 2))(k.Dense(4, "softmax")(x)))),
    ("softmax", lambda k, tf, x: k.Lambda(lambda v: tf.nn.softmax(v))(k.Dense(4)(x))),
    ("softmax", lambda k, tf, x: tf.nn.softmax(k.Dense(4)(x))),
    ("softmax", lambda k, tf, x: k.Average()([k.Dense(4, "softmax")(x), tf.nn.softmax(x[:, :4])])),
    ("sigmoid", lambda k, tf, x: k.Dense(1, activation="sigmoid")(x)),
    ("sigmoid", lambda k, tf, x: k.Dense(1, activation=tf.sigmoid)(x)),
    ("sigmoid", lambda k, tf, x: tf.sigmoid(k.Dense(1)(x))),
    ("sigmoid", lambda k, tf, x: 1 / (1 + tf.exp(-k.Dense(4)(x)))),
    ("logits", lambda k, tf, x: k.Dense(4)(x)),
    ("logits", lambda k, tf, x: k.Dense(1)(x)),
    ("logits", lambda k, tf, x: k.Dense(1, kernel_initializer="zeros")(x) * 0.5 + x[:, :1] / 50),
    ("logits", lambda k, tf, x: tf.nn.log_softmax(k.Dense(4)(x))),
    ("logits", lambda k, tf, x: k.Dense(4)(k.Softmax()(x))),
    ("logits", lambda k, tf, x: k.Dense(4, activation="relu")(x)),
    ("logits", lambda k, tf, x: k.Activation("linear")(k.Dense(4)(x))),
    ("logits", lambda k, tf, x: k.Add()([k.Softmax()(x), x])),
    ("logits", lambda k, tf, x: k.Flatten()(x)),
]


@pytest.mark.parametrize(("kind", "build"), OUTPUTS)
def test_outputs_are_told_apart_by_their_numbers(keras: Any, kind: str, build: Any) -> None:
    import tensorflow as tf

    x = keras.Input((6,))
    model = keras.Model(x, build(keras.layers, tf, x))
    assert output_kind(model, np.random.default_rng(0).normal(size=(50, 6))) == kind


def test_a_nested_model_is_no_exception(keras: Any) -> None:
    x = keras.Input((6,))
    inner = keras.Sequential([keras.Input((6,)), keras.layers.Dense(3, activation="sigmoid")])
    assert output_kind(keras.Model(x, inner(x)), np.ones((2, 6))) == "sigmoid"
