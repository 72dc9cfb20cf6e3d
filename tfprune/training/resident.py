"""Training images that stay on the device, and batches gathered there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

_WORD = 8  # bytes


def resident_images(images: np.ndarray, *, on_gpu: bool) -> Callable[[Any], Any]:
    """Return the function, for graphs, from positions (b,) to images (b, height, width, c).

    TensorFlow has no kernel on GPUs that gathers 8-bit numbers: it would copy all images to the
    host in every call and gather there. Eight of them make a 64-bit word, which it does gather.
    """
    import tensorflow as tf

    if not on_gpu or images.dtype.itemsize != 1:
        held = tf.constant(images)
        return lambda chosen: tf.gather(held, chosen)
    shape, n_bytes = images.shape[1:], int(np.prod(images.shape[1:]))
    rows = images.reshape(len(images), n_bytes)
    rows = np.pad(rows, [(0, 0), (0, -n_bytes % _WORD)])
    words = tf.constant(np.ascontiguousarray(rows).view(np.int64))
    dtype = tf.as_dtype(images.dtype)

    def gather(chosen: Any) -> Any:
        got = tf.bitcast(tf.gather(words, chosen), dtype)  # (b, words, 8)
        flat = tf.reshape(got, [-1, rows.shape[1]])
        return tf.reshape(flat[:, :n_bytes], [-1, *shape])

    return gather
