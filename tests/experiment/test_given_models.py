"""Where a run on a model of one's own starts: as it is, from its weights, or drawn anew."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from tfprune.config import ConfigError, from_dict
from tfprune.experiment.plan import make_plan
from tfprune.experiment.replicate import Replicate

SCALE = 3.0  # of the file's kernels above Glorot's, so that they are told from fresh ones


@pytest.fixture(scope="module")
def given(tmp_path_factory, keras):
    """Return a network saved by Keras 3 and its file; it answers with probabilities."""
    from tfprune.models.libraries import keras3

    layers = keras3().layers
    keras3().utils.set_random_seed(3)
    model = keras3().Sequential(
        [
            layers.Input((8, 8, 1)),
            layers.Conv2D(6, 3, activation="relu", name="first"),
            layers.Flatten(),
            layers.Dense(12, activation="relu", name="wide"),
            layers.Dense(10, activation="softmax", name="answer"),
        ]
    )
    for layer in model.layers:
        for weight in layer.weights[:1]:
            weight.assign(weight * SCALE)
    path = tmp_path_factory.mktemp("given") / "mine.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Keras' own, under numpy 2
        model.save(path)
    return model, path


def replicate_of(small, path, *, start, seed=0, **pruning):
    config = {
        **small,
        "seed": seed,
        "model": {"name": str(path), "start": start},
        "pruning": {"levels": 1, "fraction": 0.5, **pruning},
    }
    return Replicate(make_plan(from_dict(config)), seed=seed)


def kernels(model):
    return {layer.name: np.asarray(layer.kernel) for layer in model.layers if layer.weights}


def same(ours, theirs):
    return [bool(np.array_equal(ours[name], theirs[name])) for name in theirs]


@pytest.mark.slow
def test_a_trained_network_is_its_own_level_0(given, small):
    model, path = given
    replicate = replicate_of(small, path, start="trained", rewind_to="final")
    levels = replicate.levels()
    dense = next(levels)
    assert same(replicate.prunable.weights(), kernels(model)) == [True] * 3
    assert replicate.trainer.state().step == 0
    test = replicate.dataset.test
    images = replicate.normalization.apply(test.images)
    answers = model.predict(images, verbose=0)
    assert dense.test.accuracy == pytest.approx(np.mean(answers.argmax(1) == test.labels))
    likelihood = answers[np.arange(len(answers)), test.labels]
    assert dense.test.loss == pytest.approx(-np.log(likelihood).mean(), rel=1e-4)
    pruned = next(levels)
    assert replicate.trainer.state().step > 0
    ranked = np.sort(np.concatenate([abs(k).ravel() for k in kernels(model).values()]))
    threshold = ranked[len(ranked) // 2]
    for name, value in kernels(model).items():  # by the file's own magnitudes
        assert np.array_equal(pruned.masks[name], abs(value) >= threshold)


@pytest.mark.slow
def test_fine_tuning_starts_from_the_files_weights(given, small):
    model, path = given
    replicate = replicate_of(small, path, start="auto")
    assert same(replicate.kernels_of(replicate.initial), kernels(model)) == [True] * 3
    levels = replicate.levels()
    next(levels)
    assert replicate.trainer.state().step > 0
    assert same(replicate.prunable.weights(), kernels(model)) == [False] * 3
    next(levels)  # rewound to init: the survivors started from the file's weights again
    assert same(replicate.kernels_of(replicate.start_state), kernels(model)) == [True] * 3


@pytest.mark.slow
def test_init_draws_every_kernel_anew_by_its_own_initializer(given, small):
    model, path = given
    drawn = [replicate_of(small, path, start="init", seed=s) for s in (0, 0, 1)]
    first, again, other = (r.kernels_of(r.initial) for r in drawn)
    assert same(first, again) == [True] * 3
    assert same(first, other) == [False] * 3
    for name, kernel in kernels(model).items():
        window = int(np.prod(kernel.shape[:-2]))
        limit = np.sqrt(6 / (window * sum(kernel.shape[-2:])))  # Glorot & Bengio 2010, eq. 16
        assert abs(kernel).max() > 2 * limit
        assert 0.8 * limit < abs(first[name]).max() <= limit


@pytest.mark.parametrize("rewind_to", ["1ep", "3it"])
def test_a_trained_network_has_no_early_training_to_rewind_to(given, small, rewind_to):
    with pytest.raises(ConfigError, match=rf"{rewind_to} is a step of the first training.*init"):
        replicate_of(small, given[1], start="trained", rewind_to=rewind_to)
