"""What a run writes of its networks holds no clock and nothing drawn: the same bytes each time."""

from __future__ import annotations

import time

import numpy as np
import pytest

from .conftest import listing


@pytest.fixture(scope="module")
def network():
    keras = pytest.importorskip("keras")
    return keras.Sequential(
        [keras.Input((4, 4, 1)), keras.layers.Flatten(), keras.layers.Dense(2, name="last")]
    )


@pytest.mark.slow
def test_an_mlflow_model_written_twice_is_the_same_byte_for_byte(tmp_path, network):
    from tfprune.tracking.client import save_keras_model

    images = np.random.default_rng(0).random((1, 4, 4, 1), np.float32)
    for name in ("one", "two"):
        save_keras_model(network, tmp_path / name, example=images, metadata={"level": 1})
        time.sleep(2.1)  # a zip file counts in steps of two seconds
    one, two = listing(tmp_path / "one"), listing(tmp_path / "two")
    assert sorted(one) == sorted(two)
    assert [name for name in one if one[name] != two[name]] == []
    assert {"MLmodel", "data/model.keras"} <= set(one)


def test_another_network_or_another_level_is_another_model(tmp_path, network):
    import yaml

    from tfprune.tracking.client import save_keras_model

    images, ids = np.zeros((1, 4, 4, 1), np.float32), []
    for change, level in ((0.0, 1), (0.0, 2), (1.0, 2)):
        kernel = network.get_layer("last").kernel
        kernel.assign(kernel + change)
        folder = tmp_path / f"{change}-{level}"
        save_keras_model(network, folder, example=images, metadata={"level": level})
        ids.append(yaml.safe_load((folder / "MLmodel").read_text())["model_uuid"])
    assert len(set(ids)) == 3


def test_mlflow_loads_a_model_that_tells_no_time(tmp_path, network):
    import mlflow.keras
    from mlflow.models import Model

    from tfprune.tracking.client import save_keras_model

    images = np.random.default_rng(0).random((1, 4, 4, 1), np.float32)
    save_keras_model(network, tmp_path / "model", example=images, metadata={"level": 1})
    loaded = mlflow.keras.load_model(str(tmp_path / "model"))
    np.testing.assert_array_equal(loaded(images), network(images))
    described = Model.load(str(tmp_path / "model"))
    assert described.metadata == {"level": 1}
    assert described.signature is not None
    assert "utc_time_created" not in (tmp_path / "model" / "MLmodel").read_text()
