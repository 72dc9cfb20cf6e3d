"""Every layer type that both libraries have, converted there and back, weights and gradients."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models.files import allowed
from tfprune.models.files.convert import convert_to_keras2, convert_to_keras3
from tfprune.models.files.verify import verify
from tfprune.models.libraries import layer_class

IMAGE, SEQUENCE, VOLUME, VECTOR = (8, 8, 3), (8, 3), (6, 6, 6, 2), (5,)
BY_RANK = {1: SEQUENCE, 2: IMAGE, 3: VOLUME}
MERGES = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


def single(name: str) -> tuple[tuple[int, ...], Any]:
    """Return the input shape for a layer and a function that makes it from `keras.layers`."""
    if name[-1] == "D" and name[:-2] in RANKED:
        rank = int(name[-2])
        return BY_RANK[rank], lambda layers: getattr(layers, name)(*RANKED[name[:-2]])
    shape, make = SINGLE[name]
    return shape, make


RANKED: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(
        ("AveragePooling", "MaxPooling", "UpSampling", "ZeroPadding", "Cropping"), (2,)
    ),
    **dict.fromkeys(("GlobalAveragePooling", "GlobalMaxPooling"), ()),
    **dict.fromkeys(("SpatialDropout",), (0.5,)),
    **dict.fromkeys(("Conv", "SeparableConv"), (4, 3)),
    **dict.fromkeys(("DepthwiseConv",), (3,)),
}

# Options away from their defaults, so that a lost one shows.
SINGLE: dict[str, tuple[tuple[int, ...], Any]] = {
    "Conv1DTranspose": (SEQUENCE, lambda k: k.Conv1DTranspose(2, 3, strides=2)),
    "Conv2DTranspose": (IMAGE, lambda k: k.Conv2DTranspose(2, 3, strides=2, padding="same")),
    "Conv3DTranspose": (VOLUME, lambda k: k.Conv3DTranspose(2, 2, strides=2)),
    "ConvLSTM1D": ((3, 6, 2), lambda k: k.ConvLSTM1D(2, 2)),
    "ConvLSTM2D": ((2, 5, 5, 2), lambda k: k.ConvLSTM2D(2, 2)),
    "ConvLSTM3D": ((2, 4, 4, 4, 1), lambda k: k.ConvLSTM3D(2, 2)),
    "Dense": (VECTOR, lambda k: k.Dense(4, "relu", use_bias=False, kernel_regularizer="l2")),
    "EinsumDense": (
        SEQUENCE,
        lambda k: k.EinsumDense("abc,cd->abd", output_shape=(None, 4), bias_axes="d"),
    ),
    "Identity": (VECTOR, lambda k: k.Identity()),
    "Activation": (VECTOR, lambda k: k.Activation("hard_sigmoid")),
    "BatchNormalization": (IMAGE, lambda k: k.BatchNormalization(momentum=0.8, epsilon=0.01)),
    "LayerNormalization": (IMAGE, lambda k: k.LayerNormalization(epsilon=0.01)),
    "GroupNormalization": (IMAGE, lambda k: k.GroupNormalization(3, epsilon=0.01)),
    "UnitNormalization": (VECTOR, lambda k: k.UnitNormalization()),
    "SpectralNormalization": (IMAGE, lambda k: k.SpectralNormalization(k.Conv2D(3, 3))),
    "Normalization": (IMAGE, lambda k: k.Normalization(mean=[1, 2, 3], variance=[1, 2, 3])),
    "Rescaling": (IMAGE, lambda k: k.Rescaling([1 / 255, 0.5, 0.1], offset=-1)),
    "Resizing": (IMAGE, lambda k: k.Resizing(5, 4)),
    "ReLU": (IMAGE, lambda k: k.ReLU(0.5, 0.1, 0.05)),
    "LeakyReLU": (IMAGE, lambda k: k.LeakyReLU(0.2)),
    "PReLU": (IMAGE, lambda k: k.PReLU(shared_axes=[1, 2])),
    "ELU": (IMAGE, lambda k: k.ELU(0.7)),
    "Softmax": (IMAGE, lambda k: k.Softmax(axis=2)),
    "Flatten": (IMAGE, lambda k: k.Flatten()),
    "Reshape": (IMAGE, lambda k: k.Reshape((4, -1))),
    "Permute": (IMAGE, lambda k: k.Permute((2, 3, 1))),
    "RepeatVector": (VECTOR, lambda k: k.RepeatVector(3)),
    "Dropout": (VECTOR, lambda k: k.Dropout(0.4)),
    "GaussianDropout": (VECTOR, lambda k: k.GaussianDropout(0.3)),
    "GaussianNoise": (VECTOR, lambda k: k.GaussianNoise(0.3)),
    "AlphaDropout": (VECTOR, lambda k: k.AlphaDropout(0.3)),
    "ActivityRegularization": (VECTOR, lambda k: k.ActivityRegularization(l2=0.1)),
    "CenterCrop": (IMAGE, lambda k: k.CenterCrop(4, 4)),
    "RandomBrightness": (IMAGE, lambda k: k.RandomBrightness(0.2)),
    "RandomContrast": (IMAGE, lambda k: k.RandomContrast(0.2)),
    "RandomFlip": (IMAGE, lambda k: k.RandomFlip("horizontal")),
    "RandomRotation": (IMAGE, lambda k: k.RandomRotation(0.2)),
    "RandomTranslation": (IMAGE, lambda k: k.RandomTranslation(0.2, 0.1)),
    "RandomZoom": (IMAGE, lambda k: k.RandomZoom(0.2)),
    "SimpleRNN": (SEQUENCE, lambda k: k.SimpleRNN(3)),
    "LSTM": (SEQUENCE, lambda k: k.LSTM(3, return_sequences=True, dropout=0.2)),
    "GRU": (SEQUENCE, lambda k: k.GRU(3, reset_after=False)),
    "RNN": (SEQUENCE, lambda k: k.RNN(k.LSTMCell(3))),
    "LSTMCell": (SEQUENCE, lambda k: k.RNN(k.LSTMCell(2, unit_forget_bias=False))),
    "GRUCell": (SEQUENCE, lambda k: k.RNN(k.GRUCell(3))),
    "SimpleRNNCell": (SEQUENCE, lambda k: k.RNN(k.SimpleRNNCell(3))),
    "StackedRNNCells": (
        SEQUENCE,
        lambda k: k.RNN(k.StackedRNNCells([k.GRUCell(2), k.SimpleRNNCell(3)])),
    ),
    "Bidirectional": (SEQUENCE, lambda k: k.Bidirectional(k.LSTM(2))),
    "TimeDistributed": (SEQUENCE, lambda k: k.TimeDistributed(k.Dense(3))),
    "LayerScale": (IMAGE, lambda k: of_applications(k, "LayerScale")(0.5, 3)),
    "CustomScaleLayer": (
        IMAGE,
        lambda k: lambda x: of_applications(k, "CustomScaleLayer")(0.3)([x, k.Conv2D(3, 1)(x)]),
    ),
}


def of_applications(layers: Any, name: str) -> Any:
    """Return a layer that keras.applications defines, in the library of these `layers`."""
    library = layers.Layer.__module__.partition(".")[0]
    return layer_class(sys.modules[library], name)


def network(name: str, keras: Any) -> Any:
    """Return a model around one layer of the given type."""
    layers = keras.layers
    if name in (*MERGES, "Dot"):
        image = keras.Input(IMAGE)
        both = [layers.Conv2D(3, 1)(image), layers.Conv2D(3, 3, padding="same")(image)]
        merge = layers.Dot(axes=3) if name == "Dot" else getattr(layers, name)()
        return keras.Model(image, merge(both))
    if name in ("Attention", "AdditiveAttention", "MultiHeadAttention"):
        words = keras.Input(SEQUENCE)
        a, b = layers.Dense(4)(words), layers.Dense(4)(words)
        if name == "MultiHeadAttention":
            return keras.Model(words, layers.MultiHeadAttention(2, 3, dropout=0.1)(a, b))
        return keras.Model(words, getattr(layers, name)()([a, b]))
    if name == "Embedding":
        words = keras.Input((5,), dtype="int32")
        return keras.Model(words, layers.GRU(2)(layers.Embedding(4, 3, mask_zero=True)(words)))
    if name == "Masking":
        words = keras.Input(SEQUENCE)
        return keras.Model(words, layers.LSTM(3)(layers.Masking()(words)))
    if name == "InputLayer":
        return keras.Sequential([layers.InputLayer(VECTOR), layers.Dense(2)])
    shape, make = single(name)
    inputs = keras.Input(shape)
    return keras.Model(inputs, make(layers)(inputs))


def shake(model: Any) -> None:
    """Give every weight random values: zeros and ones hide what was not copied."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.dtype in ("float32", np.float32):
            weight.assign(rng.uniform(0.1, 0.6, tuple(weight.shape)).astype("float32"))


