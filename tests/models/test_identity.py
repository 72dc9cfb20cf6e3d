"""A model is known again by what it is, whatever it is called and wherever it was trained to."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.identity import (
    ModelIdentity,
    answers_of,
    check_trusted_file,
    identity_of,
    same_answers,
)


def network(keras, *, names=("c", "d"), activation="relu", rate=0.1, skip=False, penalty=None):
    layers = keras.layers
    image = keras.Input((6, 6, 1))
    first = layers.Conv2D(1, 3, padding="same", name=names[0], kernel_regularizer=penalty)(image)
    x = layers.Activation(activation)(layers.Add()([first, image if skip else first]))
    x = layers.Dropout(rate)(x)
    return keras.Model(image, layers.Dense(3, name=names[1])(layers.Flatten()(x)))


def known(model, *, file=None, keeps_weights=True):
    return identity_of(model, file=file, keeps_weights=keeps_weights)


def test_a_model_built_again_under_other_names_is_the_same(keras):
    one, other = network(keras), network(keras, names=("stem", "head"))
    other.set_weights(one.get_weights())
    assert known(one).changes(known(other)) == ()
    assert known(one) == known(other)


def test_a_sequential_whose_layers_lack_its_input_is_known_too(keras):
    def sequential(activation):
        layers = keras.layers
        first = layers.Conv2D(1, 3, activation=activation)
        parts = [keras.Input((6, 6, 1)), first, layers.Flatten(), layers.Dense(3)]
        return keras.Sequential(parts)

    one, other, third = sequential("relu"), sequential("relu"), sequential("tanh")
    for model in (other, third):
        model.set_weights(one.get_weights())
    assert known(one) == known(other)
    assert known(one).changes(known(third)) == ("its layers or their settings",)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"rate": 0.2}, "its layers or their settings"),
        ({"skip": True}, "its layers or their settings"),
        ({"activation": "tanh"}, "its layers or their settings"),
    ],
)
def test_other_layers_settings_or_wiring_are_named(keras, change, named):
    one, other = network(keras), network(keras, **change)
    other.set_weights(one.get_weights())
    assert known(one).changes(known(other)) == (named,)


def test_a_function_of_one_s_own_is_told_from_another_by_what_it_computes(keras):
    import tensorflow as tf

    def written(function):
        return network(keras, activation=lambda x: function(x))

    one, other = written(tf.nn.relu), written(lambda x: tf.sin(5 * x))
    other.set_weights(one.get_weights())
    assert known(one).changes(known(other)) == ("what it computes from the same weights",)
    assert known(one).changes(known(written(tf.nn.relu), keeps_weights=False)) == ("its weights",)
    assert not same_answers(answers_of(one), answers_of(other))


def test_a_penalty_of_one_s_own_is_told_from_another(keras):
    def written(factor):
        return network(keras, penalty=lambda w: factor * keras.backend.sum(w * w))

    one, other = written(0.1), written(0.2)
    other.set_weights(one.get_weights())
    assert known(one).changes(known(other)) == ("what it computes from the same weights",)


def test_weights_count_where_training_begins_from_them_and_of_frozen_layers(keras):
    one, other = network(keras), network(keras)  # each draws its own
    assert known(one).changes(known(other)) == ("its weights",)
    assert known(one, keeps_weights=False).changes(known(other, keeps_weights=False)) == ()
    for model in (one, other):
        model.get_layer("c").trainable = False
    changes = known(one, keeps_weights=False).changes(known(other, keeps_weights=False))
    assert changes == ("its weights",)


def test_a_network_has_its_own_weights_after_it_was_asked(keras):
    model = network(keras)
    before = model.get_weights()
    known(model)
    for value, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_a_model_that_answers_otherwise_every_time_is_known_by_its_layers_alone(keras):
    def noisy():
        image = keras.Input((6, 6, 1))
        x = keras.layers.Dropout(0.5)(image, training=True)
        return keras.Model(image, keras.layers.Dense(3)(keras.layers.Flatten()(x)))

    one, other = known(noisy(), keeps_weights=False), known(noisy(), keeps_weights=False)
    assert one.answers == ()
    assert one.changes(other) == ()


def test_an_identity_comes_back_from_json_and_runs_of_before_have_none(keras):
    import json

    one = known(network(keras))
    assert ModelIdentity.from_json(json.dumps(one.as_dict())) == one
    assert len(json.dumps(one.as_dict())) < 5000  # what MLflow keeps of a tag
    for nothing in (None, "", "{}", "[", "null"):
        assert ModelIdentity.from_json(nothing) is None
    assert ModelIdentity.from_dict({**one.as_dict(), "answers": None}) is None


def test_the_same_file_is_the_same_model_and_trust_is_given_to_one_file_alone(keras, tmp_path):
    path = tmp_path / "mine.h5"
    path.write_bytes(b"one")
    model = network(keras)
    one = known(model, file=str(path))
    check_trusted_file(str(path), one, whose="run 1")
    check_trusted_file(str(path), None, whose="run 1")
    path.write_bytes(b"two")
    assert one.file != known(model, file=str(path)).file
    with pytest.raises(InputError) as caught:
        check_trusted_file(str(path), one, whose="run 1")
    assert str(caught.value) == (
        f"{str(path)!r} is another file now than the one that run 1 was allowed to run code of "
        "(--trust-model). Put that one back."
    )
