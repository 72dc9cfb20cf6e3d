"""What can't be pruned is refused before anything is trained, each in one message."""

from __future__ import annotations

import re

import numpy as np
import pytest

import tfprune
from tfprune.errors import InputError, RunError


def refused(model, train, **options):
    with pytest.raises(InputError) as error:
        tfprune.prune(model, train, **{"sparsity": 0.5, "verbose": 0, **options})
    return str(error.value)


@pytest.fixture(scope="module")
def model(libraries, make_classifier):
    """A compiled Keras 3 model; nothing here changes it."""
    return make_classifier(libraries["keras"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"sparsity": 1},
            "sparsity is the share of the prunable weights that are removed, above 0 and below 1; "
            "got 1.",
        ),
        ({"levels": 0}, "levels is a whole number from 1; got 0."),
        ({"levels": 5.0}, "levels is a whole number from 1; got 5.0."),
        (
            {"verbose": "loud"},
            "verbose is 'auto', 0 (silent), 1 (a bar) or 2 (a line per epoch); got 'loud'.",
        ),
        (
            {"loss": "cross"},
            "loss 'cross' is not one of Keras's. Give one of its names, such as "
            "sparse_categorical_crossentropy.",
        ),
        (
            {"validation": 1},
            "validation is the examples to evaluate on, or their share of train, above 0 and below "
            "1; got 1.",
        ),
        ({"epochs": -1}, "epochs is a whole number from 0; got -1."),
        ({"epochs": 2.5}, "epochs is a whole number from 0; got 2.5."),
        ({"batch_size": 0}, "batch_size is a whole number from 1; got 0."),
        (
            {"strategy": "magnitud"},
            "unknown strategy 'magnitud'; did you mean 'magnitude'",
        ),
        ({"scope": "layers"}, "unknown scope 'layers'; did you mean 'layer'? Known: global, layer, "
                              "erk, uniform."),
        (
            {"exclude": "hiden"},
            "model has no prunable layer 'hiden'; did you mean 'hidden'? Prunable layers: hidden, "
            "answer.",
        ),
        (
            {"strategy": "movement"},
            "strategy 'movement' accumulates movement from the start of training, which a trained "
            "model does not hold. Use another, such as magnitude, or 'tfprune run', which trains "
            "the model itself.",
        ),
        (
            {"strategy": "grasp"},
            "strategy 'grasp' is defined by the cross-entropy of logits divided by a temperature, "
            "and the loss here is the model's own. Use another, such as magnitude, or 'tfprune "
            "run', which trains the model itself.",
        ),
        (
            {"validation": 1.5},
            "validation is the examples to evaluate on, or their share of train, above 0 and below "
            "1; got 1.5.",
        ),
        (
            {"measures": "ckaa"},
            "comparison.measures: unknown measure 'ckaa'",
        ),
        (
            {"optimizer": "adamm"},
            "optimizer 'adamm' is not one of Keras's: ",
        ),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_options_are_checked(model, data, options, message):
    assert refused(model, data, **options).startswith(message)


def test_a_model_is_needed_and_one_that_is_built(libraries, data):
    assert refused("net.keras", data) == (
        "expected a Keras model, of Keras 3 or tf_keras; got builtins.str. A saved model is read "
        "with keras.models.load_model(path)."
    )
    keras = libraries["keras"]
    empty = keras.Sequential([keras.layers.Dense(2)], name="empty")
    empty.compile("sgd", "mse")
    assert refused(empty, data) == (
        "model 'empty' is not built, so it has no weights to prune. Train it first, or load it "
        "with its weights."
    )


def test_a_loss_is_needed(library, data, make_classifier):
    model = make_classifier(library, compiled=False)
    assert refused(model, data) == (
        f"model {model.name!r} is not compiled, so what it is trained for is not known. Compile "
        "it, or give loss= (and optimizer=, metrics=)."
    )


def test_something_to_prune_is_needed(library, data):
    inputs = library.Input((5,))
    model = library.Model(inputs, library.layers.LayerNormalization()(inputs), name="bare")
    model.compile("sgd", "mse", run_eagerly=True)
    assert refused(model, (data[0], data[0])) == (
        "model 'bare' has nothing to prune: expected Dense or Conv layers of Keras, found "
        "InputLayer, LayerNormalization."
    )


def test_examples_fit_the_model(model, data):
    x, y = data
    assert refused(model, (x[:, :4], y)) == (
        f"model {model.name!r} takes inputs of shape (batch, 5), and x of train has (batch, 4). "
        "Give the examples as the model was trained on them."
    )
    assert refused(model, (x, y), validation=(x[:, :4], y)) == (
        f"model {model.name!r} takes inputs of shape (batch, 5), and x of validation has (batch, "
        "4). Give the examples as the model was trained on them."
    )
    assert refused(model, (x, y + 1)) == (
        f"y of train has labels from 1 to 3, and model {model.name!r} tells 3 classes apart: "
        "expected 0 to 2."
    )
    assert refused(model, (x, np.eye(4)[y])).startswith(
        f"the loss of model {model.name!r} can't be computed of train: the model answers (None, "
        "3), y of a batch is (8, 4): "
    )
    assert refused(model, (x, y), validation=(x, y - 1)).startswith("y of validation has labels")


