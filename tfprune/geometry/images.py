"""Neighbours of an image, without any other image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError

#: singular values per channel that are set to 0 or kept, as in Kaufman and Azencot (2023)
SINGULAR_VALUES = 10


def image_neighbours(
    image: NDArray[Any], *, n_values: int = SINGULAR_VALUES
) -> NDArray[np.float32]:
    """Return images near one, (2^m - 1, height, width, channels): its smallest parts left out.

    image: (height, width, channels), of any numbers.

    Every channel is a sum of singular values times outer products. The `n_values` smallest values
    that are not 0 are taken, m of them where a channel has fewer, and every subset of them but the
    empty one is set to 0, the same places in all channels (Kaufman and Azencot 2023). A channel's
    largest value stays, so that no channel vanishes; one with fewer values than others hears only
    of those that it has.

    Raises InputError for another shape, and for an image of which no channel has two values.

    >>> image_neighbours(np.random.default_rng(0).random((8, 8, 1)), n_values=3).shape
    (7, 8, 8, 1)
    """
    image = np.asarray(image)
    parts = singular_parts(image, n_values)
    m = len(parts)
    subsets = left_out(2**m - 1)
    made = (subsets.astype(np.float64) @ parts.reshape(m, -1)).reshape(-1, *image.shape)
    np.subtract(image, made, out=made)
    return np.asarray(made, dtype=np.float32)


def singular_parts(
    image: NDArray[Any], n_values: int, *, scaled: bool = True
) -> NDArray[np.float64]:
    """Return what each of an image's smallest singular values holds of it, (m, height, width, c).

    The smallest first; of a channel with fewer than m, the rest is 0. scaled: times the singular
    values; otherwise the outer products of singular vectors alone.

    Raises InputError for another shape, and for an image of which no channel has two values.
    """
    image = np.asarray(image)
    if image.ndim != 3:
        raise InputError(f"an image is (height, width, channels), got shape {image.shape}.")
    channels = np.moveaxis(image.astype(np.float64), -1, 0)
    left, values, right = np.linalg.svd(channels, full_matrices=False)
    tiny = values[:, :1] * max(image.shape[:2]) * np.finfo(np.float32).eps
    ranks = np.count_nonzero(values > tiny, axis=1)
    counts = np.clip(np.minimum(ranks - 1, n_values), 0, None)
    m = int(counts.max())
    if m == 0:
        raise InputError(
            "the image has a single singular value in every channel, and no neighbours without it."
        )
    parts = np.zeros((m, *image.shape))
    for channel, (rank, count) in enumerate(zip(ranks, counts, strict=True)):
        places = rank - 1 - np.arange(count)  # the smallest first
        sizes = values[channel, places] if scaled else np.ones(count)
        u, v = left[channel][:, places] * sizes, right[channel][places]
        parts[:count, ..., channel] = u.T[:, :, None] * v[:, None, :]
    return parts


def left_out(n_neighbours: int) -> NDArray[np.int64]:
    """Return which part of an image each of its neighbours lacks, (2^m - 1, m): 1 where it does.

    n_neighbours: 2^m - 1, as `image_neighbours` gives.

    Raises InputError for a number of neighbours that `image_neighbours` does not give.

    >>> left_out(3).tolist()
    [[1, 0], [0, 1], [1, 1]]
    """
    m = (n_neighbours + 1).bit_length() - 1
    if n_neighbours < 1 or 2**m - 1 != n_neighbours:
        raise InputError(f"an image has 1, 3, 7, ... 2^m - 1 neighbours, got {n_neighbours}.")
    return (np.arange(1, 2**m)[:, None] >> np.arange(m)) & 1
