"""A run on a network with transposed convolutions, whose kernels are (height, width, out, in)."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.models.shrink import shrink
from tfprune.pruning.mask_files import load_masks
from tfprune.runs.run import run
from tfprune.tracking import open_store, resolve_store

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def network(tmp_path_factory, keras):
    """The file of a network in which one of two convolutions is transposed."""
    layers = keras.layers
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = layers.Conv2D(8, 3, strides=2, activation="relu", name="down")(inputs)
    x = layers.Conv2DTranspose(6, 3, strides=2, activation="relu", name="up")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    path = tmp_path_factory.mktemp("given") / "up.keras"
    keras.Model(inputs, layers.Dense(10, name="logits")(x)).save(path)
    return path


@pytest.fixture(scope="module", params=["filter-l1", "n-m", "magnitude"])
def finished(request, network, tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("transposed")
    config = {
        **small,
        "model": {"name": str(network)},
        "pruning": {"levels": 1, "fraction": 0.5, "scope": "layer", "strategy": request.param,
                    "controls": ["random-mask"]},
    }  # fmt: skip
    result = run(config, folder=folder, tell=lambda message: None)
    store = open_store(resolve_store(folder=folder))
    child = store.child(result.run_id, level=1)
    masks = load_masks(store.download_artifact(child.id, "mask.npz"))
    return request.param, result, masks, store.download_artifact(child.id, "model.keras")


def test_masks_keep_the_kernels_shape_and_follow_its_axes(finished):
    strategy, _, masks, _ = finished
    assert {name: mask.shape for name, mask in masks.items()} == {
        "down": (3, 3, 1, 8), "up": (3, 3, 6, 8), "logits": (6, 10),
    }  # fmt: skip
    by_filter = masks["up"].transpose(0, 1, 3, 2)  # (height, width, in, out)
    if strategy == "filter-l1":
        assert sorted(by_filter.reshape(-1, 6).sum(axis=0).tolist()) == [0] * 3 + [72] * 3
    if strategy == "n-m":
        assert (by_filter.reshape(3, 3, 2, 4, 6).sum(axis=3) == 2).all()
    if strategy == "magnitude":
        assert masks["up"].sum() == 216


def test_facts_and_channel_counts_are_of_output_channels(finished):
    strategy, result, masks, _ = finished
    gone = {name: int((~mask.any(axis=(0, 1, 3))).sum()) if name == "up"
            else int((~mask.reshape(-1, mask.shape[-1]).any(axis=0)).sum())
            for name, mask in masks.items()}  # fmt: skip
    _, level = result.levels
    assert level.facts["dead_filters"] == sum(gone.values())
    rows = {row.layer: row for row in result.similarities if row.level == 1}
    assert {name: rows[name].masked_b for name in ("down", "up")} == {
        name: gone[name] for name in ("down", "up")
    }
    assert level.facts["effective_sparsity"] >= level.sparsity - 1e-12
    if strategy == "filter-l1":
        assert gone == {"down": 4, "up": 3, "logits": 0}
        # of up only 4 inputs and 3 filters are alive, of logits 3 inputs
        alive = 9 * 4 + 9 * 4 * 3 + 3 * 10
        assert level.facts["effective_sparsity"] == pytest.approx(1 - alive / (72 + 432 + 60))
    # a transposed kernel is used once for each of the 3 x 3 inputs, logits once
    used = 2 * 9 * (masks["down"].sum() + masks["up"].sum()) + 2 * masks["logits"].sum()
    assert level.facts["flops_sparse"] == used


def test_the_shrunk_network_computes_what_the_masked_one_does(finished, keras):
    strategy, _, masks, path = finished
    model = keras.models.load_model(path, compile=False)
    result = shrink(model, masks)
    x = np.random.default_rng(0).normal(size=(16, 8, 8, 1)).astype(np.float32)
    wanted, got = model(x).numpy(), result.model(x).numpy()
    assert np.abs(wanted - got).max() <= 1e-5 * np.abs(wanted).max()
    if strategy == "filter-l1":
        up = result.model.get_layer("up").kernel
        assert up.shape[2] == 3  # what is constant beyond them goes into the dense bias
