"""A layer is read after its activation, whatever wrote it; what makes the output is not hidden."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.activations import collect_activations, hidden_layers
from tfprune.data import normalization
from tfprune.models.flow import NetworkGraph

SHAPE = (6, 6, 2)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).normal(0, 1, (9, *SHAPE)).astype(np.float32)


@pytest.fixture(scope="module")
def tf():
    return pytest.importorskip("tensorflow")


def network(keras, after, *, output=lambda x: x, **conv):
    """One convolution, `after` on what it gives, and the output layer with `output` behind it."""
    keras.utils.set_random_seed(7)
    inputs = keras.Input(SHAPE)
    wide = keras.initializers.RandomNormal(0, 0.7)
    layer = keras.layers.Conv2D(
        3, 3, name="conv", kernel_initializer=wide, bias_initializer="random_normal", **conv
    )
    x = keras.layers.Flatten()(after(layer(inputs)))
    return keras.Model(inputs, output(keras.layers.Dense(4, name="out")(x)))


def read(model, images):
    found = collect_activations(model, images, normalization=normalization(images, "none"))
    assert list(found) == ["conv"]
    return found["conv"]


def oracle(keras, model, images, function):
    raw = keras.Model(model.input, model.get_layer("conv").output)(images)
    return np.asarray(function(raw))


# the same function in every form in which users write it: as one operation, and by hand
FUNCTIONS = {
    "relu": lambda tf, x: (x + tf.abs(x)) / 2,
    "relu6": lambda tf, x: tf.minimum(tf.maximum(x, 0.0), 6.0),
    "sigmoid": lambda tf, x: 1 / (1 + tf.exp(-x)),
    "tanh": lambda tf, x: 2 * tf.sigmoid(2 * x) - 1,
    "softplus": lambda tf, x: tf.math.log(1 + tf.exp(x)),
    "softsign": lambda tf, x: x / (1 + tf.abs(x)),
    "elu": lambda tf, x: tf.where(x > 0, x, tf.exp(x) - 1),
    "silu": lambda tf, x: x * tf.sigmoid(x),
    "swish": lambda tf, x: tf.sigmoid(x) * x,
    "gelu": lambda tf, x: 0.5 * x * (1 + tf.math.erf(x / 1.4142135)),
    "leaky_relu": lambda tf, x: tf.maximum(x, 0.2 * x),
    "selu": lambda tf, x: 1.05070098 * tf.where(x > 0, x, 1.67326324 * (tf.exp(x) - 1)),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_one_operation_an_activation_and_several_operations_are_read_alike(keras, tf, images, name):
    function = getattr(tf.nn, name)
    forms = {
        "operation": network(keras, function),
        "activation": network(keras, lambda x: x, activation=function),
        "layer": network(keras, keras.layers.Activation(function)),
        "by hand": network(keras, lambda x: FUNCTIONS[name](tf, x)),
        "lambda": network(keras, keras.layers.Lambda(lambda x: function(x))),
    }
    expected = oracle(keras, forms["operation"], images, function)
    for form, model in forms.items():
        np.testing.assert_allclose(
            read(model, images), expected, rtol=1e-4, atol=1e-5, err_msg=form
        )


KERAS3 = ["relu", "relu6", "silu", "leaky_relu", "softplus", "softsign", "hard_sigmoid",
          "hard_silu", "gelu", "elu", "selu", "celu", "tanh", "sigmoid", "log_sigmoid", "hard_tanh",
          "hard_shrink", "soft_shrink", "tanh_shrink", "squareplus", "sparse_plus",
          "sparse_sigmoid", "softmax", "log_softmax"]  # fmt: skip


@pytest.mark.parametrize(
    "name",  # the others are the same path with another function
    [
        name
        if name in ("relu", "hard_silu", "softmax", "celu")
        else pytest.param(name, marks=pytest.mark.slow)
        for name in KERAS3
    ],
)
def test_keras_3_files_that_compute_the_same_are_read_alike(keras, images, name):
    from tfprune.models.files.convert import convert_to_keras2
    from tfprune.models.libraries import keras3

    k3 = keras3()
    function = getattr(k3.ops, name)
    if name == "gelu":  # the operation approximates by itself, the activation does not
        function = lambda x: k3.ops.gelu(x, approximate=False)  # noqa: E731
    forms = [
        network(k3, function),
        network(k3, lambda x: x, activation=name),
        network(k3, k3.layers.Activation(name)),
    ]
    found = [read(convert_to_keras2(model).model, images) for model in forms]
    expected = np.asarray(getattr(k3.activations, name)(
        k3.Model(forms[0].input, forms[0].get_layer("conv").output)(images)))  # fmt: skip
    for values in found:
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)


LAYERS = {
    "PReLU": lambda layers: layers.PReLU(alpha_initializer="random_normal"),
    "PReLU, shared axes": lambda layers: layers.PReLU("random_normal", shared_axes=[1, 2]),
    "LeakyReLU": lambda layers: layers.LeakyReLU(0.1),
    "ReLU": lambda layers: layers.ReLU(6.0),
    "ELU": lambda layers: layers.ELU(0.5),
    "ThresholdedReLU": lambda layers: layers.ThresholdedReLU(0.3),
    "Softmax": lambda layers: layers.Softmax(),
    "Activation": lambda layers: layers.Activation("mish"),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_every_activation_layer_is_read_behind(keras, images, kind):
    layer = LAYERS[kind](keras.layers)
    model = network(keras, layer)
    np.testing.assert_allclose(
        read(model, images), oracle(keras, model, images, layer), rtol=1e-4, atol=1e-5
    )


def test_a_layer_class_of_the_users_own_is_read_behind(keras, tf, images):
    class Beta(keras.layers.Layer):
        def build(self, shape):
            self.beta = self.add_weight("beta", (shape[-1],), initializer="ones")

        def call(self, x):
            return x * tf.sigmoid(self.beta * x)

    model = network(keras, Beta())
    expected = oracle(keras, model, images, tf.nn.silu)
    np.testing.assert_allclose(read(model, images), expected, rtol=1e-4, atol=1e-5)


def test_norm_scaling_and_sum_are_passed_on_the_way_to_the_activation(keras, tf, images):
    def after(x):
        branch = keras.layers.BatchNormalization()(x) * 0.5 + 1.0
        return tf.nn.silu(keras.layers.Add()([branch, keras.layers.ReLU(name="r")(branch)]))

    model = network(keras, after)
    branch = oracle(keras, model, images, lambda x: x / np.sqrt(1.001) * 0.5 + 1)
    total = branch + np.maximum(branch, 0)
    expected = total / (1 + np.exp(-total))
    np.testing.assert_allclose(read(model, images), expected, rtol=1e-3, atol=1e-4)


def test_where_others_read_the_layer_too_it_is_read_as_it_stands(keras, tf, images):
    model = network(
        keras, lambda x: keras.layers.Concatenate()([x, keras.layers.MaxPooling2D(1)(tf.tanh(x))])
    )
    np.testing.assert_allclose(
        read(model, images), oracle(keras, model, images, lambda x: x), rtol=1e-5, atol=1e-6
    )


def test_what_looks_at_other_values_is_no_activation(keras, tf, images):
    model = network(keras, lambda x: tf.nn.l2_normalize(x, axis=-1))
    np.testing.assert_allclose(
        read(model, images), oracle(keras, model, images, lambda x: x), rtol=1e-5, atol=1e-6
    )


OUTPUTS = {
    "nothing": lambda keras, tf: lambda x: x,
    "Softmax layer": lambda keras, tf: keras.layers.Softmax(),
    "softmax operation": lambda keras, tf: tf.nn.softmax,
    "softmax by hand": lambda keras, tf: lambda x: tf.exp(x) / tf.reduce_sum(
        tf.exp(x), axis=-1, keepdims=True),
    "softmax, reshape": lambda keras, tf: lambda x: keras.layers.Reshape((4,))(
        keras.layers.Softmax()(keras.layers.Reshape((2, 2))(x))),
    "temperature": lambda keras, tf: lambda x: tf.nn.softmax(x / 3.0),
    "dropout, softmax": lambda keras, tf: lambda x: tf.nn.softmax(keras.layers.Dropout(0.1)(x)),
    "Lambda": lambda keras, tf: keras.layers.Lambda(lambda x: tf.nn.log_softmax(x)),
    "relu, norm": lambda keras, tf: lambda x: keras.layers.BatchNormalization()(tf.nn.relu(x)),
}  # fmt: skip


@pytest.mark.parametrize("form", OUTPUTS)
def test_what_stands_behind_the_last_kernel_is_output(keras, tf, form):
    model = network(keras, lambda x: x, activation="relu", output=OUTPUTS[form](keras, tf))
    assert [layer.name for layer in hidden_layers(model)] == ["conv"]


def test_a_last_convolution_before_the_pooling_is_output(keras):
    inputs = keras.Input(SHAPE)
    x = keras.layers.Conv2D(5, 3, activation="relu", name="first")(inputs)
    x = keras.layers.Conv2D(4, 1, activation="relu", name="last")(x)
    model = keras.Model(inputs, keras.layers.Softmax()(keras.layers.GlobalAveragePooling2D()(x)))
    assert [layer.name for layer in hidden_layers(model)] == ["first"]


def test_heads_that_are_averaged_are_all_output(keras):
    from tfprune.training.prunable import PrunableNetwork

    inputs = keras.Input(SHAPE)
    x = keras.layers.Flatten()(keras.layers.Conv2D(5, 3, activation="relu", name="first")(inputs))
    heads = [keras.layers.Dense(4, name=name)(x) for name in ("left", "right")]
    model = keras.Model(inputs, keras.layers.Average()(heads))
    assert [layer.name for layer in hidden_layers(model)] == ["first"]
    tensors = PrunableNetwork(model).tensors
    assert {t.name: t.is_output for t in tensors} == {"first": False, "left": True, "right": True}


def test_a_wrapped_layer_is_compared(keras):
    inputs = keras.Input(SHAPE)
    conv = keras.layers.Conv2D(5, 3, activation="relu")
    x = keras.layers.TimeDistributed(keras.layers.Dense(3), name="rows")(inputs)
    x = keras.layers.SpectralNormalization(conv, name="spectral")(x)
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    assert [layer.name for layer in hidden_layers(model)] == ["rows", "spectral"]


def test_a_second_use_never_takes_the_name_of_another_layer(keras):
    inputs = keras.Input((6, 6, 3))
    conv = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="conv")
    other = keras.layers.Conv2D(3, 3, padding="same", activation="relu", name="conv.2")
    x = conv(other(conv(inputs)))
    model = keras.Model(inputs, keras.layers.Dense(4)(keras.layers.Flatten()(x)))
    found = hidden_layers(model)
    assert [(one.name, one.layer) for one in found] == [
        ("conv", "conv"), ("conv.2", "conv.2"), ("conv.3", "conv"),
    ]  # fmt: skip


def test_a_long_chain_is_read_at_its_end_without_delay(keras, tf):
    def chain(x):
        for _ in range(12):
            x = x * tf.sigmoid(x)
        return x

    model = network(keras, chain)
    graph = NetworkGraph(model)
    conv = next(call for call in graph.calls if call.layer.name == "conv")
    end, curved = graph.activated(conv.output)
    assert curved
    assert graph.consumers(end)[0].kind == "Flatten"
