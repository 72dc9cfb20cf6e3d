"""Which images of a batch belong to which block, and in which orders they are paired at random."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tfprune.config.words import Layout
from tfprune.similarity.samples import derangement
from tfprune.similarity.streaming import KeyPair, Piece, pieces_of, run_length


@dataclass(frozen=True)
class MomentRequest:
    """Pairs of layers whose moments are wanted over the first `n_images` images.

    In `n_blocks` blocks of images, and for `n_nulls` random pairings; products of data points are
    taken in `dtype`, sums always in float64.
    """

    pairs: tuple[KeyPair, ...]
    layout: Layout
    n_images: int
    n_blocks: int = 1
    n_nulls: int = 0
    seed: int = 0
    dtype: str = "float64"


class BatchPlan(NamedTuple):
    """What is done with a batch of `size` images and one more that stands for none.

    active: whether the request has images in this batch at all.
    mask: (size + 1,) 1 for an image that counts, 0 for one that doesn't.
    images: (pieces, images) positions in the batch of consecutive images of one block, filled up
        with `size`.
    blocks: (pieces,) the block of each.
    orders: (n_nulls, size + 1) positions of the images of side b that are paired with side a's.
    """

    active: bool
    mask: np.ndarray
    images: np.ndarray
    blocks: np.ndarray
    orders: np.ndarray


def _pieces(request: MomentRequest, first: int, size: int) -> list[Piece]:
    n = min(size, request.n_images - first)
    if n <= 0:
        return []
    run = run_length(request.n_images, request.n_blocks)
    return pieces_of(first, n, run, request.n_blocks)


def plan_shapes(request: MomentRequest, size: int) -> tuple[int, int]:
    """Return (pieces, images) that does for every batch of `size` images."""
    found = [_pieces(request, first, size) for first in range(0, request.n_images, size)]
    longest = max(stop - start for pieces in found for start, stop, _ in pieces)
    return max(len(pieces) for pieces in found), longest


def plan_batch(
    request: MomentRequest, shape: tuple[int, int], first: int, size: int, chunk: int
) -> BatchPlan:
    """Return the plan of images first .. first + size of the probe set.

    Random pairings stay within `chunk` images, the batches in which an `ActivationReader` gives
    them, and come from the same seeds, so that they are those of the streamed comparison.
    """
    mask = np.zeros(size + 1)
    index = np.full(shape, size, np.int64)
    blocks = np.zeros(shape[0], np.int64)
    orders = np.tile(np.arange(size + 1, dtype=np.int64), (request.n_nulls, 1))
    pieces = _pieces(request, first, size)
    for row, (start, stop, block) in enumerate(pieces):
        index[row, : stop - start] = np.arange(start, stop)
        blocks[row] = block
        mask[start:stop] = 1.0
    for start in range(0, min(size, request.n_images - first), chunk):
        n = min(chunk, size - start, request.n_images - first - start)
        for k in range(request.n_nulls):
            if n < 2:  # it has no partner but itself
                orders[k, start : start + n] = size
                continue
            rng = np.random.default_rng((request.seed, k, first + start))
            orders[k, start : start + n] = start + derangement(n, rng)
    return BatchPlan(bool(pieces), mask, index, blocks, orders)
