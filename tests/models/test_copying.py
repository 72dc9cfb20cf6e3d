"""Copies of networks in which users' own functions and classes stand."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.models.copying import clone, plain_copy


def own_classes(keras):
    import tensorflow as tf

    class Halved(keras.layers.Layer):
        def call(self, x):
            return x / 2

    class Penalty(keras.regularizers.Regularizer):
        def __call__(self, w):
            return 0.1 * tf.reduce_sum(abs(w))

    class Small(keras.initializers.Initializer):
        def __call__(self, shape, dtype=None, **kwargs):
            return tf.fill(shape, 0.01)

    class Cell(keras.layers.Layer):
        state_size = output_size = 2

        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.dense = keras.layers.Dense(units)

        def call(self, x, states):
            new = self.dense(x) + states[0]
            return new, [new]

    return Halved, Penalty, Small, Cell


def cases(keras):
    """Return name -> (input shape, layer) with something of the user's own in it."""
    import tensorflow as tf

    layers = keras.layers
    halved, penalty, small, cell = own_classes(keras)

    def scaled(t):
        return tf.nn.relu(t) * 1.3

    return {
        "lambda": ((6, 6, 1), lambda: layers.Conv2D(2, 3, activation=lambda t: t * 1.3)),
        "function": ((5,), lambda: layers.Dense(2, activation=scaled)),
        "a function of tf": ((5,), lambda: layers.Dense(2, activation=tf.math.softsign)),
        "initializer": ((5,), lambda: layers.Dense(2, kernel_initializer=small())),
        "regularizer": ((5,), lambda: layers.Dense(2, kernel_regularizer=penalty())),
        "constraint": ((5,), lambda: layers.Dense(2, bias_constraint=lambda w: w * 0.5)),
        "activity": ((5,), lambda: layers.Dense(2, activity_regularizer=penalty())),
        "activity of a norm": ((5,), lambda: layers.BatchNormalization(activity_regularizer="l2")),
        "slopes": ((5,), lambda: layers.PReLU(alpha_initializer=small())),
        "in a wrapper": (
            (3, 5),
            lambda: layers.TimeDistributed(layers.Dense(2, activation=scaled)),
        ),
        "own layer in a wrapper": ((3, 5), lambda: layers.TimeDistributed(halved())),
        "recurrent": ((3, 5), lambda: layers.LSTM(2, activation=scaled)),
        "own cell": ((3, 5), lambda: layers.RNN(cell(2))),
        "own layer": ((5,), lambda: halved(name="half")),
    }


NAMES = ("lambda", "function", "a function of tf", "initializer", "regularizer", "constraint",
         "activity", "activity of a norm", "slopes", "in a wrapper", "own layer in a wrapper",
         "recurrent", "own cell", "own layer")  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_computes_the_same_and_pays_the_same_penalties(keras, name):
    assert set(cases(keras)) == set(NAMES)
    shape, make = cases(keras)[name]
    inputs = keras.Input(shape)
    model = keras.Model(inputs, make()(inputs))
    copy = plain_copy(model)
    x = np.random.default_rng(0).normal(size=(4, *shape)).astype("float32")
    np.testing.assert_array_equal(copy(x), model(x))
    np.testing.assert_array_equal(copy.losses, model.losses)
    ours, theirs = ({id(v) for v in one.variables} for one in (model, copy))
    assert not ours & theirs
    if name in ("regularizer", "activity", "activity of a norm"):
        assert len(copy.losses) == 1


def test_the_original_keeps_its_functions(keras):
    shape, make = cases(keras)["in a wrapper"]
    inputs = keras.Input(shape)
    layer = make()
    model = keras.Model(inputs, layer(inputs))
    before = layer.layer.activation
    clone(model)
    assert layer.layer.activation is before
