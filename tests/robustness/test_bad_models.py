"""Models that can't be pruned: unknown, damaged, dangerous, or not for these images."""

from __future__ import annotations

import re
import warnings

import pytest

NAMES = [
    ("digits-cn", "'digits-cn'", "did you mean 'digits-cnn'"),
    ("resnet50", "'resnet50'", "applications/NAME"),
    ("missing.keras", "'missing.keras'"),
    ("models/missing.h5", "'models/missing.h5'"),
    ("applications/ResNet5", "'ResNet5", "did you mean"),
    ("applications/", "unknown application ''", "VGG16"),
    ("nosuchmodule:make", "'nosuchmodule"),
    ("math:pi", "math:pi"),
    ("math:sqrtt", "sqrtt", "sqrt"),
    ("math:sqrt", "math:sqrt"),
    ("os:getcwd", "os:getcwd"),
    (":make", ":make"),
    ("module:", "module:"),
    ("not a module:make", "not a module"),
]

# what --model is given, as file name and content
FILES = [
    ("text.keras", b"not a model"),
    ("empty.keras", b""),
    ("empty.h5", b""),
    ("text.h5", b"not a model"),
    ("short.h5", b"\x89HDF\r\n\x1a\n"),
    ("short.keras", b"PK\x03\x04" + bytes(30)),
    ("weights.npz", b"PK\x05\x06" + bytes(18)),
]


@pytest.mark.parametrize(("name", "parts"), [(name, parts) for name, *parts in NAMES])
def test_a_model_that_is_not_there_is_refused(refused, name, parts):
    message = refused("run", "--model", name)
    for part in parts:
        assert part in message


@pytest.mark.parametrize(("name", "content"), FILES)
def test_a_file_that_holds_no_model_is_refused(refused, tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    assert name in refused("run", "--model", f"./{name}")
    assert name in refused("compare", f"./{name}", f"./{name}", "--dataset", "digits")


def test_a_folder_without_a_model_is_refused(refused, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "folder" in refused("run", "--model", "./folder")


@pytest.fixture
def saved(tmp_path, keras):
    """Save a Sequential of these layers; return its name."""

    def save(*layers, shape=(8, 8, 1), name="model.keras"):
        model = keras.Sequential([keras.layers.Input(shape), *layers])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # .h5 is what some users have
            model.save(tmp_path / name)
        return f"./{name}"

    return save


def test_a_model_for_other_images_is_refused(refused, saved, keras):
    layers = keras.layers
    name = saved(
        layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(10), shape=(32, 32, 3)
    )  # fmt: skip
    message = refused("run", "--model", name)
    assert "32" in message
    assert "8" in message


def test_a_model_for_another_number_of_classes_is_refused(refused, saved, keras):
    layers = keras.layers
    message = refused("run", "--model", saved(layers.Conv2D(4, 3), layers.Flatten(),
                                              layers.Dense(7)))  # fmt: skip
    assert "7" in message
    assert "10" in message


def test_a_model_without_hidden_layers_is_refused(refused, saved, keras):
    message = refused("run", "--model", saved(keras.layers.Flatten(), keras.layers.Dense(10)))
    assert "no hidden layer" in message


def test_a_file_that_runs_code_when_it_is_loaded_is_refused(refused, saved, keras):
    layers = keras.layers
    name = saved(layers.Lambda(lambda x: x * 2), layers.Flatten(), layers.Dense(10), name="l.h5")
    message = refused("run", "--model", name)
    assert "Lambda" in message
    assert "--trust-model" in message


@pytest.mark.parametrize("size", [1, 2, 3])
def test_images_too_small_for_a_model_are_refused(refused, size):
    message = refused("run", "--model", "vgg11", "--image-size", str(size))
    assert "vgg11" in message


def test_a_model_of_which_nothing_is_trainable_is_refused(refused, tmp_path, saved, keras):
    layers = keras.layers
    frozen = [layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(10)]
    for layer in frozen:
        layer.trainable = False
    message = refused("run", "--model", saved(*frozen))
    assert re.sub(r"sequential\w*", "sequential", message) == (
        "Invalid value for '--model': model 'sequential' has trainable=False on all its layers, "
        "so nothing would be trained. Set model.trainable = True before you save or return it."
    )


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_a_channels_first_model_is_refused(refused, saved, keras, name):
    layers = keras.layers
    file = saved(
        layers.Permute((3, 1, 2)), layers.Conv2D(4, 3, data_format="channels_first", name="first"),
        layers.Flatten(), layers.Dense(10), name=name,
    )  # fmt: skip
    assert refused("run", "--model", file) == (
        "layer 'first' (Conv2D) has data_format='channels_first'; tfprune prunes and compares "
        "channels on the last axis, where TensorFlow on a CPU needs them too. Build the model with "
        "data_format='channels_last'."
    )


def test_a_file_with_a_layer_of_ones_own_is_refused(refused, saved, keras):
    class Mine(keras.layers.Layer):
        def call(self, x):
            return x

    layers = keras.layers
    message = refused("run", "--model", saved(Mine(), layers.Flatten(), layers.Dense(10)))
    assert message == (
        "model file './model.keras' at config.layers: 'Mine' is not a class of Keras, and of any "
        "other a file holds no more than the name. Give the function that builds the model, as "
        "package.module:function."
    )


FUNCTIONS = """
import tf_keras as k
from tf_keras import layers as L

class Wild(k.Model):
    def call(self, x):
        return x

def subclassed(shape, n):
    return Wild()

def fails(shape, n):
    return L.Conv2D(4, 99)(k.Input(shape))

def without_config(shape, n):
    class Odd(L.Layer):
        def __init__(self, size, **options):
            super().__init__(**options)
            self.size = size
        def get_config(self):
            return super().get_config()
        def call(self, x):
            return x * self.size
    image = k.Input(shape)
    x = Odd(2.0)(L.Conv2D(4, 3, activation="relu")(image))
    return k.Model(image, L.Dense(n)(L.Flatten()(x)))
"""


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("subclassed", "is a subclass of tf_keras.Model (Wild): its layers are wired by Python"),
        ("fails", "the model function 'functions_of_mine:fails' raised"),
        (
            "without_config",
            "A layer or model class of your own needs get_config() with every argument",
        ),
    ],
)
def test_a_function_whose_model_can_t_be_used_is_refused(
    refused, tmp_path, monkeypatch, function, words
):
    import sys

    (tmp_path / "functions_of_mine.py").write_text(FUNCTIONS)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.delitem(sys.modules, "functions_of_mine", raising=False)
    assert words in refused("run", "--model", f"functions_of_mine:{function}")
