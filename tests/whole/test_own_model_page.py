"""Sentences of docs/how-to/own-model.md, each held by a whole run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tfprune.runs.compare import compare
from tfprune.runs.export import export

pytestmark = pytest.mark.slow


def network(keras: Any, shape: Any = (8, 8, 1), n_classes: int = 10, **conv: Any) -> Any:
    layers = keras.layers
    image = keras.Input(shape)
    x = layers.Flatten()(layers.Conv2D(4, 3, activation="relu", **conv)(image))
    return keras.Model(image, layers.Dense(n_classes)(layers.Dense(6, activation="relu")(x)))


@pytest.mark.parametrize("n_arguments", [0, 1])
def test_a_function_may_take_one_or_none_of_the_two(
    whole_run: Any, keras: Any, n_arguments: int
) -> None:
    functions = [lambda: network(keras), lambda shape: network(keras, shape)]
    whole_run(functions[n_arguments])


def test_training_starts_from_a_saved_model_s_weights_and_its_optimizer_is_not_read(
    whole_run: Any, keras: Any, project: Path
) -> None:
    from sklearn.datasets import load_digits

    digits = load_digits()
    model = network(keras)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(digits.images[..., None] / 16, digits.target, epochs=3, verbose=0)
    model.save(project / "fitted.keras")
    done = whole_run(
        "fitted.keras",
        model={"name": "fitted.keras", "start": "trained"},
        training={"learning_rate": 1e-6, "optimizer": "sgd"},
    )
    dense = done.result.levels[0]
    assert dense.accuracy_test > 0.5
    export(f"{done.name}:0", project / "same.keras", format="tf_keras", folder=project)
    again = keras.models.load_model(project / "same.keras")
    assert again.optimizer is None
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_compare_and_export_build_a_network_with_functions_of_your_own_from_your_function_again(
    whole_run: Any, keras: Any, project: Path
) -> None:
    import tensorflow as tf

    def make(shape: Any, n_classes: int) -> Any:
        return network(
            keras,
            shape,
            n_classes,
            kernel_initializer=lambda size, dtype=None: tf.random.normal(size, stddev=0.2),
            kernel_regularizer=lambda w: 1e-3 * tf.reduce_sum(w * w),
            kernel_constraint=lambda w: tf.clip_by_value(w, -1.0, 1.0),
        )

    done = whole_run(make)
    assert "network.npz" in done.artifacts(level=1)
    found = compare(
        f"{done.name}:0", f"{done.name}:1", folder=project, probe_size=40, tell=lambda _: None
    )
    assert list(found.layers_a) == list(found.layers_b) == ["conv2d", "dense_1"]
    report = export(f"{done.name}:1", project / "own", format="savedmodel", folder=project)
    assert report.sparsity == pytest.approx(done.result.levels[1].sparsity, abs=0.02)


def test_what_was_set_otherwise_is_told_by_the_first_run_of_a_process_alone(
    whole_run: Any, keras: Any
) -> None:
    keras.backend.set_floatx("float64")
    first, second = (whole_run(lambda: network(keras)) for _ in range(2))
    assert first.says("Keras settings that tfprune overrides here: floatx float64 (now float32)")
    assert not second.says("tfprune overrides here")
    assert keras.backend.floatx() == "float32"
