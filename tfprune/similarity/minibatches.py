"""HSIC_1 summed over minibatches of images, for minibatch CKA (Nguyen et al. 2021)."""

from __future__ import annotations

import numpy as np

from tfprune.similarity.arrays import Array
from tfprune.similarity.build import pair_from_rows
from tfprune.similarity.sampling import derangement

#: images per minibatch: the estimator is unbiased for any size from 4 data points on
IMAGES = 64


class MinibatchSums:
    """HSIC_1 of (x, y), (x, x), (y, y) for every minibatch, and of (x, y) with images mixed up.

    Minibatches are `IMAGES` consecutive images, whatever the batches in which they arrive; a
    last incomplete one counts when it has at least half as many. In each, images of y are paired
    with other images of x `permutations` times, for the null.
    """

    def __init__(self, *, permutations: int = 0, seed: int = 0) -> None:
        self.permutations, self.seed = permutations, seed
        self._values: list[Array] = []
        self._waiting: list[tuple[Array, Array]] = []
        self._per_image = 1

    def add(self, x: Array, y: Array, per_image: int) -> None:
        """Add rows of whole images, `per_image` rows each."""
        self._per_image = per_image
        size = IMAGES * per_image
        waiting = sum(part.shape[0] for part, _ in self._waiting)
        start = 0
        while x.shape[0] - start + waiting >= size:
            stop = start + size - waiting
            self._waiting.append((x[start:stop], y[start:stop]))
            self._values.append(self._hsic())
            self._waiting, waiting, start = [], 0, stop
        if start < x.shape[0]:
            self._waiting.append((x[start:].copy(), y[start:].copy()))

    def merge(self, other: MinibatchSums) -> None:
        """Add another's minibatches; its incomplete one goes on in ours."""
        self._values += other._values
        for x, y in other._waiting:
            self.add(x, y, other._per_image)

    def state(self) -> tuple[Array, Array, Array]:
        """Return the complete minibatches' values (m, 3 + permutations) and the rows that wait."""
        values = np.array(self._values).reshape(-1, 3 + self.permutations)
        if not self._waiting:
            return values, np.zeros((0, 0)), np.zeros((0, 0))
        x = np.concatenate([part for part, _ in self._waiting])
        return values, x, np.concatenate([part for _, part in self._waiting])

    def restore(self, values: Array, x: Array, y: Array, per_image: int) -> None:
        """Go on from a saved state, of images with `per_image` rows."""
        self._values, self._per_image = list(values), per_image
        self._waiting = [(x, y)] if len(x) else []

    def values(self) -> Array:
        """Return (n_minibatches, 3): HSIC_1 of (x, y), (x, x), (y, y) of each."""
        return self._all()[:, :3]

    def nulls(self) -> list[Array]:
        """Return what `values` would be with images mixed up, once for each permutation."""
        found = self._all()
        return [found[:, [3 + k, 1, 2]] for k in range(self.permutations)]

    def _all(self) -> Array:
        waiting = sum(part.shape[0] for part, _ in self._waiting)
        values = list(self._values)
        enough = max(4, IMAGES * self._per_image // 2)
        if waiting >= enough or (not values and waiting >= 4):
            values.append(self._hsic())
        return np.array(values).reshape(-1, 3 + self.permutations)

    def _hsic(self) -> Array:
        """Return HSIC_1 of (x, y), (x, x), (y, y) and of (x, permuted y) of what waits."""
        x = np.concatenate([part for part, _ in self._waiting])
        y = np.concatenate([part for _, part in self._waiting])
        found = list(_hsic1(x, y))
        images = y.reshape(-1, self._per_image, y.shape[1])
        for k in range(self.permutations):
            if len(images) < 2:
                found.append(float("nan"))
                continue
            order = derangement(len(images), np.random.default_rng((self.seed, k)))
            found.append(_hsic1(x, images[order].reshape(y.shape))[0])
        return np.array(found)


def _hsic1(x: Array, y: Array) -> Array:
    pair = pair_from_rows(x, y, gram=True)
    n = pair.n_samples
    return np.array(pair.hsic1()) / (n * (n - 3))
