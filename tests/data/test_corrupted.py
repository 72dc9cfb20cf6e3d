"""Corrupted test images: what each corruption does, and CIFAR-10 with them."""

import numpy as np
import pytest

from tfprune.data import DATASETS
from tfprune.data.corrupted import CIFAR_STRENGTHS, CORRUPTIONS, corrupted
from tfprune.replications import shifted

STRENGTHS = [*shifted.DIGITS_STRENGTHS.items(), ("noise", 0.08), ("blur", 0.7)]


@pytest.mark.parametrize(("kind", "strength"), STRENGTHS)
def test_corrupted_images_keep_type_range_and_place(kind, strength):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 17, (40, 8, 8, 1)).astype(np.uint8)
    before = images.copy()
    found = corrupted(images, kind, strength, span=16)
    assert (found.dtype, found.shape) == (images.dtype, images.shape)
    assert found.max() <= 16
    assert np.array_equal(images, before)
    assert np.array_equal(found, corrupted(images, kind, strength, span=16))  # the same every time
    first = corrupted(images[:1], kind, strength, span=16)
    assert np.array_equal(first, found[:1])  # each image by itself
    change = found.astype(float) - images
    if kind == "brightness":
        assert np.array_equal(change, np.minimum(4, 16 - images.astype(int)))
    elif kind == "noise":
        middle = change[(images > 6) & (images < 10)]  # seldom cut off
        rounding = 1 / 12
        assert middle.std() == pytest.approx(np.sqrt((strength * 16) ** 2 + rounding), rel=0.1)
    else:  # nearer to the image's mean, which stays
        assert found.std() < 0.7 * images.std()
        assert found.mean() == pytest.approx(images.mean(), abs=0.3)


def test_contrast_is_lost_channel_by_channel():
    images = np.zeros((1, 2, 2, 2), np.uint8)
    images[..., 0] = [[0, 100], [100, 200]]
    images[..., 1] = 50
    found = corrupted(images, "contrast", 0.4, span=255)
    assert found[0, :, :, 0].tolist() == [[60, 100], [100, 140]]
    assert set(found[..., 1].ravel()) == {50}


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_loses_more_at_a_lower_quality(channels):
    rng = np.random.default_rng(6)
    smooth = np.linspace(0, 200, 32)[:, None, None] + rng.normal(0, 25, (4, 32, 32, channels))
    images = np.clip(smooth, 0, 255).astype(np.uint8)
    lost = []
    for quality in (95, 58, 10):
        found = corrupted(images, "jpeg", quality, span=255)
        assert (found.dtype, found.shape) == (images.dtype, images.shape)
        lost.append(np.abs(found.astype(float) - images).mean())
    assert 0 < lost[0] < lost[1] < lost[2] < 60


def test_every_kind_of_cifar10_is_a_data_set_that_is_listed():
    assert set(CIFAR_STRENGTHS) == set(CORRUPTIONS)
    assert {f"cifar10-{kind}" for kind in CORRUPTIONS} <= set(DATASETS.names())


def test_only_the_test_images_are_corrupted(monkeypatch):
    from tfprune.data import load_dataset, tfds
    from tfprune.data.also import load_also
    from tfprune.data.dataset import Examples, Source

    def part(seed, n):
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (n, 8, 8, 3)).astype(np.uint8)
        return Examples(images, np.arange(n) % 2, np.arange(n), np.zeros((n, 16), np.uint8))

    asked = []

    def load(name, **options):
        asked.append((name, options["train_split"], options["test_split"]))
        return Source(part(0, 20), part(1, 10), ("cat", "dog"), {"source": "here"})

    monkeypatch.setattr(tfds, "load_tfds", load)
    found = load_dataset("cifar10-brightness")
    clean = load("cifar10", train_split="", test_split="")
    assert asked[0] == ("cifar10", "train", "test")
    assert found.provenance["corruption"] == "brightness"
    everything = np.concatenate([found.train.images[:], found.validation.images[:]])
    assert sorted(everything.sum(axis=(1, 2, 3))) == sorted(clean.train.images.sum(axis=(1, 2, 3)))
    added = np.minimum(38, 255 - clean.test.images.astype(int))  # 0.15 of 255, rounded
    assert np.array_equal(found.test.images[:], clean.test.images + added)
    assert found.test.content is None  # its images are no longer the files'

    also = load_also("cifar10-noise:test[:10]", found)
    assert asked[-1] == ("cifar10", "train[:1]", "test[:10]")  # not all of what isn't used
    assert also.key == "cifar10-noise:test[:10]".replace("[", "_").replace("]", "_")
    assert np.array_equal(also.examples.labels, clean.test.labels)
