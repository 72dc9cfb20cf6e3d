"""Test images corrupted by formulas of our own, and CIFAR-10 with its test split so corrupted.

In kind as those of Hendrycks and Dietterich 2019, *Benchmarking neural network robustness to common
corruptions and perturbations* (noise, blur, digital), not theirs: they are made here, from whatever
copy of the images there is, so that nothing has to be downloaded. Numbers on them are comparable to
no others.
"""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from tfprune.data.dataset import Examples, Source

#: the third of CIFAR-10-C's five severities, as its authors' code has them (`make_cifar_c.py`):
#: standard deviations, shares, JPEG's quality. Blur is that of their extra set `gaussian_blur`
CIFAR_STRENGTHS: Mapping[str, float] = {
    "noise": 0.08, "blur": 0.7, "contrast": 0.4, "brightness": 0.15, "jpeg": 58,
}  # fmt: skip


def noise(images: np.ndarray, strength: float, *, span: float) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of that share of the span, from a fixed seed.

    images: (n, height, width, channels), values 0 to `span`; so for all of these.
    """
    return images + np.random.default_rng(0).normal(0, strength * span, images.shape)


def blur(images: np.ndarray, strength: float, *, span: float) -> np.ndarray:
    """Blur each image by a Gaussian with a standard deviation of so many pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(images, (0, strength, strength, 0)))


def contrast(images: np.ndarray, strength: float, *, span: float) -> np.ndarray:
    """Bring each pixel to that share of its distance from its image's mean, channel by channel."""
    mean = images.mean(axis=(1, 2), keepdims=True)
    return np.asarray(mean + strength * (images - mean))


def brightness(images: np.ndarray, strength: float, *, span: float) -> np.ndarray:
    """Add that share of the span to each pixel of each channel."""
    return images + strength * span


def jpeg(images: np.ndarray, strength: float, *, span: float) -> np.ndarray:
    """Store each image of 8 bits as a JPEG of that quality, 1 to 95, and read it again."""
    from PIL import Image

    found = []
    for image in images.astype(np.uint8):
        stored = io.BytesIO()
        gray = image.shape[-1] == 1
        picture = Image.fromarray(image[..., 0] if gray else image)
        picture.save(stored, "JPEG", quality=int(strength))
        found.append(np.asarray(Image.open(stored)))
    return np.array(found).reshape(images.shape)


CORRUPTIONS: Mapping[str, Callable[..., np.ndarray]] = {
    "noise": noise, "blur": blur, "contrast": contrast, "brightness": brightness, "jpeg": jpeg,
}  # fmt: skip


def corrupted(images: np.ndarray, kind: str, strength: float, *, span: float) -> np.ndarray:
    """Return images with one of CORRUPTIONS, cut to 0 to `span` and rounded, in their own type.

    >>> corrupted(np.array([[[[0], [8]]]], np.uint8), "brightness", 0.25, span=16).ravel()
    array([ 4, 12], dtype=uint8)
    """
    found = CORRUPTIONS[kind](images.astype(np.float64), strength, span=span)
    return np.asarray(np.clip(np.rint(found), 0, span).astype(images.dtype))


def load_corrupted(
    name: str,
    *,
    data_dir: Path | None,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    download: bool,
    memory_limit: int,
) -> Source:
    """Train and test splits of CIFAR-10, the test images corrupted; name: `cifar10-KIND`.

    KIND is one of CORRUPTIONS, its strength that of CIFAR_STRENGTHS. The training images are as
    they are. Otherwise as `tfprune.data.tfds.load_tfds`.
    """
    from tfprune.data.tfds import load_tfds

    base, _, kind = name.partition("-")
    source = load_tfds(
        base, data_dir=data_dir, train_split=train_split, test_split=test_split,
        image_size=image_size, download=download, memory_limit=memory_limit,
    )  # fmt: skip
    strength = CIFAR_STRENGTHS[kind]
    images = corrupted(np.asarray(source.test.images[:]), kind, strength, span=255)
    return dataclasses.replace(
        source,
        test=Examples(images, source.test.labels, source.test.indices),
        provenance={**source.provenance, "corruption": kind, "strength": strength},
    )
