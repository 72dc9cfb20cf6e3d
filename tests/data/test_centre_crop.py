"""Images brought to a size without stretching: what is cut off, and that every reader does it."""

from __future__ import annotations

import numpy as np
import pytest

from tfprune.config import ConfigError, from_dict
from tfprune.data import load_dataset
from tfprune.data.images import CentreCrop, resize_images
from tfprune.errors import InputError

RNG = np.random.default_rng(0)


def test_a_wide_image_loses_its_sides_and_a_high_one_its_ends():
    image = np.zeros((1, 4, 10, 1), np.uint8)
    image[:, :, 3:7] = 200
    np.testing.assert_array_equal(
        resize_images(image, CentreCrop((4, 4))), np.full((1, 4, 4, 1), 200)
    )
    turned = np.swapaxes(image, 1, 2)
    np.testing.assert_array_equal(
        resize_images(turned, CentreCrop((4, 4))), np.full((1, 4, 4, 1), 200)
    )


@pytest.mark.parametrize(
    ("shape", "covering"), [((30, 45), (20, 30)), ((7, 7), (20, 20)), ((31, 20), (31, 20))]
)
def test_the_crop_is_of_the_image_resized_to_cover(shape, covering):
    images = RNG.integers(0, 256, (2, *shape, 3), np.uint8)
    whole = resize_images(images, covering)
    top, left = (covering[0] - 20) // 2, (covering[1] - 20) // 2
    found = resize_images(images, CentreCrop((20, 20)))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, whole[:, top : top + 20, left : left + 20])


def test_files_are_cropped_in_memory_and_from_the_disk(write_images):
    folder = write_images(
        {
            f"{kind}/{i}.png": RNG.integers(0, 256, (6 + i, 12, 3), np.uint8)
            for kind in ("a", "b")
            for i in range(5)
        }
    )
    options = {"test_fraction": 0.2, "image_size": 5, "validation_fraction": 0}
    cropped = load_dataset(str(folder), resize="crop", **options)
    lazy = load_dataset(str(folder), resize="crop", stream=True, **options)
    stretched = load_dataset(str(folder), **options)
    assert cropped.input_shape == stretched.input_shape == (5, 5, 3)
    assert (cropped.train.images != stretched.train.images).any()
    np.testing.assert_array_equal(lazy.train.images[:], cropped.train.images)


def test_sets_of_tfds_are_cropped_in_memory_and_from_the_disk(write_tfds):
    import tensorflow_datasets as tfds

    examples = [
        {"image": RNG.integers(0, 256, (8 + i % 3, 14, 3), np.uint8), "label": i % 3}
        for i in range(20)
    ]
    root = write_tfds(
        "wide", {"train": examples[:14], "test": examples[14:]},
        image=tfds.features.Image(shape=(None, None, 3), encoding_format="png"),
    )  # fmt: skip
    options = {"data_dir": root, "image_size": 6, "resize": "crop", "validation_fraction": 0}
    resident, lazy = (load_dataset("wide", stream=stream, **options) for stream in (False, True))
    np.testing.assert_array_equal(lazy.train.images[:], resident.train.images)
    expected = resize_images(examples[0]["image"][None], CentreCrop((6, 6)))[0]
    np.testing.assert_array_equal(resident.train.images[0], expected)


def test_a_crop_needs_a_size_and_a_known_way():
    with pytest.raises(ConfigError, match="crop needs the size to which images are cropped: give"):
        from_dict({"data": {"resize": "crop"}})
    with pytest.raises(InputError, match="unknown resize 'squeeze'"):
        load_dataset("digits", resize="squeeze")
