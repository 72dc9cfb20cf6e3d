"""Models made by the user's function, and by keras.applications."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import from_applications, from_factory
from tfprune.models.libraries import replaced_settings_told


@pytest.fixture(autouse=True)
def nothing_left_to_tell() -> Iterator[None]:
    """What these modules set in Keras is told once in a process: not in the tests that follow."""
    yield
    replaced_settings_told()


MODULE = """
import keras
import tf_keras

CONSTANT = 3

def three(input_shape, n_classes):
    return keras.Sequential([
        keras.Input(input_shape), keras.layers.Flatten(), keras.layers.Dense(n_classes)
    ])

def two(input_shape, n_classes):
    return tf_keras.Sequential([
        tf_keras.Input(input_shape), tf_keras.layers.Flatten(), tf_keras.layers.Dense(n_classes)
    ])

def fixed():
    return two((4, 4, 1), 7)

def nothing(input_shape, n_classes):
    two(input_shape, n_classes)

def pair(input_shape, n_classes):
    return two(input_shape, n_classes), {}

def number(input_shape, n_classes):
    return 3

def broken(input_shape, n_classes):
    return {}["conv1"]

def unbuilt(input_shape, n_classes):
    return tf_keras.Sequential([tf_keras.layers.Dense(n_classes)])
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, keras3: Any) -> Iterator[Path]:
    """A current directory with a module of model functions in it."""
    (tmp_path / "my_nets.py").write_text(MODULE)
    (tmp_path / "my_broken_nets.py").write_text("import no_such_package_xyz")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("my_nets", "my_broken_nets"):
        sys.modules.pop(name, None)


def test_a_function_in_the_current_directory_builds_the_model(here: Path, keras: Any) -> None:
    before = list(sys.path)
    model, origin = from_factory("my_nets:two", (8, 8, 3), 5)
    assert isinstance(model, keras.Model)
    assert model.input_shape == (None, 8, 8, 3)
    assert model.output_shape == (None, 5)
    assert (origin.kind, origin.path) == ("keras2-object", "my_nets:two")
    assert sys.path == before


def test_a_keras_3_model_from_a_function_is_converted_and_kept(
    here: Path, keras: Any, predict: Any
) -> None:
    model, origin = from_factory("my_nets:three", (8, 8, 3), 5)
    assert isinstance(model, keras.Model)
    assert origin.kind == "keras3-object"
    x = np.random.default_rng(0).random((2, 8, 8, 3), dtype="float32")
    np.testing.assert_allclose(predict(model, x), predict(origin.source_model, x), atol=1e-6)


def test_a_function_is_given_only_what_it_takes(here: Path) -> None:
    model, _ = from_factory("my_nets:fixed", (8, 8, 3), 5)
    assert model.output_shape == (None, 7)


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("my_nets", "a model function is written as package.module:function; got 'my_nets'."),
        (":two", "a model function is written as package.module:function; got ':two'."),
        (
            "no_such_module:f",
            "no module 'no_such_module' for the model function ",
        ),
        ("my_nets:tow", "unknown function of my_nets 'tow'; did you mean 'two'"),
        ("my_nets:CONSTANT", "'my_nets:CONSTANT' is not a function but of type int."),
        (
            "my_nets:nothing",
            "the model function 'my_nets:nothing' must return a tf_keras.Model or a keras.Model "
            "(Keras 3); it returned None (is its return statement missing?).",
        ),
        ("my_nets:pair", "it returned a tuple of 2; return the model alone."),
        ("my_nets:number", "it returned a builtins.int."),
        (
            "my_nets:broken",
            "the model function 'my_nets:broken' raised KeyError: 'conv1'. It is called with "
            "input_shape=(8, 8, 3) and n_classes=5.",
        ),
        (
            "my_broken_nets:f",
            "importing 'my_broken_nets' for the model function 'my_broken_nets:f' raised "
            "ModuleNotFoundError: No module named 'no_such_package_xyz'.",
        ),
        ("my_nets:unbuilt", "has no input shape yet. Begin it with tf_keras.Input(shape)"),
    ],
)
def test_what_goes_wrong_with_a_function_is_said(here: Path, reference: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        from_factory(reference, (8, 8, 3), 5)
    assert expected in str(caught.value)


@pytest.mark.slow
def test_an_application_is_built_for_the_data_and_converted(keras: Any) -> None:
    model, origin = from_applications("applications/MobileNetV3Small", (32, 32, 3), 7)
    assert isinstance(model, keras.Model)
    assert model.output_shape == (None, 7)
    assert (origin.kind, origin.path) == ("keras3-object", "applications/MobileNetV3Small")


@pytest.mark.slow
def test_an_application_takes_a_file_of_weights_that_fits(
    keras3: Any, tmp_path: Path, predict: Any
) -> None:
    source = keras3.applications.MobileNetV3Small(weights=None, input_shape=(32, 32, 3), classes=3)
    path = tmp_path / "mobile.weights.h5"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Keras's own, about NumPy's protocol
        source.save_weights(path)
    model, _ = from_applications("applications/MobileNetV3Small", (32, 32, 3), 3, weights=path)
    x = 255 * np.random.default_rng(0).random((2, 32, 32, 3), dtype="float32")
    np.testing.assert_allclose(predict(model, x), predict(source, x), atol=1e-6)
    with pytest.raises(InputError, match=r"can't be built for input_shape=\(32, 32, 3\) and n_cl"):
        from_applications("applications/MobileNetV3Small", (32, 32, 3), 4, weights=path)


def test_what_goes_wrong_with_an_application_is_said(tmp_path: Path, keras3: Any) -> None:
    with pytest.raises(InputError, match=r"^unknown application 'ResNet51'; did you mean 'ResNet5"):
        from_applications("applications/ResNet51", (32, 32, 3), 7)
    with pytest.raises(InputError, match=r"^applications/VGG16 can't be built for input_shape=\(8"):
        from_applications("applications/VGG16", (8, 8, 3), 7)
    with pytest.raises(InputError, match="Nothing is downloaded: fetch pretrained weights"):
        from_applications("applications/VGG16", (32, 32, 3), 7, weights="imagenet")
    bad = tmp_path / "bad.h5"
    bad.write_bytes(b"nothing")
    with pytest.raises(InputError, match="is damaged or no HDF5 file"):
        from_applications("applications/VGG16", (32, 32, 3), 7, weights=bad)


def test_what_a_module_sets_for_all_layers_when_imported_does_not_reach_its_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sets_channels.py").write_text(
        "import tf_keras\n"
        "tf_keras.backend.set_image_data_format('channels_first')\n"
        "def make(shape, n):\n"
        "    layers = tf_keras.layers\n"
        "    conv = layers.Conv2D(4, 3, input_shape=shape)\n"
        "    return tf_keras.Sequential([conv, layers.Flatten(), layers.Dense(n)])\n"
    )
    monkeypatch.chdir(tmp_path)
    model, _ = from_factory("sets_channels:make", (8, 8, 1), 10)
    assert [layer.output_shape for layer in model.layers][-3:-1] == [(None, 6, 6, 4), (None, 144)]
