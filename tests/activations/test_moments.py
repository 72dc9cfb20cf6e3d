"""Moments taken on the device are those that streaming the same activations gives."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.activations import ActivationReader
from tfprune.activations.batches import MomentRequest
from tfprune.activations.moments import MomentReader
from tfprune.data import normalization
from tfprune.similarity import Comparison
from tfprune.similarity.registry import MEASURES

OF_MOMENTS = [name for name in MEASURES.names() if MEASURES.get(name).source == "moments"]
N = 230  # two full chunks of images and one that is not


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 255, (N, 8, 8, 3)).astype(np.uint8)


def network(keras, seed):
    """conv (a dead and a constant channel, large offsets) - conv - pool - dense - out."""
    keras.utils.set_random_seed(seed)
    layers = keras.layers
    x = inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(6, 3, padding="same", activation="relu", name="conv1")(x)
    x = layers.Conv2D(5, 3, strides=4, name="conv2")(x)
    x = layers.Flatten()(x)
    x = layers.Dense(7, activation="tanh", name="dense")(x)
    model = keras.Model(inputs, layers.Dense(3, name="out")(x))
    kernel, bias = model.get_layer("conv1").get_weights()
    kernel[..., 0], bias[0] = 0, -1  # dead
    kernel[..., 1], bias[1] = 0, 0.1  # constant, and not exactly a mean of its copies
    bias[2] = 1000  # far from zero
    model.get_layer("conv1").set_weights([kernel, bias])
    return model


@pytest.fixture(scope="module")
def readers(keras, images):
    scale = normalization(images, "standard")
    return [ActivationReader(network(keras, seed), normalization=scale) for seed in (1, 2)]


def streamed(readers, images, layers, *, layout, measures, blocks, permutations):
    pairs = [(name, name) for name in layers]
    comparison = Comparison(
        pairs, measures=measures, layout=layout, blocks=blocks, permutations=permutations,
        n_images=len(images), memory=0, seed=5,
    )  # fmt: skip
    for a, b in zip(*(reader.batches(images) for reader in readers), strict=True):
        comparison.update(a, b)
    comparison.collected.spill()
    return comparison


def taken(readers, images, requests, *, memory=2**30):
    reader = MomentReader(*readers, requests, device="/CPU:0", memory=memory)
    return reader, reader.read(images)


def request_like(comparison, n_images):
    collected = comparison.collected
    return MomentRequest(
        pairs=tuple(collected.pairs), layout=comparison.layout, n_images=n_images,
        n_blocks=collected.store.n_blocks, n_nulls=len(collected.nulls), seed=5,
    )  # fmt: skip


@pytest.mark.parametrize("layout", ["pixels", "mean", "flatten"])
@pytest.mark.parametrize("memory", [2**30, 60_000])
def test_every_measure_of_moments_agrees_with_the_streamed_comparison(
    readers, images, layout, memory
):
    """Dead, constant and far channels included; values, intervals and nulls."""
    layers = ["conv2", "dense"] if layout == "flatten" else ["conv1", "conv2", "dense"]
    options = {"layout": layout, "measures": OF_MOMENTS, "blocks": 16, "permutations": 3}
    oracle = streamed(readers, images, layers, **options)
    reader, (found,) = taken(readers, images, [request_like(oracle, N)], memory=memory)
    assert (reader.batch_size < 100) == (memory < 2**30)
    ours = Comparison(
        oracle.pairs, measures=OF_MOMENTS, layout=layout, blocks=16, permutations=3, n_images=N,
        seed=5,
    )  # fmt: skip
    ours.collected.take(
        found.store, found.nulls, found.per_image, n_images=N, dtype=np.dtype(np.float32)
    )
    expected, scores = oracle.scores(), ours.scores()
    assert scores.keys() == expected.keys()
    for key, score in scores.items():
        theirs = expected[key].as_dict()
        for name, value in score.as_dict().items():
            if name in ("null", "null_high") and memory < 2**30:
                continue  # pairings stay within a batch, and these were smaller
            if isinstance(value, float | tuple) and name != "warnings":
                np.testing.assert_allclose(value, theirs[name], rtol=1e-10, atol=1e-10)
            else:
                assert value == theirs[name], name
