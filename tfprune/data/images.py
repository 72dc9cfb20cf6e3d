"""Images brought to one size, and pixels to the range that networks train well on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config.words import NORMALIZATIONS
from tfprune.data.lazy import Images, LazyImages, bounded, chunks
from tfprune.errors import InputError, unknown_name

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class Normalization:
    """The affine map (x - mean) / std per channel, in raw pixel units; plain numbers, to be logged.

    mode: `standard`, `scale`, `symmetric` or `none`; see `normalization`.
    mean, std: one float per channel.
    """

    mode: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    @property
    def scale(self) -> np.ndarray:
        """1 / std as (c,) float32: what is multiplied by."""
        return (1.0 / np.asarray(self.std, np.float64)).astype(np.float32)

    def apply(self, images: Any) -> Any:
        """Normalised images as float32, shape unchanged; NumPy in, NumPy out, else a tensor.

        images: (..., c), any real dtype. The same float32 numbers come out of NumPy and of a
        graph: both subtract, then multiply by `scale` (a division might be rewritten by the graph
        optimizer into a multiplication, and then differ in the last bit).
        """
        mean, scale = np.asarray(self.mean, np.float32), self.scale
        if images.shape[-1] != len(mean):
            raise InputError(
                f"normalisation was computed for {len(mean)} channels, but the images have "
                f"{images.shape[-1]}: shape {tuple(images.shape)}."
            )
        if isinstance(images, np.ndarray):
            return (images.astype(np.float32) - mean) * scale
        return self._apply_graph(images, mean, scale)

    @staticmethod
    def _apply_graph(images: tf.Tensor, mean: np.ndarray, scale: np.ndarray) -> tf.Tensor:
        import tensorflow as tf

        return (tf.cast(images, tf.float32) - mean) * scale


def normalization(
    images: Images,
    mode: str = "standard",
    *,
    chunk: int = 1024,
) -> Normalization:
    """The normalisation that fits these *training* images (n, height, width, c).

    mode: `standard`: mean 0 and standard deviation 1 per channel over all training pixels
        (population standard deviation; a constant channel is only centred).
        `scale`: divided by the largest absolute value in the training images, so that 8-bit
        images lie in [0, 1], as do the digits, whose values end at 16.
        `symmetric`: from 0 to the largest value in the training images onto [-1, 1], as
        `preprocess_input` of many of Keras's applications does; from the smallest where that is
        negative. `none`: raw values as float32.
    chunk: images worked on at a time; changes memory, not the result beyond rounding.
    """
    if mode not in NORMALIZATIONS:
        raise unknown_name("normalization", mode, NORMALIZATIONS)
    if len(images.shape) != 4 or 0 in images.shape:
        raise InputError(
            "normalization needs training images of shape (n, height, width, channels) with "
            f"n >= 1, got {images.shape}."
        )
    channels = images.shape[-1]
    zeros, ones = (0.0,) * channels, (1.0,) * channels
    if mode == "none":
        return Normalization(mode, zeros, ones)
    if mode in ("scale", "symmetric"):
        least, largest = _range(images, chunk)
        if mode == "scale":
            return Normalization(mode, zeros, (max(largest, -least) or 1.0,) * channels)
        least, largest = min(least, 0.0), max(largest, 0.0)
        half = (largest - least) / 2 or 1.0
        return Normalization(mode, (least + half,) * channels, (half,) * channels)
    mean, std = _moments(images, chunk)
    return Normalization(
        mode, tuple(float(m) for m in mean), tuple(float(s) if s > 0 else 1.0 for s in std)
    )


def _range(images: Images, chunk: int) -> tuple[float, float]:
    """The smallest and the largest value."""
    if isinstance(images, LazyImages) and images.dtype == np.uint8:
        values = np.flatnonzero(_histogram(images, chunk).any(axis=0))
        return float(values.min()), float(values.max())
    parts = [
        (float(part.min()), float(part.max())) for part in chunks(images, bounded(images, chunk))
    ]
    return min(low for low, _ in parts), max(high for _, high in parts)


def _moments(images: Images, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """Per-channel mean and standard deviation in float64, in two passes (no cancellation)."""
    if images.dtype == np.uint8:
        return _moments_8_bit(images, chunk)
    n_pixels, first = int(np.prod(images.shape[:-1])), images[0][0, 0]
    sums = [part.sum(axis=(0, 1, 2), dtype=np.float64) for part in chunks(images, chunk)]
    mean = np.asarray(sum(sums)) / n_pixels
    squares, constant = np.zeros_like(mean), np.ones(mean.shape, bool)
    for part in chunks(images, chunk):
        squares += np.square(part - mean).sum(axis=(0, 1, 2))
        constant &= (part == first).all(axis=(0, 1, 2))
    return mean, np.where(constant, 0.0, np.sqrt(squares / n_pixels))


def _moments_8_bit(images: Images, chunk: int) -> tuple[np.ndarray, np.ndarray]:
    """The same from a histogram of the 256 values per channel: exact sums, several times faster."""
    counts = _histogram(images, chunk)
    values = np.arange(256, dtype=np.float64)
    n_pixels = counts[0].sum()
    mean = counts @ values / n_pixels
    variance = np.sum(counts * np.square(values - mean[:, np.newaxis]), axis=1) / n_pixels
    return mean, np.sqrt(variance)


def _histogram(images: Images, chunk: int) -> np.ndarray:
    """How often each channel has each of the 256 values, (c, 256); of lazy images found once."""
    known = images.known if isinstance(images, LazyImages) else {}
    if "histogram" not in known:
        counts = np.zeros((images.shape[-1], 256), np.int64)
        for part in chunks(images, bounded(images, chunk)):
            for c in range(len(counts)):
                counts[c] += np.bincount(part[..., c].ravel(), minlength=256)
        known["histogram"] = counts
    found: np.ndarray = known["histogram"]
    return found


class CentreCrop(tuple[int, int]):
    """A size (height, width) that images are cropped to, rather than stretched.

    The image is resized, its aspect ratio kept, so that it just covers the size; what is over is
    cut off, as much on one side as on the other (an odd pixel at the end).

    >>> CentreCrop((224, 224)) == (224, 224)
    True
    """


def resize_graph(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """Images (..., height, width, c) brought to `size` = (height, width), same dtype.

    `tf.image.resize`, bilinear with antialiasing; stretched, the aspect ratio is not kept and
    nothing is cropped, unless `size` is a `CentreCrop`. Whole-number dtypes are rounded to the
    nearest value and stay within their range.
    """
    import tensorflow as tf

    first = _covering(images, size) if isinstance(size, CentreCrop) else size
    resized = tf.image.resize(images, first, method="bilinear", antialias=True)
    if isinstance(size, CentreCrop):
        top, left = (first[0] - size[0]) // 2, (first[1] - size[1]) // 2
        resized = resized[..., top : top + size[0], left : left + size[1], :]
        resized.set_shape([*images.shape[:-3], *size, images.shape[-1]])
    if images.dtype.is_floating:
        return tf.cast(resized, images.dtype)
    return tf.saturate_cast(tf.round(resized), images.dtype)


def _covering(images: tf.Tensor, size: tuple[int, int]) -> tf.Tensor:
    """The least (height, width) of the images' aspect ratio that covers `size`, rounded."""
    import tensorflow as tf

    now = tf.cast(tf.shape(images)[-3:-1], tf.float64)
    scale = tf.reduce_max(tf.constant(size, tf.float64) / now)
    return tf.maximum(tf.cast(tf.round(now * scale), tf.int32), tf.constant(size, tf.int32))


def resize_images(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Images (n, height, width, c) brought to (n, *size, c), same dtype; see `resize_graph`."""
    return np.asarray(resize_graph(_constant(images), size))


def _constant(images: np.ndarray) -> tf.Tensor:
    import tensorflow as tf

    return tf.constant(images)
