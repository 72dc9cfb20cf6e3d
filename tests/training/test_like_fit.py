"""One step equals plain Keras's: what a model holds of penalties, frozen layers and constraints."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import TrainingConfig
from tfprune.models.copying import plain_copy
from tfprune.training.prunable import PrunableNetwork, left_out

STEP = TrainingConfig(epochs="1it", batch_size=50, optimizer="sgd", learning_rate=0.5)
DECAY = 0.2


def functional(keras, body, *, first=None, last=None):
    """Return a network of conv - body - dense - logits; `first` and `last` are options."""
    layers = keras.layers
    inputs = keras.Input((6, 6, 1))
    x = layers.Conv2D(3, 3, name="conv", **(first or {}))(inputs)
    x = layers.Flatten()(body(layers, x))
    x = layers.Dense(4, activation="tanh", name="dense", **(last or {}))(x)
    return keras.Model(inputs, layers.Dense(3, name="logits")(x))


def same(layers, x):
    return x


def with_loss(keras):
    model = functional(keras, same)
    model.add_loss(0.3 * keras.backend.mean(keras.backend.square(model.get_layer("conv").output)))
    return model


def own_loss(keras):
    class Penalised(keras.layers.Layer):
        def call(self, x):
            self.add_loss(0.3 * keras.backend.mean(keras.backend.abs(x)))
            return x

    return functional(keras, lambda layers, x: Penalised()(x))


def stopped(keras):
    import tensorflow as tf

    return functional(keras, lambda layers, x: tf.stop_gradient(x))


def own_functions(keras):
    import tensorflow as tf

    return functional(
        keras,
        same,
        first={
            "activation": lambda t: tf.nn.relu(t) * 1.1,
            "kernel_initializer": lambda shape, dtype=None: tf.random.normal(shape, stddev=0.3),
            "kernel_regularizer": lambda w: 0.1 * tf.reduce_sum(w * w),
        },
        last={"kernel_constraint": lambda w: tf.clip_by_value(w, -0.2, 0.2)},
    )


def partly_frozen(keras):
    model = functional(keras, lambda layers, x: layers.BatchNormalization(name="norm")(x))
    model.get_layer("conv").trainable = False
    model.get_layer("norm").trainable = False
    return model


NETWORKS = {
    "activity regularizer": lambda k: functional(
        k, same, first={"activity_regularizer": "l1"}, last={"activity_regularizer": "l2"}
    ),
    "activity regularizer of other layers": lambda k: functional(
        k, lambda layers, x: layers.BatchNormalization(activity_regularizer="l2")(x)
    ),
    "ActivityRegularization": lambda k: functional(
        k, lambda layers, x: layers.ActivityRegularization(l2=0.3)(x)
    ),
    "kernel regularizer": lambda k: functional(
        k, same, first={"kernel_regularizer": "l1_l2", "bias_regularizer": "l2"}
    ),
    "add_loss": with_loss,
    "add_loss of an own layer": own_loss,
    "stop_gradient": stopped,
    "own functions": own_functions,
    "frozen layers": partly_frozen,
    "constraints": lambda k: functional(
        k, same, first={"kernel_constraint": "unit_norm"}, last={"kernel_constraint": "non_neg"}
    ),
    "PReLU": lambda k: functional(k, lambda layers, x: layers.PReLU()(x)),
    "LayerNormalization": lambda k: functional(
        k, lambda layers, x: layers.LayerNormalization(axis=[1, 2, 3])(x)
    ),
    "DepthwiseConv2D": lambda k: functional(
        k, lambda layers, x: layers.DepthwiseConv2D(2, depthwise_regularizer="l2")(x)
    ),
    "SeparableConv2D": lambda k: functional(
        k, lambda layers, x: layers.SeparableConv2D(2, 2, activity_regularizer="l2")(x)
    ),
    "SpectralNormalization": lambda k: functional(
        k, lambda layers, x: layers.SpectralNormalization(layers.Conv2D(2, 2))(x)
    ),
    "Embedding": lambda k: functional(
        k,
        lambda layers, x: layers.Embedding(7, 2)(
            k.backend.cast(k.backend.clip(k.backend.abs(9 * x), 0, 6), "int32")
        ),
    ),
}


def step_of(keras, tiny_data, model, training=STEP):
    """Return the weights after one step of ours."""
    from tfprune.data import normalization
    from tfprune.training.trainer import Trainer

    scale = normalization(tiny_data.train.images)
    trainer = Trainer(PrunableNetwork(model), tiny_data, training, seed=0, normalization=scale)
    trainer.train()
    return [variable.numpy() for variable in trainer.prunable.network.variables]


def step_of_keras(keras, tiny_data, model, optimizer=None):
    """Return the weights after one step of plain fit on all images."""
    from tfprune.data import normalization

    model.compile(
        optimizer or keras.optimizers.SGD(0.5, jit_compile=False),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        run_eagerly=True,  # for one step, tracing a graph is what takes the time
    )
    x = normalization(tiny_data.train.images).apply(tiny_data.train.images)
    model.fit(x, tiny_data.train.labels, batch_size=50, epochs=1, shuffle=False, verbose=0)
    return [variable.numpy() for variable in model.variables]


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("name", NETWORKS)
def test_a_step_equals_that_of_plain_keras(keras, tiny_data, name):
    keras.utils.set_random_seed(1)
    model = NETWORKS[name](keras)
    plain = plain_copy(model)
    before = [variable.numpy() for variable in plain.variables]
    expected = step_of_keras(keras, tiny_data, plain)
    found = step_of(keras, tiny_data, model)
    assert any(not np.array_equal(a, b) for a, b in zip(before, expected, strict=True))
    for variable, a, b in zip(plain.variables, found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=variable.name)


@pytest.mark.filterwarnings("ignore:Gradients do not exist")
@pytest.mark.parametrize("name", ["PReLU", "LayerNormalization", "DepthwiseConv2D", "Embedding",
                                  "SeparableConv2D", "stop_gradient"])  # fmt: skip
def test_weight_decay_is_kerass_l2_on_kernels_and_nothing_else(keras, tiny_data, name):
    """Oracle: plain fit with the penalty written into the loss, on kernels picked by hand."""
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = NETWORKS[name](keras)
    plain = plain_copy(model)
    kernels = [
        getattr(layer, role)
        for layer in plain.layers
        for role in ("kernel", "depthwise_kernel", "pointwise_kernel")
        if getattr(layer, role, None) is not None
    ]
    assert len(kernels) == 3 + {"DepthwiseConv2D": 1, "SeparableConv2D": 2}.get(name, 0)
    plain.add_loss(
        lambda: DECAY / 2 * tf.add_n([tf.reduce_sum(tf.square(kernel)) for kernel in kernels])
    )
    expected = step_of_keras(keras, tiny_data, plain)
    training = TrainingConfig(epochs="1it", batch_size=50, optimizer="sgd", learning_rate=0.5,
                              weight_decay=DECAY)  # fmt: skip
    found = step_of(keras, tiny_data, model, training)
    for variable, a, b in zip(plain.variables, found, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=variable.name)


def test_adamw_shrinks_the_kernels_apart_from_its_moments(keras, tiny_data):
    """Oracle: Adam without decay on the same gradient, then the decay by hand (algorithm 2)."""
    keras.utils.set_random_seed(1)
    model = NETWORKS["PReLU"](keras)
    plain = plain_copy(model)
    before = [variable.numpy() for variable in plain.variables]
    expected = step_of_keras(
        keras, tiny_data, plain, keras.optimizers.Adam(0.01, jit_compile=False)
    )
    training = TrainingConfig(epochs="1it", batch_size=50, optimizer="adamw", learning_rate=0.01,
                              weight_decay=DECAY)  # fmt: skip
    found = step_of(keras, tiny_data, model, training)
    names = [variable.name for variable in plain.variables]
    assert sum("kernel" in name for name in names) == 3
    for name, start, a, b in zip(names, before, found, expected, strict=True):
        decay = 0.01 * DECAY * start if "kernel" in name else 0.0
        np.testing.assert_allclose(a, b - decay, rtol=1e-4, atol=1e-6, err_msg=name)


def test_adamw_without_decay_is_adam(keras, tiny_data):
    keras.utils.set_random_seed(1)
    model = NETWORKS["PReLU"](keras)
    twin = plain_copy(model)
    settings = {"epochs": "1it", "batch_size": 50, "learning_rate": 0.01}
    first = step_of(keras, tiny_data, model, TrainingConfig(optimizer="adam", **settings))
    second = step_of(keras, tiny_data, twin, TrainingConfig(optimizer="adamw", **settings))
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)


def test_layers_without_a_kernel_are_not_said_to_be_left_out(keras):
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Input((6, 6, 1)),
            layers.Conv2D(2, 3),
            layers.PReLU(),
            layers.LayerNormalization(axis=[1, 2, 3]),
            layers.DepthwiseConv2D(2, name="depthwise"),
            layers.LocallyConnected2D(2, 2, name="local"),
            layers.SpectralNormalization(layers.Conv2D(2, 1), name="spectral"),
        ]
    )
    assert left_out(model) == (
        "depthwise (DepthwiseConv2D)",
        "local (LocallyConnected2D)",
        "spectral (SpectralNormalization)",
    )
