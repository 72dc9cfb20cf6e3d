"""The embedded digits' test images, shifted by corruptions of our own: see `data.corrupted`."""

from __future__ import annotations

import numpy as np

from tfprune.data.corrupted import corrupted

_SPAN = 16  # the digits' pixels are 0 to 16

#: standard deviation as a share of the span, in pixels, shares of contrast and of the span
DIGITS_STRENGTHS = {"noise": 0.15, "blur": 0.6, "contrast": 0.4, "brightness": 0.25}


def _digits(kind: str) -> tuple[np.ndarray, np.ndarray]:
    from tfprune.data import load_dataset

    test = load_dataset("digits").test
    images = corrupted(np.asarray(test.images[:]), kind, DIGITS_STRENGTHS[kind], span=_SPAN)
    return images, test.labels


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