def every_layer() -> Iterator[Any]:
    """Yield every convertible layer type; the recurrent ones, which trace long, as slow."""
    for name in sorted(allowed.CONVERTIBLE_LAYERS):
        recurrent = any(word in name for word in ("LSTM", "GRU", "RNN", "Bidirectional", "Mask"))
        yield pytest.param(name, marks=pytest.mark.slow if recurrent else ())


@pytest.mark.parametrize("name", list(every_layer()))
def test_a_layer_answers_and_learns_the_same_there_and_back(keras3: Any, name: str) -> None:
    original = network(name, keras3)
    shake(original)
    there = convert_to_keras2(original)
    first = verify(there)
    back = convert_to_keras3(there.model)
    second = verify(back)
    for found in (first, second):
        assert found.output <= 2e-6
        assert found.gradient is not None
        assert found.gradient <= 2e-5
    kinds = {type(layer).__name__ for layer in back.model._flatten_layers()}
    cells = {"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"}
    assert name in kinds | {"InputLayer"} | cells
    for old, new in zip(original.weights, back.model.weights, strict=True):
        np.testing.assert_array_equal(np.asarray(old), np.asarray(new))


@pytest.mark.parametrize("name", ["ThresholdedReLU", "LocallyConnected2D", "RandomCrop"])
def test_a_layer_without_counterpart_in_keras_3_is_refused_by_name(keras: Any, name: str) -> None:
    make = {
        "ThresholdedReLU": lambda k: k.ThresholdedReLU(0.5, name="odd"),
        "LocallyConnected2D": lambda k: k.LocallyConnected2D(2, 3, name="odd"),
        "RandomCrop": lambda k: k.RandomCrop(4, 4, name="odd"),
    }[name]
    image = keras.Input(IMAGE)
    with pytest.raises(InputError, match=rf"^layer 'odd' \({name}\) can't be converted to Keras 3"):
        convert_to_keras3(keras.Model(image, make(keras.layers)(image)))


