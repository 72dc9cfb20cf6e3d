"""A network's graph of channels against the network itself: which weights reach the output."""

from __future__ import annotations

import re

import numpy as np
import pytest

from tfprune.config import from_dict
from tfprune.experiment.facts import why_unfollowed
from tfprune.experiment.notes import notes_on
from tfprune.models import MODELS, build_model
from tfprune.models.files.leaving import Leaving
from tfprune.models.libraries import replaced_settings_told
from tfprune.models.shrink import flops
from tfprune.models.topology import channel_graph
from tfprune.pruning.kernels import full_masks
from tfprune.pruning.paths import effective_masks
from tfprune.training.prunable import PrunableNetwork, kernel

DEEPER = ("vgg16", "vgg19", "resnet32", "resnet56")  # than others of their kind


def make_positive(model):
    """Set every weight to 1 and every bias to 0: no two paths cancel, and relu passes all."""
    for variable in model.variables:
        value = 0.0 if len(variable.shape) == 1 else 1.0
        variable.assign(np.full(tuple(variable.shape), value))


def by_deletion(model, masks):
    """The oracle: a surviving weight lies on a path iff the output changes when it is doubled."""
    x = np.ones((1, *model.input_shape[1:]), np.float32)
    kernels = {name: kernel(model.get_layer(name)) for name in masks}
    for name, mask in masks.items():
        kernels[name].assign(mask.astype(np.float32))
    baseline = model(x).numpy()
    result = {name: np.zeros(mask.shape, bool) for name, mask in masks.items()}
    for name, mask in masks.items():
        for index in map(tuple, np.argwhere(mask)):
            doubled = mask.astype(np.float32)
            doubled[index] = 2.0
            kernels[name].assign(doubled)
            result[name][index] = (model(x).numpy() != baseline).any()
        kernels[name].assign(mask.astype(np.float32))
    return result


def test_a_symbolic_penalty_is_followed_and_is_no_way_to_the_output(keras):
    layers = keras.layers
    image = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 1, name="conv")(image)
    side = layers.Dense(2, name="side")(layers.Flatten()(x))
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.GlobalMaxPooling2D()(x)))
    model.add_loss(keras.backend.mean(side))
    model.add_loss(keras.backend.sum(keras.backend.sum(x, axis=[1, 2, 3])))
    tensors = PrunableNetwork(model).tensors
    masks = dict(full_masks(tensors))
    masks["logits"][0] = False  # nobody but the penalty reads the first channel
    found = effective_masks(masks, tensors, channel_graph(model, set(masks)))
    assert found["conv"][0, 0].tolist() == [[False, True, True]] * 2
    assert not found["side"].any()
    assert set(flops(model)) == {"conv", "logits"}


def test_where_channels_are_open_it_is_said_in_plain_words(keras):
    tf = pytest.importorskip("tensorflow")
    layers = keras.layers
    image = keras.Input((4, 4, 2))
    x = layers.Conv2D(3, 1, name="conv")(image)
    x = tf.boolean_mask(x, [True, False, True], axis=3)
    x = layers.Flatten()(tf.reduce_max(x, axis=3, keepdims=True))
    model = keras.Model(image, layers.Dense(2, name="logits")(x))
    tensors = PrunableNetwork(model).tensors
    why = why_unfollowed(model, tensors)
    assert why is not None
    assert re.fullmatch(r"the number of channels behind 'tf\.[\w.]+' is open", why)
    config = from_dict({"model": {"name": "mine:make"}})
    replaced_settings_told()  # of tests before this one
    assert notes_on(config, model, Leaving(), unfollowed=why) == (
        "Not reported for this network, because its channels cannot be traced: floating-point "
        f"operations and effective sparsity ({why}).",
    )


def test_a_recurrent_layer_mixes_its_features_though_their_number_stays(keras):
    layers = keras.layers
    image = keras.Input((4, 4, 2))
    x = layers.Conv1D(3, 1, name="line")(layers.Reshape((16, 2))(image))
    model = keras.Model(image, layers.Dense(2, name="logits")(layers.GRU(3)(x)))
    tensors = PrunableNetwork(model).tensors
    masks = dict(full_masks(tensors))
    masks["logits"][:2] = False
    found = effective_masks(masks, tensors, channel_graph(model, set(masks)))
    assert found["line"].all()


@pytest.fixture(scope="module")
def every_kind(keras):
    """Separable, transposed, grouped and depthwise convolutions, a sum and a concatenation."""
    layers = keras.layers
    image = keras.Input((4, 4, 2))
    x = layers.SeparableConv2D(3, 3, depth_multiplier=2, padding="same", name="separable")(image)
    x = layers.Conv2DTranspose(4, 2, strides=2, activation="relu", name="up")(x)
    y = layers.DepthwiseConv2D(1, depth_multiplier=2, name="spread")(x)
    y = layers.Conv2D(4, 1, groups=2, name="grouped")(y)
    x = layers.Concatenate()([layers.Add()([x, y]), x])
    x = layers.Conv1D(3, 1, name="line")(layers.Reshape((64, 8))(x))
    x = layers.SeparableConv1D(3, 1, depth_multiplier=2, name="line_separable")(x)
    x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model(image, layers.Dense(2, name="logits")(x))
    make_positive(model)
    return model


@pytest.mark.parametrize("seed", range(3))
def test_weights_are_on_a_path_where_the_output_depends_on_them(every_kind, seed):
    tensors = PrunableNetwork(every_kind).tensors
    assert [t.name for t in tensors] == [
        "separable", "up", "grouped", "line", "line_separable", "logits"
    ]  # fmt: skip
    rng = np.random.default_rng(seed)
    masks = {t.name: rng.random(t.shape) < 0.35 for t in tensors}
    found = effective_masks(masks, tensors, channel_graph(every_kind, set(masks)))
    expected = by_deletion(every_kind, masks)
    for name, mask in found.items():
        np.testing.assert_array_equal(mask, expected[name], err_msg=name)
    assert sum(m.sum() for m in found.values()) < sum(m.sum() for m in masks.values())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in DEEPER else [])
        for name in MODELS.names()
    ],
)
def test_all_weights_of_a_dense_built_in_lie_on_a_path(keras, name):
    shape = (28, 28, 1) if name.startswith(("lenet", "digits")) else (16, 16, 3)
    model = build_model(name, input_shape=shape, n_classes=10, seed=0)
    tensors = PrunableNetwork(model).tensors
    masks = full_masks(tensors)
    for layer, mask in effective_masks(masks, tensors, channel_graph(model, set(masks))).items():
        assert mask.all(), layer
