"""A run on a network with separable convolutions, of which only the pointwise kernel is pruned."""

from __future__ import annotations

import numpy as np
import pytest

import tfprune
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory, keras, small):
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    first = layers.SeparableConv2D(
        6, 3, depth_multiplier=3, strides=2, activation="relu", name="first"
    )
    x = layers.SeparableConv2D(8, 3, activation="relu", name="second")(first(inputs))
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    folder = tmp_path_factory.mktemp("separable")
    keras.Model(inputs, layers.Dense(10, name="logits")(x)).save(folder / "separable.keras")
    config = {
        **small,
        "model": {"name": str(folder / "separable.keras")},
        "pruning": {"levels": 1, "fraction": 0.5, "scope": "layer", "strategy": "filter-l1"},
    }
    return run(config, folder=folder, tell=lambda message: None), folder


def test_effective_sparsity_follows_channels_through_the_depthwise_part(finished):
    result, folder = finished
    dense, pruned = result.levels
    assert dense.facts["effective_sparsity"] == 0
    store = open_store(resolve_store(folder=folder))
    child = store.child(result.run_id, level=1)
    masks = load_masks(store.download_artifact(child.id, "mask.npz"))
    assert {name: mask.shape for name, mask in masks.items()} == {
        "first": (1, 1, 3, 6), "second": (1, 1, 6, 8), "logits": (8, 10),
    }  # fmt: skip
    assert [int(mask.sum()) for mask in masks.values()] == [9, 24, 80]
    alive = 3 * 3 + 3 * 4 + 4 * 10
    assert pruned.facts["effective_sparsity"] == pytest.approx(1 - alive / (18 + 48 + 80))


def test_a_ticket_of_it_is_a_network_with_the_pruned_weights_at_zero(finished):
    result, folder = finished
    ticket = tfprune.load_ticket(f"{result.run_id}:1", folder=folder)
    network = ticket.network((8, 8, 1), 10)
    for name in ("first", "second"):
        kernel = network.get_layer(name).pointwise_kernel.numpy()
        np.testing.assert_array_equal(kernel != 0, ticket.masks[name])
