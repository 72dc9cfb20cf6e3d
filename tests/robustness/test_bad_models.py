"""Models that can't be pruned: unknown, damaged, dangerous, or not for these images."""

from __future__ import annotations

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
