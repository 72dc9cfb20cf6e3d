"""Tiny models of both libraries, and files of them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError


@pytest.fixture(scope="session")
def keras3(keras: Any) -> Any:
    """Keras 3, beside the tf_keras of the fixture `keras`."""
    from tfprune.models.files.layer_config import register_activations
    from tfprune.models.libraries import keras3

    register_activations()
    return keras3()


def build_small(library: Any, *, seed: int) -> Any:
    """A classifier of (8, 8, 3) images into 4 classes: 7 layers, 3 of them with kernels."""
    layers = library.layers
    library.utils.set_random_seed(seed)
    image = library.Input((8, 8, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same", name="conv1")(image)
    x = layers.BatchNormalization(momentum=0.9, name="norm")(x)
    x = layers.ReLU(name="relu")(x)
    y = layers.Conv2D(4, 3, padding="same", name="conv2")(x)
    x = layers.Add(name="add")([x, y])
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dropout(0.25, name="drop")(x)
    top = layers.Dense(4, activation="softmax", name="top")
    model = library.Model(image, top(x), name="small")
    _away_from_defaults(model, seed)
    return model


@pytest.fixture
def small3(keras3: Any) -> Any:
    """The small classifier in Keras 3."""
    return build_small(keras3, seed=1)


@pytest.fixture
def small2(keras: Any) -> Any:
    """The small classifier in tf_keras, with weights of its own."""
    return build_small(keras, seed=2)


@pytest.fixture(scope="session")
def good(
    keras3: Any, keras: Any, save: Any, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """One good file of the small classifier in each format."""
    folder = tmp_path_factory.mktemp("good")
    three, two = build_small(keras3, seed=1), build_small(keras, seed=2)
    return {
        "keras3.keras": save(three, folder / "three.keras"),
        "keras3.h5": save(three, folder / "three.h5"),
        "keras2.keras": save(two, folder / "two.keras"),
        "keras2.h5": save(two, folder / "two.h5"),
    }


def _away_from_defaults(model: Any, seed: int) -> None:
    """Give every weight random values: zeros and ones hide what was not copied."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        low = -0.7 if len(weight.shape) > 1 else 0.1  # variances are positive
        weight.assign(rng.uniform(low, 0.7, tuple(weight.shape)).astype("float32"))


@pytest.fixture(scope="session")
def save() -> Any:
    """save(model, path) -> path, without the libraries' advice against .h5."""

    def save(model: Any, path: Path, **options: Any) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.save(path, **options)
        return path

    return save


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(5).random((6, 8, 8, 3), dtype="float32")


@pytest.fixture(scope="session")
def predict() -> Any:
    """predict(model, x) -> outputs in inference as an array, for models of both libraries."""
    return lambda model, x: np.asarray(model(x, training=False))


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """refused(path) -> the message; fails if a loader saw the file or anything was written."""
    import keras
    import tf_keras

    from tfprune.models.files import load_model

    def loader(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a loader saw a hostile file")

    def refused(path: Path) -> str:
        before = sorted(str(p) for p in tmp_path.rglob("*"))
        with monkeypatch.context() as patch:
            patch.setattr(keras.models, "load_model", loader)
            patch.setattr(tf_keras.models, "load_model", loader)
            with pytest.raises(InputError) as caught:
                load_model(path)
        assert sorted(str(p) for p in tmp_path.rglob("*")) == before
        return str(caught.value)

    return refused
