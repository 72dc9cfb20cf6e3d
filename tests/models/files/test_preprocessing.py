"""Networks that normalise their images themselves, and what a file says of them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.config.words import EXPORT_FORMATS
from tfprune.data.images import Normalization
from tfprune.errors import InputError
from tfprune.models.files import export_model, load_model, load_with_origin
from tfprune.models.files.metadata import ImageInputs, read_metadata, write_metadata
from tfprune.models.files.preprocessing import with_preprocessing
from tfprune.models.fits import front_of

MOMENTS = Normalization("standard", (120.0, 60.0, 30.0), (60.0, 20.0, 5.0))
TO_ONE = Normalization("scale", (0.0,) * 3, (255.0,) * 3)
AROUND = Normalization("symmetric", (127.5,) * 3, (127.5,) * 3)
NAMES = ("cat", "dog", "naïve bird", "of two\nlines")
INPUTS = ImageInputs((8, 8, 3), MOMENTS, NAMES)
FILES = {form: f"{form}{ending}" for form, ending in EXPORT_FORMATS.items()}


@pytest.fixture
def stored() -> np.ndarray:
    """Eight-bit images as they lie on a disk."""
    return np.random.default_rng(3).integers(0, 256, (6, 8, 8, 3)).astype("uint8")


@pytest.mark.parametrize("scale", [MOMENTS, TO_ONE, AROUND], ids=lambda scale: scale.mode)
def test_the_network_makes_of_stored_images_what_it_made_of_normalised_ones(
    small2: Any, stored: np.ndarray, predict: Any, scale: Normalization
) -> None:
    whole = with_preprocessing(small2, scale)
    expected = predict(small2, scale.apply(stored))
    np.testing.assert_allclose(predict(whole, stored.astype("float32")), expected, atol=1e-6)
    assert np.abs(predict(small2, stored.astype("float32")) - expected).max() > 0.1  # it matters
    kind = "Normalization" if scale.mode == "standard" else "Rescaling"
    assert [type(layer).__name__ for layer in whole.layers[:2]] == ["InputLayer", kind]
    assert [layer.name for layer in whole.layers[2:]] == [layer.name for layer in small2.layers[1:]]
    assert len(whole.weights) == len(small2.weights)  # it has no weights of its own
    assert front_of(whole).steps == (kind,)  # and a later run knows that it is there


def test_mode_none_needs_nothing(small2: Any) -> None:
    scale = Normalization("none", (0.0,) * 3, (1.0,) * 3)
    assert with_preprocessing(small2, scale) is small2


def test_a_layer_of_that_name_keeps_it(keras: Any, predict: Any, stored: np.ndarray) -> None:
    image = keras.Input((8, 8, 3), name="normalization")
    x = keras.layers.Conv2D(2, 3, name="normalization_1")(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D(name="rescaling")(x))
    whole = with_preprocessing(model, MOMENTS)
    assert [layer.name for layer in whole.layers if layer.name in ("normalization_1", "rescaling")]
    expected = predict(model, MOMENTS.apply(stored))
    np.testing.assert_allclose(predict(whole, stored.astype("float32")), expected, atol=1e-4)


@pytest.mark.parametrize("format", FILES)
def test_every_format_takes_images_as_they_are_stored_and_says_so(
    small2: Any, tmp_path: Path, format: str
) -> None:
    """Export reads the file back and holds its answers on stored images to the network's."""
    path = tmp_path / FILES[format]
    report = export_model(
        small2, path, format=format, inputs=INPUTS, preprocessing=True, about={"level": 3}
    )
    assert report.max_abs_difference <= 1e-5
    assert report.inputs is not None
    assert report.inputs.sentence() == "8 x 8 x 3, as they are stored"
    assert read_metadata(path) == {
        "level": 3,
        "images": {
            "shape": [8, 8, 3],
            "normalization": "standard",
            "mean": [120.0, 60.0, 30.0],
            "std": [60.0, 20.0, 5.0],
            "included": True,
        },
        "class_names": list(NAMES),
    }


@pytest.mark.parametrize("format", ["keras", "tf_keras", "h5"])
def test_a_file_without_preprocessing_says_what_to_do_with_images(
    small2: Any, tmp_path: Path, format: str
) -> None:
    path = tmp_path / FILES[format]
    report = export_model(small2, path, format=format, inputs=INPUTS)
    said = read_metadata(path)
    assert not said["images"]["included"]
    assert ImageInputs.from_dict(said) == INPUTS == report.inputs
    assert INPUTS.sentence() == "8 x 8 x 3, as (image - [120, 60, 30]) / [60, 20, 5]"
    assert load_model(path).count_params() == small2.count_params()


