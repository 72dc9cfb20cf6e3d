"""Which layers are compared, and at which point of the graph."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.activations import ActivationReader, collect_activations, hidden_layers
from tfprune.activations.layers import hidden_tensors, uncompared
from tfprune.data import normalization
from tfprune.errors import InputError
from tfprune.models import build_model


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 255, (7, 8, 8, 3)).astype(np.uint8)


def built(name, shape=(32, 32, 3)):
    return [layer.name for layer in hidden_layers(
        build_model(name, input_shape=shape, n_classes=10, seed=0))]  # fmt: skip


def test_every_convolution_and_dense_layer_but_the_output_is_compared(keras):
    assert built("conv4") == ["conv1", "conv2", "conv3", "conv4", "dense1", "dense2"]
    assert built("lenet300", (28, 28, 1)) == ["dense1", "dense2"]


def test_a_residual_sum_bears_the_name_of_the_branch_with_more_weights(keras):
    names = built("resnet20")
    assert len(names) == 19  # 1 + 3 stages x 3 blocks x 2; shortcuts end in the same sums
    assert not [name for name in names if "shortcut" in name]
    assert names[0] == "conv1"


def residual(keras):
    """conv - norm - relu, then a block whose projection meets the main branch in a sum."""
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="stem")(inputs)
    x = layers.ReLU(name="stem_relu")(layers.BatchNormalization(name="stem_norm")(x))
    y = layers.Conv2D(6, 3, padding="same", name="main")(x)
    y = layers.BatchNormalization(name="main_norm")(y)
    z = layers.Conv2D(6, 1, name="shortcut")(x)
    y = layers.ReLU(name="sum_relu")(layers.Add(name="sum")([y, z]))
    y = layers.GlobalAveragePooling2D(name="pool")(y)
    y = layers.Dense(5, activation="tanh", name="wide")(y)
    y = layers.Dropout(0.5, name="drop")(y)
    return keras.Model(inputs, layers.Softmax(name="soft")(layers.Dense(3, name="out")(y)))


def test_layers_are_read_after_norm_sum_and_activation(keras, images):
    """Oracle: sub-models on the tensors named by hand."""
    network = residual(keras)
    scale = normalization(images, "scale")
    found = collect_activations(network, images, normalization=scale, batch_size=3)
    x = scale.apply(images)
    points = {"stem": "stem_relu", "main": "sum_relu", "wide": "wide"}
    assert list(found) == list(points)
    for name, point in points.items():
        oracle = keras.Model(network.input, network.get_layer(point).output)
        np.testing.assert_allclose(found[name], oracle(x).numpy(), rtol=1e-5, atol=1e-6)


def test_the_output_is_not_hidden_even_behind_a_softmax(keras):
    assert "out" not in [layer.name for layer in hidden_layers(residual(keras))]


def test_recurrent_layers_and_attention_are_compared_like_others(keras, images):
    L = keras.layers  # noqa: N806
    inputs = keras.Input((8, 8, 3))
    x = L.Reshape((16, 8))(L.Conv2D(2, 1, name="conv")(inputs))
    x = L.Bidirectional(L.LSTM(3, return_sequences=True), name="both")(x)
    x, state = L.GRU(6, return_sequences=True, return_state=True, name="gru")(x)
    x = L.MultiHeadAttention(2, 3, name="attention")(x, x)
    x = L.Activation("relu", name="relu")(x)
    x = L.RNN(L.SimpleRNNCell(5), name="cell")(x)
    x = L.Concatenate()([x, state])
    network = keras.Model(inputs, L.Dense(2, name="out")(x))
    assert {layer.name: layer.shape for layer in hidden_layers(network)} == {
        "conv": (8, 8, 2), "both": (16, 6), "gru": (16, 6), "attention": (16, 6), "cell": (5,),
    }  # fmt: skip
    assert hidden_layers(network)[3].n_pixels == 16
    scale = normalization(images, "scale")
    values = collect_activations(network, images, normalization=scale)
    for name, point in {"both": "both", "gru": "gru", "attention": "relu", "cell": "cell"}.items():
        wanted = keras.Model(inputs, network.get_layer(point).output)(scale.apply(images))
        wanted = wanted[0] if isinstance(wanted, list | tuple) else wanted
        np.testing.assert_allclose(values[name], wanted.numpy(), rtol=1e-5, atol=1e-6)
    assert uncompared(network) == {}


def test_layers_that_learn_and_are_not_compared_are_told_with_the_reason(keras):
    class Mine(keras.layers.Layer):
        def build(self, shape):
            self.w = self.add_weight("w", (shape[-1],))

        def call(self, x):
            return x * self.w

    L = keras.layers  # noqa: N806
    inputs = keras.Input((8, 8, 3))
    x = L.PReLU()(L.BatchNormalization()(L.Conv2D(2, 3, name="conv")(inputs)))
    x = Mine(name="mine")(x)
    x = L.GlobalMaxPooling2D()(L.Conv2D(4, 3, name="open")(L.RandomHeight(0.5)(x)))
    network = keras.Model(inputs, L.Dense(2, name="out")(L.Dense(3, name="dense")(x)))
    assert [layer.name for layer in hidden_layers(network)] == ["conv", "dense"]
    assert uncompared(network) == {
        "none of their weights is a kernel": ("mine (Mine)",),
        "the size of their output is not the same for all images": ("open (Conv2D)",),
    }


def test_what_only_a_loss_reads_changes_neither_where_a_layer_is_read_nor_which(keras):
    def network(penalised):
        L = keras.layers  # noqa: N806
        inputs = keras.Input((8, 8, 3))
        x = conv = L.Conv2D(2, 3, name="conv")(inputs)
        x = L.ReLU(name="relu")(x)
        model = keras.Model(inputs, L.Dense(2, name="out")(L.Flatten()(x)))
        if penalised:
            side = L.Dense(3, name="side")(L.Flatten()(conv))
            model.add_loss(keras.backend.mean(keras.backend.square(side)))
        return model

    plain, penalised = network(False), network(True)
    (wanted,), (found,) = (hidden_tensors(model) for model in (plain, penalised))
    assert found[0] == wanted[0]
    assert found[1].name.split("/")[0] == wanted[1].name.split("/")[0] == "relu"


def test_a_linear_layer_without_activation_is_read_as_it_is(keras, images):
    inputs = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(2, 3, name="conv")(inputs)
    x = keras.layers.Dense(3, name="out")(keras.layers.Flatten()(x))
    network = keras.Model(inputs, x)
    scale = normalization(images, "scale")
    found = collect_activations(network, images, normalization=scale)
    oracle = keras.Model(inputs, network.get_layer("conv").output)(scale.apply(images))
    np.testing.assert_allclose(found["conv"], oracle.numpy(), rtol=1e-5, atol=1e-6)
    assert found["conv"].min() < 0  # no rectifier in between


def test_a_layer_used_twice_is_compared_at_each_use(keras):
    inputs = keras.Input((4,))
    shared = keras.layers.Dense(4, activation="relu", name="shared")
    network = keras.Model(inputs, keras.layers.Dense(2, name="out")(shared(shared(inputs))))
    assert [layer.name for layer in hidden_layers(network)] == ["shared", "shared.2"]


def test_layers_know_their_shape(keras):
    stem, main, wide = hidden_layers(residual(keras))
    assert (stem.index, stem.shape, stem.width, stem.n_pixels) == (0, (8, 8, 4), 4, 64)
    assert (main.shape, main.width) == ((8, 8, 6), 6)
    assert (wide.index, wide.shape, wide.width, wide.n_pixels) == (2, (5,), 5, 1)


def test_batch_size_is_irrelevant_and_dropout_is_off(keras, images):
    network = residual(keras)
    scale = normalization(images, "scale")
    one = collect_activations(network, images, normalization=scale, batch_size=1)
    all_at_once = collect_activations(network, images, normalization=scale, batch_size=100)
    for name in one:
        np.testing.assert_allclose(one[name], all_at_once[name], rtol=1e-4, atol=1e-5)


def test_a_reader_shows_the_present_weights(keras, images):
    network = residual(keras)
    reader = ActivationReader(network, normalization=normalization(images, "scale"))
    before = next(iter(reader.batches(images)))["stem"]
    network.get_layer("stem_norm").gamma.assign([0.0, 1.0, 1.0, 1.0])
    after = next(iter(reader.batches(images)))["stem"]
    assert np.ptp(after[..., 0]) == 0
    np.testing.assert_array_equal(before[..., 1:], after[..., 1:])


def test_layers_are_read_for_as_many_images_as_they_ask(keras, images):
    reader = ActivationReader(residual(keras), normalization=normalization(images, "scale"))
    batches = list(reader.batches(images, n_images={"stem": 5, "main": 2}, batch_size=2))
    counts = [{name: len(rows) for name, rows in batch.items()} for batch in batches]
    assert counts == [
        {"stem": 2, "main": 2, "wide": 2},
        {"stem": 2, "wide": 2},
        {"stem": 1, "wide": 2},
        {"wide": 1},
    ]


def test_an_unknown_layer_gets_the_nearest_name(keras, images):
    with pytest.raises(InputError) as caught:
        collect_activations(
            residual(keras), images, normalization=normalization(images, "scale"), layers=("mian",)
        )
    assert "did you mean 'main'" in str(caught.value)
    assert "Known: stem, main, wide." in str(caught.value)
