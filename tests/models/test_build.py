"""What `--model` takes besides a built-in name."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models import build_model

FITS = {"input_shape": (8, 8, 1), "n_classes": 10, "seed": 0}


def test_an_unknown_name_gets_the_nearest_ones_and_the_other_forms():
    with pytest.raises(InputError) as caught:
        build_model("resnet21", **FITS)
    message = str(caught.value)
    assert message.startswith(
        "unknown model 'resnet21'; did you mean 'resnet32' or 'resnet20' or 'resnet56'? Known: "
        "digits-cnn, lenet300, "
    )
    assert message.endswith(
        "Or give a saved Keras model (a file or folder), applications/NAME of Keras, or "
        "package.module:function."
    )


def test_a_saved_model_keeps_the_weights_in_its_file(keras, tmp_path):
    saved = build_model("digits-cnn", input_shape=(8, 8, 1), n_classes=10, seed=5)
    file = tmp_path / "mine.keras"
    saved.save(file)
    loaded = build_model(str(file), **FITS)
    for a, b in zip(saved.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_saved_model_that_does_not_fit_the_classes_is_refused(keras, tmp_path):
    file = tmp_path / "mine.keras"
    build_model("digits-cnn", **FITS).save(file)
    with pytest.raises(InputError, match="10"):
        build_model(str(file), input_shape=(8, 8, 1), n_classes=7, seed=0)


@pytest.mark.parametrize("name", ["missing.keras", "some/where", "nets.H5"])
def test_what_looks_like_a_file_is_taken_for_one(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as caught:
        build_model(name, **FITS)
    assert name in str(caught.value)
    assert "unknown model" not in str(caught.value)


def test_a_function_builds_the_same_network_from_the_same_seed(keras, tmp_path, monkeypatch):
    (tmp_path / "my_networks_of_a_test.py").write_text(
        "import tf_keras\n"
        "def small(input_shape, n_classes):\n"
        "    inputs = tf_keras.Input(input_shape)\n"
        "    x = tf_keras.layers.Flatten()(inputs)\n"
        "    return tf_keras.Model(inputs, tf_keras.layers.Dense(n_classes)(x))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    reference = "my_networks_of_a_test:small"
    one, same, other = (
        build_model(reference, input_shape=(8, 8, 1), n_classes=10, seed=seed).get_weights()
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one[0], same[0])
    assert not np.array_equal(one[0], other[0])
    sys.modules.pop("my_networks_of_a_test")


def test_an_unknown_application_gets_the_nearest_ones(keras):
    with pytest.raises(InputError, match="unknown application 'ResNet51'; did you mean 'ResNet"):
        build_model("applications/ResNet51", **FITS)
