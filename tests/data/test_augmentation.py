"""Crops and mirror images, held to a transcription pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.data import Augmentation, augment, epoch_plan


def transcription(images, shift, flip):
    """out[y, x] = image[y + dy, x + dx], 0 outside; then mirrored."""
    out = np.zeros_like(images)
    n, height, width, _ = images.shape
    for i in range(n):
        for y in range(height):
            for x in range(width):
                v, u = y + shift[i, 0], x + shift[i, 1]
                if 0 <= v < height and 0 <= u < width:
                    out[i, y, x] = images[i, v, u]
        if flip[i]:
            out[i] = out[i, :, ::-1]
    return out


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(40, 6, 5, 3)).astype(np.float32)


def test_a_graph_gives_what_the_transcription_gives(images, keras):
    import tensorflow as tf

    plan = epoch_plan(len(images), seed=0, epoch=0, augmentation=Augmentation(padding=3))
    in_graph = tf.function(lambda i, s, f: augment(i, s, f, padding=3))
    out = in_graph(images, plan.shift, plan.flip).numpy()
    np.testing.assert_array_equal(out, transcription(images, plan.shift, plan.flip))


def test_what_happens_to_an_example_does_not_depend_on_order_or_batch_size(images, keras):
    plan = epoch_plan(len(images), seed=5, epoch=1, augmentation=Augmentation(padding=2))
    whole = augment(images, plan.shift, plan.flip, padding=2).numpy()
    for batch in np.split(plan.order, [7, 20]):
        out = augment(images[batch], plan.shift[batch], plan.flip[batch], padding=2).numpy()
        np.testing.assert_array_equal(out, whole[batch])


def test_nothing_drawn_changes_nothing(images, keras):
    still = np.zeros((len(images), 2), np.int32)
    straight = np.zeros(len(images), bool)
    np.testing.assert_array_equal(augment(images, still, straight, padding=4), images)
    np.testing.assert_array_equal(augment(images, None, None, padding=4), images)


def test_the_border_of_a_crop_is_zero(keras):
    ones = np.ones((1, 4, 4, 1), np.float32)
    out = augment(ones, np.array([[2, -1]], np.int32), None, padding=2).numpy()[0, ..., 0]
    np.testing.assert_array_equal(out, [[0, 1, 1, 1], [0, 1, 1, 1], [0, 0, 0, 0], [0, 0, 0, 0]])
