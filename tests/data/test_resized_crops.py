"""Parts of images that are enlarged: where they lie, and what they show pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import ConfigError, from_dict
from tfprune.data import Augmentation, enlarge, epoch_plan

RESIZED = Augmentation(resized=True)


def plan(n=4000, *, seed=0, epoch=0, aspect=1.0):
    return epoch_plan(n, seed=seed, epoch=epoch, augmentation=RESIZED, aspect=aspect)


@pytest.mark.parametrize("aspect", [1.0, 1.5, 0.5])
def test_boxes_lie_in_the_image_and_have_the_paper_s_areas_and_shapes(aspect):
    found = plan(aspect=aspect)
    top, left, height, width = found.box.T.astype(np.float64)
    assert found.shift is None
    assert found.box.dtype == np.float32
    assert (np.minimum(top, left) >= 0).all()
    assert (np.maximum(top + height, left + width) <= 1 + 1e-6).all()
    area, shape = height * width, width * aspect / height
    whole = area > 1 - 1e-6
    assert whole.mean() < 0.02
    assert 0.08 <= area.min() < 0.1
    assert 3 / 4 - 1e-4 <= shape[~whole].min() < 0.8
    assert 1.25 < shape[~whole].max() <= 4 / 3 + 1e-4


def test_areas_of_square_images_are_spread_evenly_as_far_as_boxes_fit():
    height, width = plan(20_000).box[:, 2:].astype(np.float64).T
    area = height * width
    # a box of up to 3/4 of the area always fits: there the density is even
    counts, _ = np.histogram(area, bins=6, range=(0.08, 0.75))
    assert counts.max() / counts.min() < 1.1


def test_a_box_depends_on_seed_epoch_and_example_alone():
    few, many = plan(10), plan(1000)
    np.testing.assert_array_equal(few.box, many.box[:10])
    assert (plan(10, epoch=1).box != few.box).any(axis=1).all()
    assert (plan(10, seed=1).box != few.box).any(axis=1).all()
    np.testing.assert_array_equal(plan(50).order, epoch_plan(50, seed=0, epoch=0).order)
    padded = epoch_plan(50, seed=0, epoch=0, augmentation=Augmentation())
    np.testing.assert_array_equal(plan(50).flip, padded.flip)


IMAGES = np.random.default_rng(0).normal(size=(12, 7, 10, 2)).astype(np.float32)


def transcription(image, box):
    """Bilinear at pixel centres within the box, one pixel after the other."""
    size = np.array(image.shape[:2])
    start, length = box[:2] * size, box[2:] * size
    out = np.zeros_like(image, np.float64)
    for y in range(size[0]):
        for x in range(size[1]):
            at = start + length * (np.array([y, x]) + 0.5) / size - 0.5
            at = np.clip(at, start, start + np.maximum(length, 1) - 1)
            at = np.clip(at, 0, size - 1)
            low = np.floor(at).astype(int)
            high = np.minimum(low + 1, size - 1)
            dy, dx = at - low
            out[y, x] = (
                (1 - dy) * (1 - dx) * image[low[0], low[1]] + (1 - dy) * dx * image[low[0], high[1]]
                + dy * (1 - dx) * image[high[0], low[1]] + dy * dx * image[high[0], high[1]]
            )  # fmt: skip
    return out


def test_a_graph_gives_what_the_transcription_gives(keras):
    import tensorflow as tf

    boxes = plan(len(IMAGES), aspect=10 / 7).box
    found = tf.function(enlarge)(tf.constant(IMAGES), tf.constant(boxes)).numpy()
    expected = [transcription(image, box) for image, box in zip(IMAGES, boxes, strict=True)]
    np.testing.assert_allclose(found, expected, atol=2e-5)


def test_the_whole_image_stays_as_it_is(keras):
    import tensorflow as tf

    whole = np.tile(np.array([0, 0, 1, 1], np.float32), (len(IMAGES), 1))
    np.testing.assert_array_equal(enlarge(tf.constant(IMAGES), tf.constant(whole)), IMAGES)


def test_a_quarter_shows_that_quarter(keras):
    import tensorflow as tf

    image = np.zeros((1, 8, 8, 1), np.float32)
    image[0, 4:, :4] = 5
    box = np.array([[0.5, 0, 0.5, 0.5]], np.float32)
    assert (enlarge(tf.constant(image), tf.constant(box)).numpy() == 5).all()


def test_resized_crops_need_augmentation():
    with pytest.raises(ConfigError, match=r"resized crops need --augment; give it too\."):
        from_dict({"data": {"crop": "resized"}})
    assert from_dict({"data": {"crop": "resized", "augment": True}}).data.crop == "resized"
