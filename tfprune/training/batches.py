"""The fixed batches of training images on which hooks look at a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tfprune.data.stratify import stratified_positions

if TYPE_CHECKING:
    from tfprune.data import Examples

_PURPOSE = 4  # keeps this stream apart from order, augmentation and random layers


def stratified_batches(
    examples: Examples, *, size: int, batch_size: int, seed: int
) -> list[np.ndarray]:
    """Return positions of disjoint batches of equal size, (batch,) int64 each.

    As many whole batches as fit into `size` examples, at least one; both are lowered to the
    number of examples. Together they hold the classes in the proportions of the data, and each
    batch does so up to rounding. A function of labels, sizes and `seed` only.
    """
    n = len(examples)
    batch = min(batch_size, n)
    n_batches = max(1, min(size, n) // batch)
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PURPOSE,)))
    chosen = stratified_positions(examples.labels, size=n_batches * batch, rng=rng)
    shuffled = rng.permutation(chosen)
    by_class = shuffled[np.argsort(examples.labels[shuffled], kind="stable")]
    return [by_class[start::n_batches] for start in range(n_batches)]  # dealt like cards
