"""Moments taken on the device are those that streaming the same activations gives."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.activations import ActivationReader
from tfprune.activations.batches import MomentRequest, plan_batch, plan_shapes
from tfprune.activations.moments import MomentReader, full_precision, images_per_batch
from tfprune.data import normalization
from tfprune.errors import InputError
from tfprune.similarity import Comparison
from tfprune.similarity.measure import MEASURES
from tfprune.similarity.streaming import Key

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
    comparison.accumulator.spill()
    return comparison


def taken(readers, images, requests, *, memory=2**30):
    reader = MomentReader(*readers, requests, device="/CPU:0", memory=memory)
    return reader, reader.read(images)


def request_like(comparison, n_images):
    accumulator = comparison.accumulator
    return MomentRequest(
        pairs=tuple(accumulator.pairs), layout=comparison.layout, n_images=n_images,
        n_blocks=accumulator.store.n_blocks, n_nulls=len(accumulator.nulls), seed=5,
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
    ours.accumulator.take(
        found.store, found.nulls, found.per_image, n_images=N, dtype=np.dtype(np.float32),
        products=found.products,
    )  # fmt: skip
    expected, scores = oracle.scores(), ours.scores()
    assert scores.keys() == expected.keys()
    for key, score in scores.items():
        theirs = expected[key].as_dict()
        by_pairings = {"null", "null_high", "null_p"}
        if any("lost ones" in text for text in (*score.warnings, *expected[key].warnings)):
            by_pairings |= {"interval", "warnings", "bias", "corrected"}
        for name, value in score.as_dict().items():
            if name in by_pairings and memory < 2**30:
                continue  # pairings stay within a batch, and these were smaller
            if isinstance(value, float | tuple) and name != "warnings":
                np.testing.assert_allclose(value, theirs[name], rtol=1e-10, atol=1e-10)
            else:
                assert value == theirs[name], name


def one_pair(layer, **options):
    return MomentRequest(pairs=((Key("a", layer), Key("b", layer)),), layout="pixels", **options)


def test_requests_end_at_their_own_images_and_a_reader_shows_the_present_weights(readers, images):
    """Oracle: sums of the activations in NumPy, whatever was read before."""
    requests = [one_pair("conv1", n_images=130), one_pair("dense", n_images=N, n_blocks=3)]
    reader = MomentReader(*readers, requests, device="/CPU:0", memory=2**30)
    reader.read(images)
    layer = readers[0]._tensors["dense"].node.layer
    before = layer.get_weights()
    layer.set_weights([2 * part for part in before])
    try:
        found = reader.read(images)
        answers = [list(r.batches(images)) for r in readers]
    finally:
        layer.set_weights(before)
    for moments, name, n in zip(found, ("conv1", "dense"), (130, N), strict=True):
        x, y = (
            np.concatenate([part[name] for part in side])[:n].astype(np.float64) for side in answers
        )
        x, y = (part.reshape(-1, part.shape[-1]) for part in (x, y))
        a, b = Key("a", name), Key("b", name)
        x, y = x - moments.store.shifts[a], y - moments.store.shifts[b]
        cross = moments.store.between[a, b].sum(axis=0)
        np.testing.assert_allclose(cross[:-2, :-2], x.T @ y, rtol=1e-10, atol=1e-8)
        assert cross[-2, -2] == len(x)
        within = moments.store.within[a].sum(axis=0)
        np.testing.assert_allclose(within[-1, -1], ((x * x).sum(axis=1) ** 2).sum(), rtol=1e-10)


def test_every_image_goes_to_one_block_and_is_paired_with_another_of_its_chunk():
    request = one_pair("conv", n_images=230, n_blocks=7, n_nulls=4)
    shape = plan_shapes(request, 200)
    plans = [plan_batch(request, shape, first, 200, 100) for first in (0, 200, 400)]
    assert [plan.active for plan in plans] == [True, True, False]
    assert [plan.mask.sum() for plan in plans] == [200, 30, 0]
    block_of = np.full(230, -1)
    for plan, first in zip(plans, (0, 200, 400), strict=True):
        for block, row in zip(plan.blocks, plan.images, strict=True):
            mine = row[row < 200] + first
            assert (block_of[mine] == -1).all()
            block_of[mine] = block
        for order in plan.orders:
            real = np.flatnonzero(plan.mask)
            assert (order[real] != real).all()
            assert (order[real] // 100 == real // 100).all()
            assert sorted(order[real]) == list(real)
    np.testing.assert_array_equal(block_of, np.arange(230) // 33)  # ceil(230 / 7) images each


def test_an_image_alone_in_its_chunk_is_paired_with_none():
    request = one_pair("conv", n_images=101, n_nulls=2)
    plan = plan_batch(request, plan_shapes(request, 200), 0, 200, 100)
    assert (plan.orders[:, 100] == 200).all()


def test_batches_are_whole_chunks_and_bounded_by_memory():
    shapes = {Key(side, "conv"): (16, 16, 8) for side in "ab"}
    request = one_pair("conv", n_images=10_000)
    # an image: activations of both sides in float32, and nine times 256 rows of 10 in float64
    image = 2 * 4 * 16 * 16 * 8 + 9 * 8 * 256 * 10
    assert images_per_batch([request], shapes, 250 * image) == 200
    assert images_per_batch([request], shapes, 99 * image) == 99
    assert images_per_batch([request], shapes, 0) == 1
    assert images_per_batch([request], shapes, 2**40) == 500
    assert images_per_batch([one_pair("conv", n_images=120)], shapes, 2**40) == 200


def test_float32_products_are_enough_for_cka_and_say_how_coarse_they_are(readers, images):
    found = {}
    for dtype in ("float64", "float32"):
        request = one_pair("conv2", n_images=N, n_blocks=10, dtype=dtype)
        _, (moments,) = taken(readers, images, [request])
        comparison = Comparison([("conv2", "conv2")], measures=["cka"], n_images=N, null=False)
        comparison.accumulator.take(
            moments.store, [], moments.per_image, n_images=N, dtype=np.dtype(np.float32),
            products=moments.products,
        )  # fmt: skip
        found[dtype] = comparison
    scores = {d: c.scores()["conv2", "conv2", "cka"] for d, c in found.items()}
    assert scores["float32"].value == pytest.approx(scores["float64"].value, abs=1e-6)
    assert scores["float32"].rank == scores["float64"].rank
    tolerances = [found[d].accumulator.tolerance[Key("a", "conv2")] for d in ("float64", "float32")]
    assert tolerances == [4e-6, 3e-4]


def test_activations_that_are_not_finite_are_refused(readers, images):
    layer = readers[1]._tensors["dense"].node.layer
    before = layer.get_weights()
    layer.set_weights([np.full_like(before[0], np.nan), before[1]])
    try:
        with pytest.raises(InputError) as caught:
            taken(readers, images[:20], [one_pair("dense", n_images=20)])
    finally:
        layer.set_weights(before)
    assert str(caught.value) == (
        "activations of layer 'dense' of network b must be finite: their sums over the probe set "
        "are not. Look for diverged training or a bad input."
    )


def test_tf32_is_off_in_a_comparison_and_as_it_was_after_it(keras):
    import tensorflow as tf

    on = tf.config.experimental.tensor_float_32_execution_enabled
    before = on()
    with full_precision():
        assert not on()
    assert on() is before
