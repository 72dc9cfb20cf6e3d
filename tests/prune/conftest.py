"""Models of either library that are small, and trained without tracing."""

from __future__ import annotations

import numpy as np
import pytest

N, WIDTH = 48, 5


@pytest.fixture(scope="session")
def libraries():
    """Both libraries by name."""
    from tfprune.models.libraries import keras2, keras3

    return {"keras": keras3(), "tf_keras": keras2()}


@pytest.fixture(params=["keras", "tf_keras"])
def library(request, libraries):
    """One library after the other."""
    return libraries[request.param]


@pytest.fixture(scope="session")
def data():
    """48 examples of 5 numbers, and three classes that depend on them."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, WIDTH)).astype("float32")
    return x, (x[:, 0] > 0).astype("int64") + (x[:, 1] > 0)


def classifier(library, kind="functional", *, compiled=True, dtype=None):
    """Return a model of 5 x 6 + 6 x 3 kernel weights in one of the ways to make one."""
    layers = library.layers
    hidden = layers.Dense(6, activation="relu", name="hidden", dtype=dtype)
    answer = layers.Dense(3, activation="softmax", name="answer", dtype=dtype)
    if kind == "sequential":
        model = library.Sequential([library.Input((WIDTH,)), hidden, answer])
    elif kind == "subclass":
        model = subclass_of(library)()
        model(np.zeros((1, WIDTH), "float32"))
    else:
        inputs = library.Input((WIDTH,))
        made = own_functional(library) if kind == "own functional" else library.Model
        model = made(inputs, answer(hidden(inputs)))
    for place, weight in enumerate(model.weights):
        weight.assign(np.random.default_rng(place).normal(size=tuple(weight.shape)))
    if compiled:
        model.compile(
            library.optimizers.SGD(0.05, momentum=0.9),
            "sparse_categorical_crossentropy",
            metrics=["accuracy"],
            run_eagerly=True,
        )
    return model


def subclass_of(library):
    """Return a class of models that are wired by Python code."""

    class Wired(library.Model):
        def __init__(self, width=6, **options):
            super().__init__(**options)
            self.width = width
            self.hidden = library.layers.Dense(width, activation="relu", name="hidden")
            self.answer = library.layers.Dense(3, activation="softmax", name="answer")

        def call(self, x, training=None):
            return self.answer(self.hidden(x))

        def get_config(self):
            return {"width": self.width, "name": self.name}

    return Wired


def own_functional(library):
    """Return a class of functional models with something of its own."""

    class Own(library.Model):
        pass

    return Own


def kernels(model):
    """Return the kernels of a model by the names of their layers, in its order."""
    found = {}
    for layer in model._flatten_layers():
        if type(layer).__name__ in ("Dense", "Conv2D"):
            found[layer.name] = layer.kernel.numpy().astype(np.float32)
    return found


def zeros(model):
    """Return how many kernel weights of a model are 0."""
    return sum(int((kernel == 0).sum()) for kernel in kernels(model).values())


@pytest.fixture(scope="session")
def make_classifier():
    """A function that makes a model of 5 x 6 + 6 x 3 kernel weights."""
    return classifier


@pytest.fixture(scope="session")
def kernels_of():
    """A function that returns the kernels of a model by the names of their layers."""
    return kernels


@pytest.fixture(scope="session")
def n_zero():
    """A function that counts the kernel weights of a model that are 0."""
    return zeros


@pytest.fixture(autouse=True)
def nothing_left(tmp_path, monkeypatch):
    """Run every test in an empty folder, and hold it to leaving nothing there."""
    monkeypatch.chdir(tmp_path)
    yield
    assert list(tmp_path.iterdir()) == []