def test_examples_of_a_dataset_that_are_not_finite_are_refused(model, data):
    import tensorflow as tf

    x, y = data[0].copy(), data[1]
    x[3, 2] = np.inf
    assert refused(model, tf.data.Dataset.from_tensor_slices((x, y)).batch(4)) == (
        "x of train holds numbers that are not finite (nan or infinite), the first in example 3. "
        "Leave such examples out, or repair them."
    )


@pytest.mark.slow
def test_weights_that_became_nan_are_named_where_the_loss_hides_them(libraries):
    """oneDNN's ReLU makes 0 of NaN, and the loss stays finite."""
    import tensorflow as tf

    keras = libraries["keras"]
    layers = keras.layers
    net = keras.Sequential(
        [keras.Input((6, 6, 1)), layers.Conv2D(4, 3, activation="relu", name="conv"),
         layers.Flatten(), layers.Dense(3)], name="net",
    )  # fmt: skip
    net.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(96, 6, 6, 1)).astype("float32"), rng.integers(0, 3, 96)
    x[90, 0, 0, 0] = np.nan  # too late to be seen before training
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).batch(32)
    with pytest.raises(RunError, match=r"fine-tuning diverged: .* is not finite|the loss is nan"):
        tfprune.prune(net, dataset, sparsity=0.5, levels=1, epochs=2, verbose=0)


@pytest.mark.slow
def test_what_an_object_raises_in_training_names_the_example(libraries, data, make_classifier):
    class Fails:
        left = 20  # examples: the eight that are tried, and some of level 0

        def __len__(self):
            return 40

        def __getitem__(self, place):
            self.left -= 1
            if self.left < 0:
                raise OSError("the disk is gone")
            return data[0][place], data[1][place]

    with pytest.raises(RunError) as error:
        tfprune.prune(make_classifier(libraries["keras"]), Fails(), sparsity=0.5, verbose=0)
    assert re.fullmatch(
        r"example \d+ of train can't be read: OSError: the disk is gone\.", str(error.value)
    )


def test_a_layer_that_would_be_emptied_later_is_named_with_what_was_reached(libraries, data):
    keras = libraries["keras"]
    inputs = keras.Input((5,))
    h = keras.layers.Dense(40, name="wide", kernel_initializer="ones")(inputs)
    h = keras.layers.Dense(1, name="thin", kernel_initializer=keras.initializers.Constant(0.5))(h)
    net = keras.Model(inputs, h)
    net.compile("sgd", "mse", run_eagerly=True)
    with pytest.raises(RunError) as error:
        tfprune.prune(net, (data[0], data[1]), sparsity=0.5, levels=4, epochs=0, verbose=0)
    assert str(error.value) == (
        "level 2 would empty 'thin' (its last 2 weights) with strategy 'magnitude' and scope "
        "'global': no signal would pass. Lower the sparsity, use scope 'layer', or exclude the "
        "layer. Level 1 was reached, at sparsity 0.1583: sparsity=0.1583 with levels=1 ends there."
    )


def test_an_optimizer_of_the_other_library_is_refused(libraries, model, data):
    other = libraries["tf_keras"].optimizers.SGD(0.1)
    assert refused(model, data, optimizer=other) == (
        f"model {model.name!r} is of keras, and optimizer is a tf_keras.src.optimizers.sgd.SGD. "
        "Give one of keras.optimizers, or its name."
    )


def test_a_schedule_that_has_come_to_its_end_is_refused(libraries, data, make_classifier):
    keras = libraries["keras"]
    model = make_classifier(keras, compiled=False)
    decay = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=2)
    model.compile(keras.optimizers.SGD(decay), "sparse_categorical_crossentropy", run_eagerly=True)
    model.fit(*data, batch_size=24, epochs=1, verbose=0)
    assert refused(model, data) == (
        "the optimizer's learning rate is 0: the schedule that the model was trained with has come "
        "to its end, and nothing would be learned. Give optimizer=, with the rate to fine-tune "
        "with."
    )


def test_weights_that_are_not_finite_are_refused(libraries, data, make_classifier):
    model = make_classifier(libraries["keras"])
    model.layers[1].kernel.assign(np.full((5, 6), np.nan))
    assert refused(model, data) == (
        f"model {model.name!r} outputs numbers that are not finite (nan or infinite): its "
        "training had diverged, or its inputs are not what it was trained on."
    )


def test_filters_of_a_model_wired_by_code_are_refused(libraries, data, make_classifier):
    model = make_classifier(libraries["keras"], "subclass")
    assert refused(model, data, strategy="filter-l1") == (
        "strategy 'filter-l1' removes whole filters, and never those of the output; which layers "
        f"of model {model.name!r} make it can't be told, for they are wired by Python code. Use a "
        "strategy that removes weights, such as magnitude."
    )


def test_a_class_that_can_not_be_built_again_is_refused(libraries, data):
    keras = libraries["keras"]

    class Own(keras.Model):
        def __init__(self, width, **options):
            super().__init__(**options)
            self.dense = keras.layers.Dense(width)

        def call(self, x):
            return self.dense(x)

        def get_config(self):
            return {"name": self.name}

    model = Own(3, name="own")
    model(data[0])
    model.compile("sgd", "mse")
    said = refused(model, (data[0], data[0][:, :3]))
    assert said.startswith("model 'own' can't be rebuilt, which leaves the given one")
    assert said.endswith(
        "A layer or model class of your own needs get_config() with every argument of its "
        "__init__, by the names that __init__ takes."
    )
