"""What tells a data set from another: a digest of its images and labels."""

from __future__ import annotations

import numpy as np

from tfprune.data.dataset import Examples
from tfprune.data.lazy import LazyImages, stored_digest
from tfprune.pruning.checks import digest


def identity(examples: Examples, *, of_pixels: bool = False) -> str:
    """Return the first 16 digits of a SHA-256 of images and labels, in their order.

    Of images in files it is taken of the bytes of the files, or of the records in those of
    tensorflow-datasets, and of the shape and type of number that they are read as: the same,
    whether images are kept in memory or stay on the disk. Of arrays it is taken of their pixels,
    and so where images of tensorflow-datasets can't stay on the disk. of_pixels: take it of the
    pixels of images in memory in any case, as versions before did.
    """
    images, content = examples.images, examples.content
    if isinstance(images, LazyImages):
        stored = images.digest()
    elif content is not None and not of_pixels:
        stored = stored_digest(images.shape, images.dtype, content.tobytes())
    else:
        return digest({"images": images[:], "labels": examples.labels})[:16]
    found = np.frombuffer(bytes.fromhex(stored), np.uint8)
    return digest({"images": found, "labels": examples.labels})[:16]
