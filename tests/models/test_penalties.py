"""No penalty of a user's model is lost on the way to the network that is trained."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.penalties import check_penalties

SHAPE = (6, 6, 1)


def network(keras, *, inner=False, **conv):
    image = keras.Input(SHAPE)
    hidden = keras.layers.Conv2D(3, 3, activation="relu", **conv)(image)
    part = keras.Model(image, hidden)
    if inner:
        part.add_loss(100.0 * hidden)
    outer = keras.Input(SHAPE)
    flat = keras.layers.Flatten()(part(outer))
    return keras.Model(outer, keras.layers.Dense(4)(flat), name="net")


def lost(keras, kind):
    if kind == "a model within":
        return network(keras, inner=True)
    model = network(keras)
    if kind == "a function":
        kernel = model.layers[-1].kernel
        model.add_loss(lambda: 100.0 * (kernel * kernel))
    elif kind == "a function of a layer":
        layer = model.layers[-1]
        layer.add_loss(lambda: 100.0 * (layer.kernel * layer.kernel))
    else:
        model.activity_regularizer = keras.regularizers.L2(10.0)
    return model


@pytest.mark.parametrize(
    "kind", ["a model within", "a function", "a function of a layer", "a model's activity"]
)
def test_a_penalty_that_a_copy_would_lose_is_refused(kind):
    import tf_keras

    from tfprune.models.copying import unfolded

    model = lost(tf_keras, kind)
    with pytest.raises(InputError) as caught:
        check_penalties(model, unfolded(model).model, input_shape=SHAPE)
    text = str(caught.value)
    assert text.startswith("model 'net' adds ")
    assert text.endswith(
        " to its loss, and the copy of it that is trained 0. What is lost is no layer's own: "
        "add_loss with a function, a penalty of a model within the model, or an "
        "activity_regularizer of a model. Give a layer a regularizer, or call add_loss in a layer "
        "of your own or on the outer model with a tensor."
    )


@pytest.mark.parametrize("conv", [{}, {"kernel_regularizer": "l2"}, {"activity_regularizer": "l1"}])
def test_penalties_of_layers_are_kept(conv):
    import tf_keras

    from tfprune.models.copying import unfolded

    model = network(tf_keras, **conv)
    check_penalties(model, unfolded(model).model, input_shape=SHAPE)
    model(np.ones((2, *SHAPE)))
    assert bool(model.losses) == bool(conv)


@pytest.mark.parametrize("inputs", [lambda image: {"image": image}, lambda image: [image]])
def test_models_of_keras_3_are_asked_as_they_take_their_input(keras, inputs):
    """Keras warns otherwise, and warnings are errors here."""
    from tfprune.models.files.convert import convert_to_keras2
    from tfprune.models.libraries import keras3

    layers = keras3().layers
    image = keras3().Input(SHAPE, name="image")
    x = layers.Dense(4, activity_regularizer="l2")(layers.Flatten()(image))
    theirs = keras3().Model(inputs(image), x)
    check_penalties(theirs, convert_to_keras2(theirs).model, input_shape=SHAPE)
