"""What no file or no Keras 3 model can hold costs no trained run: it is said before training."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from tfprune.errors import InputError

pytestmark = pytest.mark.slow

NOT_KERAS3 = "not as MLflow models, because this one cannot be converted to Keras 3: "
A_KERAS2_FILE = f"The pruned networks will be logged as a tf_keras file, {NOT_KERAS3}"
NOT_A_FILE = (
    "Each level's network will be stored as weights (network.npz), because a .keras file of it "
    "cannot be read back: "
)


def classifier(keras: Any, body: Any) -> Any:
    """Return a model function of conv - body - dense - logits."""

    def make(shape: Any, n_classes: int) -> Any:
        layers = keras.layers
        image = keras.Input(shape)
        x = body(layers, layers.Conv2D(4, 3, activation="relu")(image))
        x = layers.Dense(6, activation="relu")(layers.Flatten()(x))
        return keras.Model(image, layers.Dense(n_classes)(x))

    return make


def own_layer(keras: Any) -> Any:
    class Scale(keras.layers.Layer):
        def __init__(self, by: float, **options: Any) -> None:
            super().__init__(**options)
            self.by = by

        def call(self, x: Any) -> Any:
            return x * self.by

        def get_config(self) -> Any:
            return {**super().get_config(), "by": self.by}

    return Scale(3.0)


def bodies(keras: Any) -> dict[str, Any]:
    import tensorflow as tf

    def small(shape: Any, dtype: Any = None) -> Any:
        return tf.random.normal(shape, stddev=0.05)

    return {
        "LocallyConnected2D": lambda k, x: k.LocallyConnected2D(3, 2, activation="relu")(x),
        "LocallyConnected1D": lambda k, x: k.LocallyConnected1D(3, 2)(k.Reshape((36, 4))(x)),
        "ThresholdedReLU": lambda k, x: k.ThresholdedReLU(0.1)(x),
        "RandomCrop": lambda k, x: k.RandomCrop(5, 5)(x),
        "RandomHeight": lambda k, x: k.GlobalMaxPooling2D()(k.RandomHeight(0.2)(x)),
        "stop_gradient": lambda k, x: tf.stop_gradient(x),
        "Ellipsis": lambda k, x: x[..., :3],
        "an operation without counterpart": lambda k, x: tf.math.cumsum(x, axis=1),
        "Lambda": lambda k, x: k.Lambda(lambda t: t / 16.0)(x),
        "Lambda of a function": lambda k, x: k.Lambda(tf.nn.relu)(x),
        "own layer": lambda k, x: own_layer(keras)(x),
        "activation": lambda k, x: k.Conv2D(3, 2, activation=lambda t: tf.nn.relu(t) * 1.1)(x),
        "initializer": lambda k, x: k.Conv2D(3, 2, kernel_initializer=small)(x),
        "regularizer": lambda k, x: k.Conv2D(
            3, 2, kernel_regularizer=lambda w: 1e-3 * tf.reduce_sum(w * w)
        )(x),
        "spectral": lambda k, x: k.SpectralNormalization(k.Conv2D(3, 2, activation="relu"))(x),
        "first state": lambda k, x: k.GRU(3)(
            k.Reshape((36, 4))(x), initial_state=k.Dense(3)(k.Flatten()(x))
        ),
        "training fixed": lambda k, x: k.BatchNormalization()(x, training=False),
    }


# name -> can't be a Keras 3 model, can't be a file
EXPECTED = {
    "LocallyConnected2D": (True, False),
    "LocallyConnected1D": (True, False),
    "ThresholdedReLU": (True, False),
    "RandomCrop": (True, False),
    "RandomHeight": (True, False),
    "stop_gradient": (False, False),
    "Ellipsis": (False, True),
    "an operation without counterpart": (True, True),
    "Lambda": (False, True),
    "Lambda of a function": (False, True),
    "own layer": (True, True),
    "activation": (True, True),
    "initializer": (True, True),
    "regularizer": (True, True),
    "spectral": (False, False),
    "first state": (False, False),
    "training fixed": (False, False),
}


def test_what_a_network_can_t_be_is_said_without_our_trial_s_path_and_its_remedies(
    keras: Any,
) -> None:
    """The remedies of one who loads a file are none for one who writes it."""
    from tfprune.models.files.leaving import try_leaving

    found = {
        name: try_leaving(classifier(keras, body)((8, 8, 1), 10))
        for name, body in bodies(keras).items()
    }
    for leaving in found.values():
        for text in (leaving.file or "", leaving.keras3 or ""):
            assert not any(word in text for word in ("/tmp", "network.keras", "trust", "Replace"))
    texts = {name: (leaving.file, leaving.keras3) for name, leaving in found.items()}
    assert texts["own layer"] == (
        "'Scale' is not a class of Keras, and of any other a file holds no more than the name",
        "layer 'scale' (Scale) can't be converted to Keras 3: it is a custom layer, and only "
        "its author knows what it computes",
    )
    assert texts["an operation without counterpart"] == (
        "the TensorFlow operation 'math.cumsum' is not on the list of arithmetic",
        "TensorFlow operation 'math.cumsum' (in the graph as 'tf.math.cumsum') has no counterpart "
        "in Keras 3, so the model can't be converted",
    )
    for role in ("activation", "initializer", "regularizer"):
        assert texts[role][1] == (
            f"your own function as {role} has no counterpart in Keras 3, so the model can't be "
            "converted"
        )
        assert re.fullmatch(
            rf"layer 'conv2d_\d+' \(Conv2D\) has a function of your own as {role}",
            texts[role][0] or "",
        )
    ellipsis = texts["Ellipsis"][0] or ""
    assert ellipsis.startswith("a slice with an Ellipsis (in the graph as 'tf.__operators__.getit")
    for leaving in texts.values():
        assert not any("Error" in (why or "") for why in leaving)  # no library's own words


@pytest.mark.parametrize("name", EXPECTED)
def test_a_network_is_trained_stored_and_found_again(whole_run: Any, keras: Any, name: str) -> None:
    import numpy as np

    from tfprune.runs.networks import load_network
    from tfprune.tracking import open_store, resolve_store

    done = whole_run(classifier(keras, bodies(keras)[name]), name=f"odd {name}")
    not_keras3, not_a_file = EXPECTED[name]
    level, parent = done.artifacts(level=1), done.artifacts()
    assert done.says(NOT_KERAS3) is not_keras3
    assert done.says(NOT_A_FILE) is not_a_file
    assert ("network.npz" in level, "model.keras" in level) == (not_a_file, not not_a_file)
    assert ("model-final/MLmodel" in parent) is not not_keras3
    assert done.says(A_KERAS2_FILE) is (not_keras3 and not not_a_file)
    if not_keras3 and not not_a_file:
        assert "model-final.keras" in parent
    store = open_store(resolve_store(None, None, folder=done.folder), create=False)
    found = load_network(f"odd {name}:1", store).model
    kernels = [w.numpy() for w in found.weights if w.name.endswith("kernel:0")]
    assert sum(int(np.count_nonzero(kernel == 0)) for kernel in kernels) > 0


def test_a_file_with_a_lambda_is_trained_and_exported_by_those_who_trust_it(
    whole_run: Any, keras: Any, project: Path
) -> None:
    from tfprune.runs.export import export

    make = classifier(keras, bodies(keras)["Lambda"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        make((8, 8, 1), 10).save(project / "lambda.h5")
    done = whole_run("lambda.h5", name="trusted", model={"name": "lambda.h5", "trust": True})
    assert "network.npz" in done.artifacts(level=1)
    report = export("trusted:1", project / "out.h5", format="h5", folder=project)
    assert report.sparsity > 0.3


@pytest.mark.parametrize("name", ["LocallyConnected2D", "own layer"])
def test_a_model_that_can_t_be_registered_is_refused_before_training(
    whole_run: Any, keras: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    from tfprune.runs import execution

    def no_training(*args: Any, **named: Any) -> None:
        raise AssertionError("this should have been refused before training")

    monkeypatch.setattr(execution, "execute", no_training)
    with pytest.raises(InputError, match=r"^--register mine needs an MLflow model, and this"):
        whole_run(classifier(keras, bodies(keras)[name]), register="mine")


def test_frozen_layers_are_named_and_a_frozen_network_is_refused(
    whole_run: Any, keras: Any
) -> None:
    def partly(shape: Any, n_classes: int) -> Any:
        model = classifier(keras, lambda k, x: x)(shape, n_classes)
        model.layers[1].trainable = False
        return model

    def wholly(shape: Any, n_classes: int) -> Any:
        model = partly(shape, n_classes)
        model.trainable = False
        return model

    done = whole_run(partly)
    assert done.says("or pruned, because the model has frozen them (trainable=False): conv2d.")
    with pytest.raises(InputError, match="has trainable=False on all its layers"):
        whole_run(wholly)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16", "float16", "float64"])
@pytest.mark.parametrize("which", ["tf_keras", "keras"])
def test_other_precisions_run_and_leave_as_they_came(
    whole_run: Any, keras: Any, keras3: Any, project: Path, policy: str, which: str
) -> None:
    from tfprune.runs.export import export

    library = {"tf_keras": keras, "keras": keras3}[which]
    library.mixed_precision.set_global_policy(policy)
    try:
        model = classifier(library, lambda k, x: k.BatchNormalization()(x))((8, 8, 1), 10)
    finally:
        library.mixed_precision.set_global_policy("float32")
    file = f"{policy}-{which}.keras"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.save(project / file)
    done = whole_run(file)
    assert done.says(f"The model computes in {policy}; here it is trained and compared in float32.")
    out = project / f"out-{file}"
    form = "keras" if which == "keras" else "tf_keras"
    export(f"{done.name}:1", out, format=form, folder=project)
    again = library.models.load_model(out, compile=False)
    assert [layer.dtype_policy.name for layer in again.layers if layer.weights] == [policy] * 4


def test_a_network_of_keras_2_alone_leaves_as_keras_2(
    whole_run: Any, keras: Any, project: Path
) -> None:
    from tfprune.runs.export import export

    make = classifier(keras, bodies(keras)["LocallyConnected2D"])
    make((8, 8, 1), 10).save(project / "local.keras")
    done = whole_run("local.keras")
    report = export(f"{done.name}:1", project / "local-out.keras", folder=project)
    assert report.library == "tf_keras"
    again = keras.models.load_model(report.path, compile=False)
    assert any(type(layer).__name__ == "LocallyConnected2D" for layer in again.layers)
    with pytest.raises(InputError, match=r"\(LocallyConnected2D\) can't be converted to Keras 3"):
        export(f"{done.name}:1", project / "three.keras", format="keras3", folder=project)
