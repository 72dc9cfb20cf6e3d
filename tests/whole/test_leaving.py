"""`tfprune export`: a network leaves as it came, in its own library, precision and open sizes."""

from __future__ import annotations

import itertools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.runs.export import export

pytestmark = pytest.mark.slow


@pytest.fixture
def libraries(keras: Any, keras3: Any) -> dict[str, Any]:
    return {"tf_keras": keras, "keras": keras3}


def network(library: Any, shape: Any, n_classes: int) -> Any:
    layers = library.layers
    inputs = library.Input(shape)
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    y = layers.Conv2D(4, 1)(x)
    x = layers.ReLU()(layers.Add()([layers.Conv2D(4, 3, padding="same")(x), y]))
    x = layers.GlobalAveragePooling2D()(x)
    return library.Model(inputs, layers.Dense(n_classes)(x))


def written(done: Any, path: Path, format: str = "keras") -> tuple[Any, list[str]]:
    heard: list[str] = []
    report = export(f"{done.name}:1", path, format=format, folder=done.folder, tell=heard.append)
    assert report.sparsity == pytest.approx(done.result.levels[1].sparsity, abs=0.02)
    return report, heard


@pytest.mark.parametrize("which", ["tf_keras", "keras"])
def test_a_function_s_network_leaves_in_the_library_that_it_is_written_in(
    whole_run: Any, libraries: Any, tmp_path: Path, which: str
) -> None:
    done = whole_run(lambda shape, n_classes: network(libraries[which], shape, n_classes))
    for format, name in ((which, "out.keras"), ("h5", "out.h5")):
        report, heard = written(done, tmp_path / name, format)
        assert (report.library, heard) == (which, [])
        libraries[which].models.load_model(report.path, compile=False)
    report, heard = written(done, tmp_path / "out", "savedmodel")
    assert (report.library, heard) == ("tf_keras", [])


def test_a_function_s_network_leaves_by_place_whatever_its_layers_are_called_at_every_call(
    whole_run: Any, keras3: Any, tmp_path: Path
) -> None:
    calls = itertools.count()

    def make(shape: Any, n_classes: int) -> Any:
        model = network(keras3, shape, n_classes)
        number = next(calls)
        for place, layer in enumerate(model.layers):  # the names of the call before, displaced
            layer.name = f"layer_{(place + number) % len(model.layers)}"
        return model

    done = whole_run(make)
    report, heard = written(done, tmp_path / "out.keras")
    assert (report.library, heard) == ("keras", [])
    assert report.max_abs_difference < 1e-5


@pytest.mark.parametrize(("which", "policy"), [("tf_keras", "float64"), ("keras", "mixed_float16")])
def test_a_function_s_network_leaves_in_its_own_precision(
    whole_run: Any, libraries: Any, tmp_path: Path, which: str, policy: str
) -> None:
    def make(shape: Any, n_classes: int) -> Any:
        libraries[which].mixed_precision.set_global_policy(policy)
        return network(libraries[which], shape, n_classes)

    done = whole_run(make)
    assert done.says("'tfprune export' writes the network in its original precision.")
    report, _ = written(done, tmp_path / "out.keras", which)
    again = libraries[which].models.load_model(report.path, compile=False)
    assert {layer.dtype_policy.name for layer in again.layers if layer.weights} == {policy}


@pytest.mark.parametrize(
    ("which", "form"),
    [("tf_keras", "function"), ("tf_keras", ".keras"), ("tf_keras", "SavedModel"),
     ("keras", "function"), ("keras", ".keras")],
)  # fmt: skip
def test_sizes_that_a_model_leaves_open_stay_open(
    whole_run: Any, libraries: Any, project: Path, tmp_path: Path, which: str, form: str
) -> None:
    library = libraries[which]

    def make(shape: Any, n_classes: int) -> Any:
        return network(library, (None, None, shape[2]), n_classes)

    if form == "function":
        done = whole_run(make)
    else:
        file = f"open-{which}{'' if form == 'SavedModel' else form}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"save_format": "tf"} if form == "SavedModel" else {}
            make((8, 8, 1), 10).save(project / file, **options)
        done = whole_run(file, model={"name": file, "trust": form == "SavedModel"})
    for format, reader in ((which, library), ("keras3", libraries["keras"])):
        report, heard = written(done, tmp_path / f"{format}.keras", format)
        assert heard == []
        again = reader.models.load_model(report.path, compile=False)
        assert tuple(again.inputs[0].shape) == (None, None, None, 1)
        assert np.asarray(again(np.zeros((2, 11, 13, 1), np.float32))).shape == (2, 10)


def test_where_the_function_builds_another_network_now_the_one_that_was_trained_is_written(
    whole_run: Any, keras3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    done = whole_run(lambda shape, n_classes: network(keras3, shape, n_classes))
    module = next(m for name, m in sys.modules.items() if name == "users_networks")

    def other(shape: Any, n_classes: int) -> Any:
        inputs = keras3.Input(shape)
        return keras3.Model(inputs, keras3.layers.Dense(n_classes)(keras3.layers.Flatten()(inputs)))

    monkeypatch.setattr(module, "make", other)
    report, heard = written(done, tmp_path / "out.keras", "tf_keras")
    assert report.library == "tf_keras"
    assert heard == [
        "The network is written as tfprune trained it, because 'users_networks:make' has other "
        "layers now than the network that was trained. Restore the original."
    ]
    monkeypatch.delitem(sys.modules, "users_networks")
    _, heard = written(done, tmp_path / "again.keras")
    assert heard[0].startswith(
        "The network is written as tfprune trained it, because no module 'users_networks' for "
        "the model function 'users_networks:make'."
    )