def test_a_keras_3_layer_without_counterpart_says_why(keras3: Any) -> None:
    image = keras3.Input(IMAGE)
    model = keras3.Model(image, keras3.layers.RMSNormalization(name="rms")(image))
    with pytest.raises(InputError) as caught:
        convert_to_keras2(model)
    assert str(caught.value) == (
        "layer 'rms' (RMSNormalization) can't be converted to tf_keras: tf_keras has no such "
        "layer, so tensorflow-model-optimization can't prune around it. Replace it by a built-in "
        "layer, or give a function that builds the model in tf_keras, as package.module:function."
    )


def test_an_option_without_counterpart_is_refused_by_name(keras: Any) -> None:
    words = keras.Input(SEQUENCE)
    layer = keras.layers.LSTM(2, time_major=True, name="words")
    with pytest.raises(InputError) as caught:
        convert_to_keras3(keras.Model(words, layer(words)))
    assert str(caught.value) == (
        "layer 'words': LSTM(time_major=True) has no counterpart in Keras 3, so the model can't "
        "be converted. Leave time_major at its default."
    )


@pytest.mark.parametrize("name", sorted(allowed.ACTIVATIONS))
def test_an_activation_keeps_its_meaning_both_ways(keras3: Any, name: str) -> None:
    x = keras3.Input(VECTOR)
    there = convert_to_keras2(keras3.Model(x, keras3.layers.Dense(6, activation=name)(x)))
    assert verify(there).output <= 1e-6
    back = convert_to_keras3(there.model)
    assert verify(back).output <= 1e-6
    wanted = {"swish": "silu", "hard_swish": "hard_silu"}.get(name, name)
    assert back.model.layers[-1].activation.__name__ == wanted


def test_hard_sigmoid_of_keras_2_keeps_its_own_slope_in_keras_3(keras: Any, keras3: Any) -> None:
    x = keras.Input((3,))
    conversion = convert_to_keras3(keras.Model(x, keras.layers.Activation("hard_sigmoid")(x)))
    answer = np.asarray(conversion.model(np.array([[-1.0, 0.0, 1.0]], "float32")))
    np.testing.assert_allclose(answer, [[0.3, 0.5, 0.7]], atol=1e-7)  # Keras 3's own: 1/3, .5, 2/3
    again = convert_to_keras2(conversion.model)
    assert again.model.layers[-1].activation is keras.activations.hard_sigmoid


@pytest.mark.parametrize("kind", ["GRU", "LSTM", "Bidirectional"])
def test_first_states_that_the_network_computes_convert_both_ways(
    keras: Any, keras3: Any, kind: str
) -> None:
    layers = keras3.layers
    inputs = keras3.Input(SEQUENCE)
    states = [layers.Dense(3)(inputs[:, i]) for i in range({"GRU": 1}.get(kind, 2))]
    both = kind == "Bidirectional"
    layer = layers.Bidirectional(layers.GRU(3)) if both else getattr(layers, kind)(3)
    model = keras3.Model(inputs, layers.Dense(2)(layer(inputs, initial_state=states)))
    there = convert_to_keras2(model)
    verify(there, training=True)
    verify(convert_to_keras3(there.model), training=True)
