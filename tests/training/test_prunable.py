"""Masks laid over a Keras network by tfmot's wrappers."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.errors import InputError
from tfprune.training.prunable import PrunableNetwork, left_out, plain_copy


def test_only_convolutions_and_dense_layers_are_wrapped(build_tiny):
    prunable = PrunableNetwork(build_tiny())
    wrapped = [layer.name for layer in prunable.trainable.layers if "prune" in layer.name]
    assert wrapped == [f"prune_low_magnitude_{name}" for name in ("conv1", "dense1", "logits")]
    assert [(t.name, t.kind, t.shape, t.is_output) for t in prunable.tensors] == [
        ("conv1", "conv", (3, 3, 1, 3), False),
        ("dense1", "dense", (48, 4), False),
        ("logits", "dense", (4, 3), True),
    ]


def test_masks_multiply_what_the_trainable_twin_computes(build_tiny):
    """Oracle: the plain network with the kernels multiplied by hand."""
    network = build_tiny()
    by_hand = plain_copy(network)
    prunable = PrunableNetwork(network)
    rng = np.random.default_rng(0)
    masks = {t.name: rng.random(t.shape) < 0.5 for t in prunable.tensors}
    for name, mask in masks.items():
        layer = by_hand.get_layer(name)
        layer.kernel.assign(layer.kernel * mask)
    prunable.set_masks(masks)
    x = rng.random((4, 6, 6, 1), np.float32)
    expected = by_hand(x).numpy()
    np.testing.assert_array_equal(prunable.network(x).numpy(), expected)
    np.testing.assert_array_equal(prunable.trainable(x, training=False).numpy(), expected)
    assert all((prunable.masks()[name] == masks[name]).all() for name in masks)


def test_a_stripped_model_is_sparse_and_shares_nothing(build_tiny):
    prunable = PrunableNetwork(build_tiny())
    masks = {t.name: np.arange(t.size).reshape(t.shape) % 3 > 0 for t in prunable.tensors}
    prunable.set_masks(masks)
    stripped = prunable.stripped()
    assert [layer.name for layer in stripped.layers] == [
        layer.name for layer in prunable.network.layers
    ]
    before = {name: stripped.get_layer(name).kernel.numpy() for name in masks}
    for variable in prunable.network.variables:
        variable.assign(variable + 1)
    for name, mask in masks.items():
        after = stripped.get_layer(name).kernel.numpy()
        np.testing.assert_array_equal(after, before[name])
        assert np.count_nonzero(after[~mask]) == 0


def test_a_nested_model_is_pruned_in_its_place(keras):
    inner_in = keras.Input((5,))
    inner = keras.Model(inner_in, keras.layers.Dense(4, name="inner")(inner_in), name="block")
    inputs = keras.Input((5,))
    network = keras.Model(inputs, keras.layers.Dense(2, name="outer")(inner(inputs)))
    prunable = PrunableNetwork(network)
    assert [t.name for t in prunable.tensors] == ["inner", "outer"]
    prunable.set_masks({"inner": np.zeros((5, 4), bool), "outer": np.ones((4, 2), bool)})
    x = np.ones((1, 5), np.float32)
    np.testing.assert_array_equal(prunable.trainable(x).numpy(), np.zeros((1, 2)))
    np.testing.assert_array_equal(prunable.network(x).numpy(), np.zeros((1, 2)))


def test_a_model_without_prunable_layers_is_refused_with_what_it_has(keras):
    inputs = keras.Input((4, 4, 1))
    network = keras.Model(inputs, keras.layers.GlobalAveragePooling2D()(inputs), name="pool")
    with pytest.raises(InputError) as caught:
        PrunableNetwork(network)
    assert str(caught.value) == (
        "model 'pool' has nothing to prune: expected Dense or Conv layers of Keras, found "
        "GlobalAveragePooling2D, InputLayer."
    )


def test_a_subclass_of_a_keras_layer_is_left_alone(keras):
    class Special(keras.layers.Dense):
        pass

    inputs = keras.Input((3,))
    x = Special(4, name="special")(inputs)
    network = keras.Model(inputs, keras.layers.Dense(2, name="plain")(x))
    assert [t.name for t in PrunableNetwork(network).tensors] == ["plain"]
    assert left_out(network) == ("special (Special)",)
