"""Layers compared, and strategies that look at more than weights, on a small network."""

from __future__ import annotations

import numpy as np
import pytest

import tfprune
from tfprune.pruning.strategies import STRATEGIES

pytestmark = pytest.mark.slow
KERNELS = {"conv": 3 * 3 * 4 * 8, "hidden": 128 * 12, "answer": 12 * 3}


def images(seed=0, n=160):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 6, 6, 4)).astype("float32")
    return x, (x[:, :3].sum((1, 2, 3)) > 0).astype("int64") + (x[:, 3:].sum((1, 2, 3)) > 0)


def cnn(library):
    layers = library.layers
    inputs = library.Input((6, 6, 4))
    h = layers.Conv2D(8, 3, name="conv")(inputs)
    h = layers.BatchNormalization(name="norm")(h)
    h = layers.ReLU(name="relu")(h)
    h = layers.Dropout(0.1, name="drop")(h)
    h = layers.Flatten(name="flat")(h)
    h = layers.Dense(12, activation="relu", name="hidden")(h)
    model = library.Model(inputs, layers.Dense(3, name="answer")(h))
    loss = library.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(library.optimizers.Adam(1e-2), loss, metrics=["accuracy"])
    return model


@pytest.fixture(scope="module")
def trained(libraries):
    """A trained model of each library, which nothing here changes."""
    found = {}
    for name, library in libraries.items():
        library.utils.set_random_seed(1)
        found[name] = cnn(library)
        found[name].fit(*images(), epochs=4, verbose=0)
    return found


UNMET = {"movement", "magnitude-increase", "large-init", "grasp", "bn-scale"}


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES.names()) - UNMET))
@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_every_strategy_removes_its_share(trained, kernels_of, name, strategy):
    smaller = tfprune.prune(
        trained[name], images(), sparsity=0.25, levels=1, epochs=1, strategy=strategy,
        scope="layer", exclude=["answer"], verbose=0,
    )  # fmt: skip
    kept = {layer: int((k != 0).sum()) for layer, k in kernels_of(smaller).items()}
    n = {layer: size - size // 4 for layer, size in KERNELS.items()}
    if strategy.startswith("filter"):  # 2 of 8 filters, 3 of 12 neurons
        assert kept == {"conv": 36 * 6, "hidden": 128 * 9, "answer": 36}
    elif strategy == "block":  # of four weights each
        assert kept["answer"] == 36
        assert kept["conv"] == n["conv"]
    else:
        assert kept == {**n, "answer": 36}


def test_batch_norm_scales_are_found_where_there_are_any(trained, kernels_of):
    smaller = tfprune.prune(
        trained["keras"], images(), sparsity=0.5, levels=1, epochs=0, strategy="bn-scale",
        exclude=["hidden", "answer"], verbose=0,
    )  # fmt: skip
    gone = (kernels_of(smaller)["conv"] == 0).all(axis=(0, 1, 2))
    scales = np.abs(trained["keras"].get_layer("norm").gamma.numpy())
    assert set(np.flatnonzero(gone)) == set(np.argsort(scales)[:4])


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_gradients_are_those_of_the_models_own_loss(libraries, kernels_of, name):
    """SNIP on a linear model under squared error: |w * dL/dw| by hand."""
    library = libraries[name]
    rng = np.random.default_rng(3)
    x, w = rng.normal(size=(64, 10)), rng.normal(size=(10, 1))
    inputs = library.Input((10,))
    model = library.Model(inputs, library.layers.Dense(1, use_bias=False, name="d")(inputs))
    model.get_layer("d").kernel.assign(w)
    model.compile("sgd", "mse", run_eagerly=True)
    y = rng.normal(size=(64, 1))
    smaller = tfprune.prune(
        model, (x, y[:, 0]), sparsity=0.5, levels=1, epochs=0, strategy="snip", batch_size=64,
        verbose=0,
    )  # fmt: skip
    sensitivity = np.abs(w * (2 / 64) * x.T @ (x @ w - y))
    gone = kernels_of(smaller)["d"][:, 0] == 0
    assert set(np.flatnonzero(gone)) == set(np.argsort(sensitivity[:, 0])[:5])


@pytest.mark.parametrize("name", ["keras", "tf_keras"])
def test_similarity_is_that_of_the_two_models_own_activations(libraries, trained, name):
    x, y = images()
    model, held_out = trained[name], images(5, n=300)
    smaller, result = tfprune.prune(
        model, (x, y), validation=held_out, sparsity=0.8, levels=2, epochs=1, verbose=0,
        measures=["cka", "svcca"], return_result=True,
    )  # fmt: skip
    frame = result.frame(measure="cka", level=2)
    assert frame["layer"].tolist() == ["conv", "hidden"]
    for tensor, layer in (("relu", "conv"), ("hidden", "hidden")):
        a, b = (
            np.asarray(
                libraries[name].Model(one.inputs[0], one.get_layer(tensor).output)(held_out[0])
            ).astype(float)
            for one in (model, smaller)
        )
        a, b = (part.reshape(-1, part.shape[-1]) for part in (a, b))
        expected = tfprune.similarity.linear_cka(a, b)
        (found,) = frame.loc[frame["layer"] == layer, "similarity"]
        assert found == pytest.approx(expected, abs=1e-5)
    assert frame["null"].between(0, 0.5).all()
    dense = result.frame(level=0)
    assert dense["similarity"].to_numpy() == pytest.approx(np.ones(4), abs=1e-6)
    assert len(result.frame()) == 3 * 2 * 2
    assert result.notes == ()


def test_a_model_that_can_not_be_followed_is_pruned_and_says_so(libraries, data, make_classifier):
    model = make_classifier(libraries["keras"], "subclass")
    _, result = tfprune.prune(model, data, sparsity=0.5, levels=1, verbose=0, return_result=True)
    assert result.similarities == ()
    assert result.levels[-1].n_kept == 24
    (note,) = result.notes
    assert note.startswith("Layers are not compared: model ")
    assert "wired by Python code" in note


def test_layers_too_wide_for_the_examples_are_left_out_and_named(libraries, data, make_classifier):
    _, result = tfprune.prune(
        make_classifier(libraries["keras"]), data, sparsity=0.5, levels=1, verbose=0,
        measures="cca", probe_size=10, return_result=True,
    )  # fmt: skip
    assert result.similarities == ()
    assert result.notes[0].startswith("Layer 'hidden' is not compared: cca needs more samples")