def test_what_a_file_says_is_read_without_tfprune(small2: Any, tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    for format, name in FILES.items():
        export_model(small2, tmp_path / name, format=format, inputs=INPUTS, preprocessing=True)
    with zipfile.ZipFile(tmp_path / FILES["keras"]) as archive:
        found = [json.loads(archive.read("metadata.json"))["tfprune"]]
    with h5py.File(tmp_path / FILES["h5"]) as file:
        found.append(json.loads(bytes(file["tfprune"])))
    beside = tmp_path / FILES["savedmodel"] / "assets.extra" / "tfprune.json"
    found.append(json.loads(beside.read_text()))
    with zipfile.ZipFile(tmp_path / FILES["tflite"]) as archive:
        found.append(json.loads(archive.read("tfprune.json")))
        labels = archive.read("labels.txt").decode()
    assert labels.splitlines() == ["cat", "dog", "naïve bird", "of two lines"]
    assert all(tuple(said["class_names"]) == NAMES for said in found)


def test_a_keras_3_model_leaves_as_its_own_object_behind_its_preprocessing(
    good: dict[str, Path], keras3: Any, tmp_path: Path, stored: np.ndarray, predict: Any
) -> None:
    model, origin = load_with_origin(good["keras3.keras"])
    expected = predict(model, MOMENTS.apply(stored))
    path = tmp_path / "keras.keras"
    export_model(
        model, path, format="keras", origin=origin, inputs=INPUTS, preprocessing=True
    )  # fmt: skip
    again = keras3.models.load_model(path, compile=False)
    assert [type(layer).__name__ for layer in again.layers] == [
        "InputLayer", "Normalization", "Functional",
    ]  # fmt: skip
    assert [layer.name for layer in again.layers[-1].layers] == [
        layer.name for layer in origin.source_model.layers
    ]
    np.testing.assert_allclose(again.predict(stored, verbose=0), expected, atol=1e-5)
    unfolded = load_model(path)
    assert front_of(unfolded).steps == ("Normalization",)
    np.testing.assert_allclose(predict(unfolded, stored.astype("float32")), expected, atol=1e-5)


def test_a_network_that_keras_3_cannot_hold_leaves_as_tf_keras_and_says_how_to_load_it(
    keras: Any, tmp_path: Path
) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.LocallyConnected2D(2, 3, name="local")(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    report = export_model(model, tmp_path / "x.keras", format="keras", inputs=INPUTS)
    assert report.library == "tf_keras"
    assert report.note == (
        "Keras 3 cannot represent this network (layer 'local' (LocallyConnected2D) can't be "
        "converted to Keras 3: Keras 3 has no such layer), so the file is one of tf_keras, which "
        "is installed with: pip install tf_keras"
    )
    assert report.load == f"tf_keras.models.load_model({str(tmp_path / 'x.keras')!r})"
    assert load_model(tmp_path / "x.keras").count_params() == model.count_params()
    assert ImageInputs.from_dict(read_metadata(tmp_path / "x.keras")) == INPUTS
    with pytest.raises(InputError, match="LocallyConnected2D"):
        export_model(model, tmp_path / "y.keras", format="keras3")


def test_what_keras_3_drops_is_said(keras: Any, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3))
    x = keras.layers.BatchNormalization()(keras.layers.Conv2D(2, 3)(image), training=False)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    report = export_model(model, tmp_path / "x.keras", format="keras")
    assert report.library == "keras"
    assert report.note == (
        "A training= that is fixed in the graph is not in the file, because Keras 3 cannot "
        "express one: predictions are the same, training it further is not. --format tf_keras "
        "keeps it."
    )


def test_preprocessing_needs_to_know_the_normalization(small2: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        export_model(small2, tmp_path / "x.keras", format="keras", preprocessing=True)
    assert str(caught.value) == (
        "preprocessing needs `inputs`, which say how images were normalised."
    )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"images": 5},
        {"images": {"shape": [8, 8, 3]}},
        {"images": {**INPUTS.as_dict()["images"], "std": [0.0, 1.0, 1.0]}},
        {"images": {**INPUTS.as_dict()["images"], "mean": [1.0]}},
        {"images": {**INPUTS.as_dict()["images"], "mean": ["a", "b", "c"]}},
        {**INPUTS.as_dict(), "class_names": 3},
    ],
)
def test_metadata_that_is_not_as_it_was_written_says_nothing(said: dict[str, Any]) -> None:
    assert ImageInputs.from_dict(said) is None


def test_files_of_others_say_nothing(good: dict[str, Path], tmp_path: Path) -> None:
    assert [read_metadata(path) for path in good.values()] == [{}] * len(good)
    (tmp_path / "notes.txt").write_text("mine")
    assert read_metadata(tmp_path / "notes.txt") == {}
    assert read_metadata(tmp_path) == {}
    assert read_metadata(tmp_path / "nothing") == {}


def test_the_same_network_gives_the_same_bytes(small2: Any, tmp_path: Path) -> None:
    for name in ("a.keras", "b.keras"):
        small2.save(tmp_path / name, save_format="keras")
        write_metadata(tmp_path / name, INPUTS.as_dict())
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
