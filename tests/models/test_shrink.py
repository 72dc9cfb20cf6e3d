"""Shrinking removes channels and changes nothing that the network computes."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models import MODELS, build_model
from tfprune.models.shrink import shrink, tied_layers

QUICK = ("digits-cnn", "lenet300", "lenet5", "conv4", "resnet20")
SLOW = tuple(name for name in MODELS.names() if name not in QUICK)


def prunable(model):
    from tfprune.training.prunable import PrunableNetwork

    return PrunableNetwork(model).tensors


def filter_flags(tensors, share, seed=0):
    """Flags that prune a share of the filters of every layer but the output."""
    rng = np.random.default_rng(seed)
    flags = {}
    for t in tensors:
        flags[t.name] = np.ones(t.n_filters, bool)
        if not t.is_output:
            gone = rng.choice(t.n_filters, int(share * t.n_filters), replace=False)
            flags[t.name][gone] = False
    return flags


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(n, marks=pytest.mark.slow) for n in SLOW)])
def test_a_built_in_without_half_its_filters_computes_the_same(
    keras, name, unsettle, masked_copy, assert_same_function
):
    shape = (28, 28, 1) if name.startswith(("lenet", "digits")) else (16, 16, 3)
    model = unsettle(build_model(name, input_shape=shape, n_classes=10, seed=0))
    tensors = prunable(model)
    flags = filter_flags(tensors, 0.5)
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert [layer.name for layer in result.model.layers] == [layer.name for layer in model.layers]
    assert result.parameters[1] == result.model.count_params() < result.parameters[0]
    assert result.flops[1] < result.flops[0]
    tied = {layer for group in tied_layers(model) for layer in group}
    for tensor in tensors:
        assert result.kept[tensor.name][flags[tensor.name]].all()
        if tensor.name not in tied and not tensor.is_output:
            # half the filters go; one more may stand for constants before a padded convolution
            n_kept = int(result.kept[tensor.name].sum())
            half = int(flags[tensor.name].sum())
            assert half <= n_kept <= half + 1


@pytest.mark.parametrize("name", ["digits-cnn", pytest.param("resnet20", marks=pytest.mark.slow)])
def test_channels_that_single_weights_cut_off_at_either_side_go_too(
    keras, name, unsettle, masked_copy, assert_same_function
):
    """Among scattered zeros, a quarter of the filters gets nothing and a quarter is not read."""
    model = unsettle(build_model(name, input_shape=(16, 16, 3), n_classes=10, seed=0))
    rng = np.random.default_rng(1)
    tensors = prunable(model)
    masks = {t.name: rng.random(t.shape) < 0.5 for t in tensors}
    for tensor in tensors[1:]:
        n_inputs = tensor.shape[-2]
        unread = rng.choice(n_inputs, n_inputs // 4, replace=False)
        masks[tensor.name][..., unread, :] = False
        if not tensor.is_output:
            empty = rng.choice(tensor.n_filters, tensor.n_filters // 4, replace=False)
            masks[tensor.name][..., empty] = False
    result = shrink(model, masks)
    assert_same_function(masked_copy(model, masks), result.model)
    last = "dense1" if name == "digits-cnn" else "stage2_block2_conv1"
    assert result.kept[last].mean() == pytest.approx(0.5, abs=0.15)
    assert result.parameters[1] < 0.7 * result.parameters[0]


@pytest.mark.slow
def test_removing_a_channel_of_a_whole_residual_stage_makes_all_its_layers_narrower(
    keras, unsettle, masked_copy, assert_same_function
):
    model = unsettle(build_model("resnet20", input_shape=(16, 16, 3), n_classes=10, seed=0))
    (first, *_) = tied_layers(model)
    assert first == ("conv1", "stage1_block1_conv2", "stage1_block2_conv2", "stage1_block3_conv2")
    flags = {name: np.arange(16) >= 5 for name in first}
    for name in first:  # beta 0 or below: relu makes the sum's constant 0
        norm = model.get_layer(f"{name}_bn")
        norm.beta.assign(-np.abs(norm.beta.numpy()))
        norm.moving_mean.assign(np.abs(norm.moving_mean.numpy()))
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    for name in first:
        assert result.kept[name].sum() == 11
        assert result.model.get_layer(name).filters == 11
    one_short = {name: flags[name] for name in first[1:]}
    partly = shrink(model, one_short)
    assert_same_function(masked_copy(model, one_short), partly.model)
    assert all(partly.kept[name].all() for name in first)


@pytest.fixture
def chain(keras, unsettle):
    """A function that joins layers to a model."""

    def chain(*layers, shape=(8, 8, 3)):
        inputs = x = keras.Input(shape)
        for layer in layers:
            x = layer(x)
        return unsettle(keras.Model(inputs, x))

    return chain


def test_a_constant_before_an_unpadded_convolution_goes_into_its_bias(
    keras, chain, masked_copy, assert_same_function
):
    layers = keras.layers
    model = chain(
        layers.Conv2D(6, 3, padding="same", activation="relu", name="first"),
        layers.Conv2D(4, 3, use_bias=False, name="second"),
        layers.Flatten(),
        layers.Dense(3, name="logits"),
    )
    model.get_layer("first").bias.assign([0.5, 0.7, -1.0, 0.1, 0.2, 0.3])
    flags = {"first": np.array([0, 0, 0, 1, 1, 1], bool)}
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    second = result.model.get_layer("second")
    assert tuple(second.kernel.shape) == (3, 3, 3, 4)
    kernel = model.get_layer("second").kernel.numpy()
    folded = 0.5 * kernel[:, :, 0].sum(axis=(0, 1)) + 0.7 * kernel[:, :, 1].sum(axis=(0, 1))
    np.testing.assert_allclose(second.bias.numpy(), folded, rtol=1e-5)


def test_constants_before_a_padded_convolution_become_one_channel(
    keras, chain, masked_copy, assert_same_function
):
    layers = keras.layers
    model = chain(
        layers.Conv2D(6, 3, padding="same", activation="relu", name="first"),
        layers.Conv2D(4, 3, padding="same", name="second"),
        layers.Flatten(),
        layers.Dense(3, name="logits"),
    )
    model.get_layer("first").bias.assign([0.5, 0.7, -1.0, 0.1, 0.2, 0.3])
    flags = {"first": np.array([0, 0, 0, 1, 1, 1], bool)}
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    # of the pruned three, 0.7 is the largest constant, and -1 is 0 behind the relu
    assert result.kept["first"].tolist() == [False, True, False, True, True, True]
    kernel = model.get_layer("second").kernel.numpy()
    merged = kernel[:, :, 1] + 0.5 / 0.7 * kernel[:, :, 0]
    found = result.model.get_layer("second").kernel.numpy()[:, :, 0]
    np.testing.assert_allclose(found, merged, rtol=1e-5, atol=1e-6)


def test_a_constant_goes_through_batch_norm_pooling_and_flatten_into_a_dense_bias(
    keras, chain, masked_copy, assert_same_function
):
    layers = keras.layers
    model = chain(
        layers.Conv2D(4, 3, padding="same", use_bias=False, name="first"),
        layers.BatchNormalization(name="norm"),
        layers.LeakyReLU(),
        layers.MaxPooling2D(),
        layers.Dropout(0.5),
        layers.Flatten(),
        layers.Dense(3, name="logits"),
    )
    flags = {"first": np.array([0, 1, 1, 0], bool)}
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert tuple(result.model.get_layer("logits").kernel.shape) == (2 * 16, 3)


def test_a_batch_norm_scale_of_zero_cuts_its_channel_off(keras, chain, assert_same_function):
    layers = keras.layers
    model = chain(
        layers.Conv2D(4, 3, name="first"),
        layers.BatchNormalization(name="norm"),
        layers.ReLU(),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, name="logits"),
    )
    model.get_layer("norm").gamma.assign([1.0, 0.0, 0.0, 1.0])
    model.get_layer("norm").beta.assign([0.1, 0.8, -0.8, 0.1])
    result = shrink(model)
    assert_same_function(model, result.model)
    assert result.kept["first"].tolist() == [True, False, False, True]


def test_a_channel_that_nobody_reads_goes_with_what_only_it_reads(
    keras, chain, masked_copy, assert_same_function
):
    layers = keras.layers
    model = chain(
        layers.Conv2D(4, 1, name="first"),
        layers.Conv2D(4, 1, name="second"),
        layers.Conv2D(3, 1, name="third"),
        layers.Flatten(),
        layers.Dense(2, name="logits"),
    )
    masks = {"second": np.ones((1, 1, 4, 4), bool), "third": np.ones((1, 1, 4, 3), bool)}
    masks["third"][:, :, 2] = False  # nobody reads channel 2 of the second layer,
    masks["second"][:, :, 1, [0, 1, 3]] = False  # the only reader of channel 1 of the first
    result = shrink(model, masks)
    assert_same_function(masked_copy(model, masks), result.model)
    assert result.kept["second"].tolist() == [True, True, False, True]
    assert result.kept["first"].tolist() == [True, False, True, True]


def test_a_layer_pruned_to_nothing_keeps_one_channel_and_the_function(
    keras, unsettle, masked_copy, assert_same_function
):
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    y = layers.Conv2D(5, 3, padding="same", name="emptied")(inputs)
    y = layers.Conv2D(3, 1, name="after")(y)
    x = layers.Flatten()(layers.Add()([y, inputs]))
    model = unsettle(keras.Model(inputs, layers.Dense(2, name="logits")(x)))
    masks = {"emptied": np.zeros(5, bool)}
    result = shrink(model, masks)
    assert_same_function(masked_copy(model, masks), result.model)
    assert result.kept["emptied"].sum() == 1


@pytest.mark.parametrize("padding", ["same", "valid"])
def test_depthwise_separable_and_transposed_convolutions_shrink(
    keras, chain, padding, masked_copy, assert_same_function
):
    layers = keras.layers
    model = chain(
        layers.Conv2D(6, 3, padding="same", activation="relu", name="first"),
        layers.DepthwiseConv2D(
            3, depth_multiplier=2, padding=padding, activation="relu", name="depthwise"
        ),
        layers.SeparableConv2D(5, 3, depth_multiplier=2, padding=padding, name="separable"),
        layers.ReLU(),
        layers.Conv2DTranspose(4, 3, strides=2, padding=padding, name="up", activation="relu"),
        layers.GlobalMaxPooling2D(),
        layers.Dense(3, activation="softmax", name="probabilities"),
    )
    model.get_layer("first").bias.assign([0.5, -0.7, 0.4, 0.1, 0.2, -0.3])
    model.get_layer("depthwise").bias.assign(np.zeros(12))
    model.get_layer("separable").bias.assign([-0.5, 0.7, 0.4, -0.1, 0.2])
    flags = {
        "first": np.array([0, 0, 0, 1, 1, 0], bool),
        "separable": np.array([0, 0, 0, 1, 1], bool),
    }
    result = shrink(model, {**flags, "up": np.array([1, 0, 1, 1], bool)})
    oracle = masked_copy(model, flags)
    up = oracle.get_layer("up").kernel
    up.assign(up * np.array([1, 0, 1, 1], np.float32)[:, np.newaxis])
    assert_same_function(oracle, result.model)
    # without padding all four constants go; with it only those that relu makes 0
    assert result.kept["first"].sum() == (2 if padding == "valid" else 4)
    # constants 0.7 and 0.4 become one channel before the transposed convolution
    assert result.kept["separable"].sum() == 3
    assert result.kept["up"].tolist() == [True, False, True, True]


def test_branches_that_are_concatenated_or_multiplied_shrink(
    keras, unsettle, masked_copy, assert_same_function
):
    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    a = layers.Conv2D(4, 3, padding="same", activation="relu", name="a")(inputs)
    b = layers.Conv2D(5, 3, padding="same", activation="relu", name="b")(inputs)
    x = layers.Concatenate()([a, b])
    x = layers.Conv2D(6, 1, name="mixed", activation="relu")(x)
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(6, 1, activation="sigmoid", name="gate")(gate)
    x = layers.GlobalAveragePooling2D()(layers.Multiply()([x, gate]))
    model = unsettle(keras.Model(inputs, layers.Dense(3, name="logits")(x)))
    model.get_layer("mixed").bias.assign([-0.1, 0.5, 0.1, 0.2, 0.3, 0.4])
    flags = {"a": np.array([1, 0, 0, 1], bool), "b": np.array([0, 1, 1, 1, 0], bool),
             "mixed": np.array([0, 0, 1, 1, 1, 1], bool)}  # fmt: skip
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert result.kept["a"].sum() == 2
    assert result.kept["b"].sum() == 3
    # channel 0 is 0 before the product; channel 1 is a constant times a gate that varies
    assert result.kept["mixed"].tolist() == [False, True, True, True, True, True]
    assert result.kept["gate"].tolist() == [False, True, True, True, True, True]


def test_layers_whose_channels_cannot_be_followed_keep_theirs(
    keras, unsettle, masked_copy, assert_same_function
):
    layers = keras.layers
    inner_in = keras.Input((8, 8, 4))
    inner = keras.Model(inner_in, layers.Conv2D(4, 3, padding="same", name="inner")(inner_in))
    shared = layers.Conv2D(4, 3, padding="same", name="shared")
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="first")(inputs)
    x = shared(layers.ReLU()(shared(x)))
    x = layers.LayerNormalization()(inner(x))
    x = layers.Conv2D(6, 1, name="free", activation="relu")(x)
    x = layers.Reshape((64 * 6,))(layers.Conv2D(6, 1, name="before")(x))
    model = unsettle(keras.Model(inputs, layers.Dense(3, name="logits")(x)))
    flags = {name: np.array([1, 0, 0, 1], bool) for name in ("first", "shared")}
    flags |= {name: np.array([1, 0, 0, 1, 1, 1], bool) for name in ("free", "before")}
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert result.kept["first"].all()
    assert result.kept["before"].all()
    assert result.kept["free"].sum() == 4


def test_sums_and_activations_written_as_tensorflow_operations_are_followed(
    keras, unsettle, masked_copy, assert_same_function
):
    import tensorflow as tf

    layers = keras.layers
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    y = layers.Conv2D(4, 3, padding="same", name="second")(tf.nn.relu(x))
    x = layers.GlobalAveragePooling2D()(tf.nn.relu(x + y))
    model = unsettle(keras.Model(inputs, layers.Dense(3, name="logits")(x)))
    flags = {name: np.array([1, 0, 0, 1], bool) for name in ("first", "second")}
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert tied_layers(model) == [("first", "second")]
    assert result.model.get_layer("second").filters < 4


def test_a_sequential_model_shrinks_and_the_original_stays_as_it_was(
    keras, unsettle, masked_copy, assert_same_function
):
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Conv2D(4, 3, activation="relu", input_shape=(8, 8, 3), name="first"),
            layers.Flatten(),
            layers.Dense(3, name="logits"),
        ]
    )
    unsettle(model)
    before = [weight.tobytes() for weight in model.get_weights()]
    flags = {"first": np.array([1, 0, 0, 1], bool)}
    result = shrink(model, flags)
    assert [weight.tobytes() for weight in model.get_weights()] == before
    assert_same_function(masked_copy(model, flags), result.model)
    for variable in result.model.variables:
        variable.assign(variable + 1)
    assert [weight.tobytes() for weight in model.get_weights()] == before


def test_a_shrunk_model_can_be_saved_and_loaded(keras, tmp_path, unsettle, assert_same_function):
    model = unsettle(build_model("digits-cnn", input_shape=(8, 8, 1), n_classes=10, seed=0))
    result = shrink(model, filter_flags(prunable(model), 0.5))
    result.model.save(tmp_path / "small.keras")
    again = keras.models.load_model(tmp_path / "small.keras", compile=False)
    assert_same_function(result.model, again)


def test_what_cannot_be_shrunk_is_refused_with_a_reason(keras):
    model = build_model("lenet300", input_shape=(4, 4, 1), n_classes=3, seed=0)
    with pytest.raises(InputError) as caught:
        shrink(model, {"dense1": np.ones(7, bool)})
    assert str(caught.value) == (
        "mask of 'dense1': expected the kernel's shape (16, 300) or one flag for each of its 300 "
        "filters, got shape (7,)."
    )
    with pytest.raises(InputError, match=r"unknown layer of model 'lenet300' 'dense0'; did you"):
        shrink(model, {"dense0": np.ones(7, bool)})
    with pytest.raises(InputError, match=r"layer 'flatten' has no kernel to mask; leave its mask"):
        shrink(model, {"flatten": np.ones(7, bool)})

    class Custom(keras.Model):
        pass

    with pytest.raises(InputError, match=r"^shrinking needs a functional or sequential Keras mo"):
        shrink(Custom())
