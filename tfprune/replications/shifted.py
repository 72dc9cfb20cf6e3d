"""The embedded digits' test images, shifted by corruptions of our own.

In kind as those of Hendrycks and Dietterich 2019 (noise, blur, digital), not theirs: neither the
formulas nor the strengths are those of CIFAR-10-C, so numbers on these are comparable to no others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

_SPAN = 16  # the digits' pixels are 0 to 16
_NOISE, _BLUR, _CONTRAST, _BRIGHTNESS = 0.15, 0.6, 0.4, 0.25


def noise(images: np.ndarray, *, span: float) -> np.ndarray:
    """Add Gaussian noise with a standard deviation of 15% of the span, from a fixed seed.

    images: (n, height, width, channels), values 0 to `span`; so for all of these.
    """
    return images + np.random.default_rng(0).normal(0, _NOISE * span, images.shape)


def blur(images: np.ndarray, *, span: float) -> np.ndarray:
    """Blur each image by a Gaussian with a standard deviation of 0.6 pixels."""
    from scipy.ndimage import gaussian_filter

    return np.asarray(gaussian_filter(images, (0, _BLUR, _BLUR, 0)))


def contrast(images: np.ndarray, *, span: float) -> np.ndarray:
    """Bring each pixel to 40% of its distance from its image's mean."""
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    return np.asarray(mean + _CONTRAST * (images - mean))


def brightness(images: np.ndarray, *, span: float) -> np.ndarray:
    """Add a quarter of the span to each pixel."""
    return images + _BRIGHTNESS * span


CORRUPTIONS: Mapping[str, Callable[..., np.ndarray]] = {
    "noise": noise, "blur": blur, "contrast": contrast, "brightness": brightness,
}  # fmt: skip


def corrupted(images: np.ndarray, kind: str, *, span: float) -> np.ndarray:
    """Return images with one of CORRUPTIONS, cut to 0 to `span` and rounded, in their own type.

    >>> corrupted(np.array([[[[0], [8]]]], np.uint8), "brightness", span=16).ravel()
    array([ 4, 12], dtype=uint8)
    """
    found = CORRUPTIONS[kind](images.astype(np.float64), span=span)
    return np.asarray(np.clip(np.rint(found), 0, span).astype(images.dtype))


def _digits(kind: str) -> tuple[np.ndarray, np.ndarray]:
    from tfprune.data import load_dataset

    test = load_dataset("digits").test
    return corrupted(np.asarray(test.images[:]), kind, span=_SPAN), test.labels


def noisy_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits' test images with noise, (500, 8, 8, 1) uint8, and their labels."""
    return _digits("noise")


def blurred_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return them blurred."""
    return _digits("blur")


def faint_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return them with less contrast."""
    return _digits("contrast")


def bright_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return them brighter."""
    return _digits("brightness")
