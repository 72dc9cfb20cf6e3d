"""Normalisation is computed on train and comes out the same in NumPy and in a graph."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config.words import NORMALIZATIONS
from tfprune.data import Normalization, normalization
from tfprune.errors import InputError


@pytest.fixture
def images() -> np.ndarray:
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (37, 5, 4, 3), dtype=np.uint8)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_standard_gives_mean_zero_and_deviation_one_per_channel(images, dtype):
    images = images.astype(dtype)
    fitted = normalization(images, "standard", chunk=10)
    exact = images.astype(np.float64)
    np.testing.assert_allclose(fitted.mean, exact.mean(axis=(0, 1, 2)), rtol=1e-14)
    np.testing.assert_allclose(fitted.std, exact.std(axis=(0, 1, 2)), rtol=1e-14)
    out = fitted.apply(images).astype(np.float64)
    np.testing.assert_allclose(out.mean(axis=(0, 1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(out.std(axis=(0, 1, 2)), 1, atol=1e-6)


def test_scale_divides_by_the_largest_training_value():
    digits = np.array([0, 4, 8, 16], np.uint8).reshape(1, 2, 2, 1)
    fitted = normalization(digits, "scale")
    assert fitted == Normalization("scale", (0.0,), (16.0,))
    assert fitted.apply(digits).ravel().tolist() == [0, 0.25, 0.5, 1]


@pytest.mark.parametrize(
    ("values", "mean", "std"),
    [([0, 4, 8, 16], 8.0, 8.0), ([3, 4, 8, 16], 8.0, 8.0), ([-1.0, 0.0, 0.5, 1.0], 0.0, 1.0),
     ([0, 0, 0, 0], 1.0, 1.0)],
)  # fmt: skip
def test_symmetric_brings_the_range_of_the_training_values_onto_minus_one_to_one(values, mean, std):
    images = np.array(values, np.float32).reshape(1, 2, 2, 1)
    assert normalization(images, "symmetric") == Normalization("symmetric", (mean,), (std,))


def test_none_only_changes_the_type(images):
    out = normalization(images, "none").apply(images)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, images)


@pytest.mark.parametrize("value", [np.float32(0.1), np.uint8(7)])
def test_a_constant_channel_is_centred_and_nothing_more(value):
    images = np.full((3, 2, 2, 2), value)
    images[1, 0, 0, 1] = 9
    fitted = normalization(images, "standard")
    assert fitted.std[0] == 1.0
    np.testing.assert_allclose(fitted.apply(images)[..., 0], 0, atol=1e-7)


def test_the_size_of_chunks_does_not_change_the_moments(images):
    for given in (images, images.astype(np.float32) / 7):
        one, many = normalization(given, chunk=100), normalization(given, chunk=3)
        np.testing.assert_allclose(one.mean, many.mean, rtol=1e-14)
        np.testing.assert_allclose(one.std, many.std, rtol=1e-14)


def test_a_large_offset_does_not_cancel_the_deviation():
    images = (1e6 + np.arange(8, dtype=np.float32) % 2).reshape(2, 2, 2, 1)
    assert normalization(images, "standard").std == (0.5,)


@pytest.mark.parametrize("mode", NORMALIZATIONS)
def test_numpy_and_a_graph_give_the_same_float32_bit_for_bit(images, mode, keras):
    import tensorflow as tf

    fitted = normalization(images, mode)
    in_graph = tf.function(fitted.apply)(tf.constant(images))
    assert in_graph.dtype == tf.float32
    np.testing.assert_array_equal(in_graph.numpy(), fitted.apply(images))


def test_what_can_not_be_normalised_is_refused(images):
    with pytest.raises(InputError, match="unknown normalization 'standart'; did you mean 'stand"):
        normalization(images, "standart")
    with pytest.raises(InputError, match=r"n >= 1, got \(0, 5, 4, 3\)"):
        normalization(images[:0])
    with pytest.raises(InputError, match="computed for 3 channels, but the images have 1"):
        normalization(images).apply(images[..., :1])
