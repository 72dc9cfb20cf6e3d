"""Users' networks as they are, in every form in which they come: the same experiment in each."""

from __future__ import annotations

import sys
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.activations import hidden_layers
from tfprune.config import from_dict

pytestmark = pytest.mark.slow

MODULE = "users_networks_of_every_kind"
FORMS = ["tf_keras function", "Keras 3 function", ".keras", ".h5", "SavedModel"]
SETTINGS = {
    "training": {"epochs": "1it", "batch_size": 64},
    "pruning": {"levels": 1, "fraction": 0.5, "rewind_to": "init"},
    "comparison": {"measures": ["cka"], "probe_size": 40, "bootstrap": 0},
}


class Library:
    """One of the two libraries: `layers`, `Model`, `Sequential`, `Input`, and its operations."""

    def __init__(self, keras: Any, ops: Any) -> None:
        self.keras, self.ops = keras, ops

    def __getattr__(self, name: str) -> Any:
        return getattr(self.keras, name)


def _unnamed(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    return k.Sequential([k.Input(shape), L.Conv2D(4, 3, activation="relu"), L.Conv2D(4, 3),
                         L.ReLU(), L.Flatten(), L.Dense(n)])  # fmt: skip


def _ended(k: Library, inputs: Any, x: Any, n: int) -> Any:
    return k.Model(inputs, k.layers.Dense(n)(k.layers.GlobalAveragePooling2D()(x)))


def _functional(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs)
    y = k.layers.Conv2D(4, 1)(x)
    x = k.layers.ReLU()(k.layers.Add()([k.layers.Conv2D(4, 3, padding="same")(x), y]))
    return _ended(k, inputs, x, n)


def _nested(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    parts = [k.Sequential([k.Input(s), L.Conv2D(4, 3, activation="relu", name="conv")])
             for s in (shape, (6, 6, 4))]  # fmt: skip
    inputs = k.Input(shape)
    return _ended(k, inputs, parts[1](parts[0](inputs)), n)


def _shared(k: Library, shape: Any, n: int) -> Any:
    inputs, conv = k.Input(shape), k.layers.Conv2D(4, 3, padding="same", activation="relu")
    return _ended(k, inputs, conv(conv(k.layers.Conv2D(4, 1)(inputs))), n)


def _softmax_operation(k: Library, shape: Any, n: int) -> Any:
    body = _unnamed(k, shape, n)
    inputs = k.Input(shape)
    return k.Model(inputs, k.ops.softmax(body(inputs)))


def _softmax_reshaped(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(n, 8)(k.layers.Conv2D(4, 3, padding="same", activation="relu")(inputs))
    return k.Model(inputs, k.layers.Reshape((n,))(k.layers.Softmax()(x)))


def _one_unit(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    return k.Sequential([k.Input(shape), L.Conv2D(4, 3, activation="relu"), L.Flatten(),
                         L.Dense(1, activation="sigmoid")])  # fmt: skip


def _activation_operation(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, name="first")(inputs)
    x = k.layers.Conv2D(4, 3)(x * k.ops.sigmoid(x))
    return _ended(k, inputs, k.ops.leaky_relu(x), n)


def _any_size(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input((None, None, shape[2]))
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation="relu")(inputs), n)


def _whole_numbers(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape, dtype="uint8")
    x = k.layers.Rescaling(1 / 16)(inputs)
    return _ended(k, inputs, k.layers.Conv2D(4, 3, activation="relu")(x), n)


def _preprocessing(k: Library, shape: Any, n: int) -> Any:
    inputs = k.Input(shape)
    x = k.layers.Conv2D(4, 3, activation="relu")(k.layers.Rescaling(1 / 16)(inputs))
    return _ended(k, inputs, x, n)


def _odd_names(k: Library, shape: Any, n: int) -> Any:
    L = k.layers  # noqa: N806
    separator = " " if k.keras.__name__ == "keras" else "/"
    return k.Sequential([
        k.Input(shape), L.Conv2D(4, 3, activation="relu", name=f"block{separator}conv"),
        L.Flatten(), L.Dense(5, name=f"head{separator}conv"), L.Dense(n, name="head>out"),
    ])  # fmt: skip


# kind -> (the network, number of hidden layers, output, normalization)
KINDS = {
    "unnamed layers": (_unnamed, 2, "logits", "standard"),
    "unnamed layers in branches": (_functional, 2, "logits", "standard"),
    "nested models with layers of one name": (_nested, 2, "logits", "standard"),
    "a layer used twice": (_shared, 3, "logits", "standard"),
    "names with spaces or slashes": (_odd_names, 2, "logits", "standard"),
    "softmax as an operation": (_softmax_operation, 2, "softmax", "standard"),
    "softmax before a reshape": (_softmax_reshaped, 1, "softmax", "standard"),
    "one sigmoid unit for two classes": (_one_unit, 1, "sigmoid", "standard"),
    "activations as operations": (_activation_operation, 2, "logits", "standard"),
    "any image size": (_any_size, 1, "logits", "standard"),
    "whole numbers as input": (_whole_numbers, 1, "logits", "none"),
    "preprocessing inside": (_preprocessing, 1, "logits", "none"),
}


@pytest.fixture(scope="module")
def libraries(keras: Any, keras3: Any) -> dict[str, Library]:
    import tensorflow as tf

    return {"tf_keras": Library(keras, tf.nn), "keras3": Library(keras3, keras3.ops)}


@pytest.fixture
def reference(libraries: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """reference(make, form, shape, n_classes) -> what `--model` is given."""

    def call(make: Any, form: str, shape: Any, n_classes: int) -> str:
        library = libraries["keras3" if form in ("Keras 3 function", ".keras") else "tf_keras"]
        if form.endswith("function"):
            module = types.ModuleType(MODULE)
            module.make = lambda *given: make(library, *given)  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, MODULE, module)
            return f"{MODULE}:make"
        library.keras.utils.set_random_seed(0)
        model = make(library, shape, n_classes)
        path = tmp_path / f"mine{'' if form == 'SavedModel' else form}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Keras tells those who save
            model.save(path, **({"save_format": "tf"} if form == "SavedModel" else {}))
        return str(path)

    return call


@pytest.fixture
def two_classes(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function after whose call the digits are told apart as even and odd."""
    import dataclasses

    from tfprune.experiment import plan

    load = plan.load_data

    def parity(config: Any, *, seed: int) -> Any:
        data = load(config, seed=seed)
        parts = {
            name: dataclasses.replace(part, labels=part.labels % 2)
            for name in ("train", "validation", "test")
            for part in [getattr(data, name)]
        }
        return dataclasses.replace(data, n_classes=2, class_names=("even", "odd"), **parts)

    return lambda: monkeypatch.setattr(plan, "load_data", parity)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_and_is_compared_in_every_form(
    keras: Any, reference: Any, two_classes: Any, kind: str, form: str
) -> None:
    from tfprune.experiment.plan import make_plan
    from tfprune.experiment.replicate import Replicate

    make, n_hidden, output, mode = KINDS[kind]
    n_classes = 2 if "one sigmoid" in kind else 10
    if n_classes == 2:
        two_classes()
    name = reference(make, form, (8, 8, 1), n_classes)
    keras.layers.Conv2D(1, 1), keras.layers.Dense(1)  # which Keras counts
    config = from_dict({**SETTINGS, "model": {"name": name, "trust": form == "SavedModel"}})
    plan = make_plan(config)
    assert (len(plan.hidden), plan.output) == (n_hidden, output)
    assert plan.config.data.normalization == mode
    replicate = Replicate(plan, seed=0)
    assert hidden_layers(replicate.network) == plan.hidden
    assert hidden_layers(replicate.dense) == plan.hidden
    for trained in replicate.levels():
        assert np.isfinite(trained.test.loss)
        assert list(trained.masks) == [tensor.name for tensor in plan.tensors]
    names = [layer.name for layer in plan.hidden]
    batch = next(iter(replicate.reader.batches(plan.probe.images[:5])))
    assert list(batch) == names


@pytest.mark.parametrize("kind", [k for k in KINDS if "one sigmoid" not in k])
def test_every_form_gives_the_same_network(
    keras: Any, reference: Any, kind: str, libraries: Any
) -> None:
    """The same layers at the same places, of the same shapes; where Keras names them, the names."""
    from tfprune.experiment.plan import make_plan

    make = KINDS[kind][0]
    found = {}
    for form in FORMS:
        keras.backend.clear_session()
        libraries["keras3"].keras.backend.clear_session()
        name = reference(make, form, (8, 8, 1), 10)
        trust = {"name": name, "trust": form == "SavedModel"}
        plan = make_plan(from_dict({**SETTINGS, "model": trust}))
        found[form] = [(layer.name, layer.shape) for layer in plan.hidden]
    if "slashes" in kind:
        found = {form: [shape for _, shape in layers] for form, layers in found.items()}
    assert len({tuple(layers) for layers in found.values()}) == 1, found
