"""Bringing images to one size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import tensorflow as tf


def resize_graph(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Images (..., height, width, c) stretched to `size` = (height, width), same dtype.

    `tf.image.resize`, bilinear with antialiasing; the aspect ratio is not kept and nothing is
    cropped. Whole-number dtypes are rounded to the nearest value and stay within their range.
    """
    import tensorflow as tf

    resized = tf.image.resize(images, size, method="bilinear", antialias=True)
    if images.dtype.is_floating:
        return tf.cast(resized, images.dtype)
    return tf.saturate_cast(tf.round(resized), images.dtype)


def resize_images(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (n, height, width, c) stretched to (n, *size, c), same dtype; see `resize_graph`."""
    return np.asarray(resize_graph(_constant(images), size))


def _constant(images: np.ndarray) -> tf.Tensor:
    import tensorflow as tf

    return tf.constant(images)
