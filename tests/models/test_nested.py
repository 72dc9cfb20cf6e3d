"""Models within models: unfolded, shrunk, and followed for paths."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.models import build_model
from tfprune.models.copying import unfolded
from tfprune.models.graph import leaf_layers
from tfprune.models.shrink import shrink, tied_layers
from tfprune.models.topology import channel_graph
from tfprune.pruning.kernels import full_masks
from tfprune.pruning.paths import effective_masks
from tfprune.training.prunable import PrunableNetwork


@pytest.fixture
def base(keras):
    """A pretrained base of one kind or the other: conv - norm - relu - conv."""
    layers = keras.layers

    def build(kind, *, name="base", n_inputs=3):
        parts = [
            layers.Conv2D(8, 3, padding="same", use_bias=False, name="conv1"),
            layers.BatchNormalization(name="norm"),
            layers.ReLU(name="relu"),
            layers.Conv2D(6, 3, padding="same", activation="relu", name="conv2"),
        ]
        if kind == "sequential":
            return keras.Sequential([keras.Input((8, 8, n_inputs)), *parts], name=name)
        inputs = x = keras.Input((8, 8, n_inputs))
        for part in parts:
            x = part(x)
        return keras.Model(inputs, x, name=name)

    return build


@pytest.fixture
def residual(keras, unsettle):
    """A base inside a block with a shortcut, inside a backbone: nested twice."""
    layers = keras.layers

    def build(inner):
        inputs = keras.Input((8, 8, 4))
        branch = layers.Conv2D(4, 1, name="project")(inner(inputs))
        block = keras.Model(inputs, layers.ReLU(name="sum_relu")(layers.Add()([inputs, branch])),
                            name="block")  # fmt: skip
        image = keras.Input((8, 8, 3))
        stem = layers.Conv2D(4, 3, padding="same", activation="relu", name="stem")(image)
        backbone = keras.Model(image, block(stem), name="backbone")
        top = keras.Input((8, 8, 3))
        x = layers.GlobalAveragePooling2D()(backbone(top))
        return unsettle(keras.Model(top, layers.Dense(3, name="logits")(x), name="whole"))

    return build


def half_of(tensors, seed=0):
    rng = np.random.default_rng(seed)
    flags = {t.name: rng.permutation(t.n_filters) * 2 < t.n_filters for t in tensors}
    return {t.name: flags[t.name] for t in tensors if not t.is_output}


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_a_base_under_a_head_becomes_narrower_inside(
    keras, base, kind, unsettle, masked_copy, assert_same_function
):
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(base(kind)(image))
    model = unsettle(keras.Model(image, layers.Dense(3, name="logits")(x)))
    flags = half_of(PrunableNetwork(model).tensors)
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert list(result.kept) == ["conv1", "conv2", "logits"]
    # one more channel may stand for constants before a padded convolution
    assert result.kept["conv1"].sum() in (4, 5)
    assert result.kept["conv2"].sum() == 3
    assert result.model.get_layer("conv2").filters == 3
    assert not any(isinstance(layer, keras.Model) for layer in result.model.layers)
    assert result.parameters == (model.count_params(), result.model.count_params())
    assert result.parameters[1] < 0.6 * result.parameters[0]
    assert result.flops[1] < 0.6 * result.flops[0]


@pytest.mark.parametrize("kind", ["sequential", "functional"])
def test_a_residual_block_nested_twice_shrinks_inside_and_its_sum_as_a_whole(
    base, residual, kind, masked_copy, assert_same_function
):
    model = residual(base(kind, n_inputs=4))
    assert tied_layers(model) == [("stem", "project")]
    flags = half_of(PrunableNetwork(model).tensors)
    flags |= {"stem": np.array([1, 0, 1, 0], bool), "project": np.array([0, 0, 1, 1], bool)}
    for layer in leaf_layers(model):
        if layer.name in ("stem", "project"):  # relu makes the removed channel's constant 0
            layer.bias.assign(-np.abs(layer.bias.numpy()))
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert result.kept["conv1"].sum() in (4, 5)
    assert result.kept["conv2"].sum() == 3
    assert result.kept["stem"].tolist() == [True, False, True, True]
    assert result.kept["project"].tolist() == [True, False, True, True]


def test_single_weights_that_cut_channels_off_reach_through_the_border_of_a_model(
    base, residual, masked_copy, assert_same_function
):
    model = residual(base("sequential", n_inputs=4))
    rng = np.random.default_rng(5)
    masks = {t.name: rng.random(t.shape) < 0.7 for t in PrunableNetwork(model).tensors}
    masks["project"][..., 1:4, :] = False  # nobody reads channels 1 to 3 of the base
    result = shrink(model, masks)
    assert_same_function(masked_copy(model, masks), result.model)
    assert result.kept["conv2"].tolist() == [True, False, False, False, True, True]


def test_a_model_that_is_called_twice_keeps_its_channels_and_the_rest_shrinks(
    keras, base, unsettle, masked_copy, assert_same_function
):
    layers = keras.layers
    twice = base("functional", n_inputs=6)
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 1, name="stem")(image)
    x = layers.Conv2D(8, 1, activation="relu", name="free")(twice(twice(x)))
    x = layers.GlobalAveragePooling2D()(x)
    model = unsettle(keras.Model(image, layers.Dense(3, name="logits")(x)))
    flags = half_of(PrunableNetwork(model).tensors)
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert [layer.name for layer in result.model.layers].count("conv1") == 1
    assert result.model.get_layer("conv1").filters == 8
    assert set(result.kept) == {"stem", "free", "logits"}
    assert result.kept["stem"].all()
    assert result.kept["free"].sum() == 4


def test_the_original_stays_as_it_was_and_shares_nothing(base, residual):
    model = residual(base("functional", n_inputs=4))
    before = [weight.tobytes() for weight in model.get_weights()]
    result = shrink(model, half_of(PrunableNetwork(model).tensors))
    for variable in result.model.variables:
        variable.assign(variable + 1)
    assert [weight.tobytes() for weight in model.get_weights()] == before


def test_a_shrunk_nested_model_can_be_saved_and_loaded(
    keras, base, residual, tmp_path, assert_same_function
):
    result = shrink(residual(base("functional", n_inputs=4)))
    result.model.save(tmp_path / "small.keras")
    again = keras.models.load_model(tmp_path / "small.keras", compile=False)
    assert_same_function(result.model, again)


def test_equal_names_in_two_models_are_told_apart_and_a_mask_for_both_is_refused(
    keras, base, unsettle, assert_same_function
):
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    second = base("functional", name="second", n_inputs=6)
    x = second(base("functional", name="first")(image))
    x = layers.Dense(3, name="logits")(layers.Flatten()(x))
    model = unsettle(keras.Model(image, x, name="pair"))
    with pytest.raises(InputError) as caught:
        shrink(model, {"conv1": np.ones(8, bool)})
    assert str(caught.value) == (
        "mask of 'conv1': model 'pair' has several layers of that name in nested models; give "
        "every layer a name of its own."
    )
    with pytest.raises(InputError, match=r"unknown layer of model 'pair' 'conv3'; did you mean"):
        shrink(model, {"conv3": np.ones(8, bool)})
    flat = unfolded(model)
    assert flat.names["conv1"] == flat.names["conv1_1"] == "conv1"
    result = shrink(model, {"logits": np.ones((384, 3), bool)})
    assert_same_function(model, result.model)
    assert list(result.kept) == ["conv1", "conv2", "conv1_1", "conv2_1", "logits"]


def test_a_model_without_models_inside_is_itself(keras):
    model = build_model("digits-cnn", input_shape=(8, 8, 1), n_classes=10, seed=0)
    assert unfolded(model).model is model


def test_a_subclassed_model_inside_stays_as_it_is(
    keras, unsettle, masked_copy, assert_same_function
):
    @keras.saving.register_keras_serializable("test_nested")
    class Doubled(keras.Model):
        def call(self, inputs):
            return 2.0 * inputs

        def get_config(self):
            return {"name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="before")(image)
    x = layers.Conv2D(4, 1, activation="relu", name="after")(Doubled(name="doubled")(x))
    x = layers.GlobalAveragePooling2D()(x)
    model = unsettle(keras.Model(image, layers.Dense(3, name="logits")(x)))
    flags = {name: np.array([1, 0, 1, 1], bool) for name in ("before", "after")}
    result = shrink(model, flags)
    assert_same_function(masked_copy(model, flags), result.model)
    assert result.kept["before"].all()
    assert result.kept["after"].sum() == 3


def test_paths_lead_through_nested_models_as_through_the_same_layers_in_a_row(base, residual):
    model = residual(base("sequential", n_inputs=4))
    tensors = PrunableNetwork(model).tensors
    names = {t.name for t in tensors}
    rng = np.random.default_rng(0)
    masks = {t.name: rng.random(t.shape) < 0.1 for t in tensors}
    ours = effective_masks(masks, tensors, channel_graph(model, names))
    flat = effective_masks(masks, tensors, channel_graph(unfolded(model).model, names))
    for name in names:
        np.testing.assert_array_equal(ours[name], flat[name])
    dense = effective_masks(full_masks(tensors), tensors, channel_graph(model, names))
    assert all(mask.all() for mask in dense.values())
    cut = full_masks(tensors)
    cut["conv2"][:] = False  # only the shortcut is left
    alive = effective_masks(cut, tensors, channel_graph(model, names))
    assert {n for n, mask in alive.items() if mask.any()} == {"stem", "logits"}


def test_a_nested_model_of_a_package_comes_unfolded(keras, base, monkeypatch):
    def nested(input_shape, n_classes, *, seed):
        image = keras.Input(input_shape)
        x = keras.layers.Flatten()(base("functional", n_inputs=1)(image))
        return keras.Model(image, keras.layers.Dense(n_classes, name="logits")(x))

    monkeypatch.setattr("tfprune.models.build.MODELS", {"mine": nested})
    model = build_model("mine", input_shape=(8, 8, 1), n_classes=10, seed=0)
    assert [t.name for t in PrunableNetwork(model).tensors] == ["conv1", "conv2", "logits"]
    assert not any(isinstance(layer, keras.Model) for layer in model.layers)
