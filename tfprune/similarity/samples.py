"""What is taken of a stream of images for measures that moments don't serve.

A bounded, seeded sample of data points for those of all distances (rsa, cka-rbf), and HSIC_1 summed
over minibatches (Nguyen et al. 2021).
"""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array
from tfprune.similarity.rows import pair_from_rows

_MASK = np.uint64(0xFFFFFFFFFFFFFFFF)

#: of a key, the bits that order images; those above count the image's pixels
_IMAGE_BITS = np.uint64(44)

#: images that should share their positions, so that they can be paired with one another
_ALIKE = 8

_MOST_CLASSES = 64


def priorities(first: int, n: int, seed: int) -> Array:
    """Return (n,) pseudo-random uint64, a pure function of seed and image first .. first+n.

    The splitmix64 generator at each position, so a sample does not depend on batch size.
    """
    start = (seed * 0x9E3779B97F4A7C15 + first * 0xBF58476D1CE4E5B9) & int(_MASK)
    with np.errstate(over="ignore"):
        z = np.uint64(start) + np.arange(n, dtype=np.uint64) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return np.asarray(z ^ (z >> np.uint64(31)))


def n_classes(n_images: int | None) -> int:
    """Return among how many classes of positions so many images are dealt out."""
    if n_images is None:
        return 2 * _ALIKE
    return int(np.clip(n_images // _ALIKE, 1, _MOST_CLASSES))


class RowSample:
    """About `size` data points of as many images as there are: one pixel of each, then two, ...

    Images are dealt out among `classes`; those of one class give pixels at the same positions,
    other classes at others. So images of a class can be paired with one another, pixel by pixel,
    as whole images, which is what a null and an interval over images ask for, while together the
    classes see positions from all over the map. Which images and positions are taken is decided by
    `seed` and the image's number alone: samples of disjoint images merge to what one pass gives.
    """

    def __init__(self, size: int, seed: int, classes: int = 1) -> None:
        self.size, self.seed, self.classes = size, seed, classes
        self.keys: Array = np.zeros(0, np.uint64)
        self.images: Array = np.zeros(0, np.int64)
        self.positions: Array = np.zeros(0, np.int64)
        self._rows: tuple[Array, Array] | None = None

    def rows(self) -> tuple[Array, Array]:
        """Return the sampled rows of both sides, (m, d1) and (m, d2), an image's rows together."""
        if self._rows is None:
            raise InputError("a sample of data points was asked for before any was seen.")
        return self._rows

    @property
    def n_images(self) -> int:
        """Return of how many images there are rows."""
        return int(np.unique(self.images).size)

    def add(self, x: Array, y: Array, first: int, per_image: int = 1) -> None:
        """Consider rows of both sides, x (n, d1) and y (n, d2), of images first, first + 1, ...

        Each has `per_image` rows, one after the other.
        """
        n = x.shape[0] // per_image
        images = np.arange(first, first + n)
        order = np.random.default_rng(self.seed).permutation(per_image)
        start = images % self.classes * max(1, per_image // self.classes)
        priority = priorities(first, n, self.seed) >> (np.uint64(64) - _IMAGE_BITS)
        count = min(per_image, -(-self.size // max(n, 1)))  # more of this batch can't be taken
        turn = np.arange(count)[:, None]
        positions = order[(start + turn) % per_image]
        keys = (turn.astype(np.uint64) << _IMAGE_BITS) + priority
        rows = np.arange(n) * per_image + positions
        taken = np.broadcast_to(images, rows.shape)
        self._keep(keys.ravel(), taken.ravel(), positions.ravel(), (x, y), rows.ravel())

    def merge(self, other: RowSample) -> None:
        """Consider what another sample of the same seed has kept."""
        if other._rows is not None:
            everything = np.arange(other.keys.size)
            self._keep(other.keys, other.images, other.positions, other._rows, everything)

    def state(self) -> tuple[Array, Array, Array, Array, Array]:
        """Return keys, images and positions of the sampled rows, and the rows of both sides."""
        return self.keys, self.images, self.positions, *self.rows()

    def restore(self, keys: Array, images: Array, positions: Array, x: Array, y: Array) -> None:
        """Go on from what `state` returned."""
        self.keys, self.images, self.positions, self._rows = keys, images, positions, (x, y)

    def _keep(
        self, keys: Array, images: Array, positions: Array, rows: tuple[Array, Array], at: Array
    ) -> None:
        """Keep the `size` rows of lowest key; row `at[i]` of `rows` has the key `keys[i]`."""
        good = np.argsort(keys, kind="stable")[: self.size]
        if self.keys.size == self.size:
            good = good[keys[good] < self.keys.max()]
        if good.size == 0 and self._rows is not None:
            return
        parts = (rows[0][at[good]], rows[1][at[good]])
        if self._rows is not None:
            parts = tuple(  # type: ignore[assignment]
                np.concatenate([old, new]) for old, new in zip(self._rows, parts, strict=True)
            )
        keys, images, positions = (
            np.concatenate([old, new[good]])
            for old, new in (
                (self.keys, keys),
                (self.images, images),
                (self.positions, positions),
            )
        )
        lowest = np.argsort(keys, kind="stable")[: self.size]
        order = lowest[np.lexsort((positions[lowest], images[lowest]))]
        self.keys, self.images, self.positions = keys[order], images[order], positions[order]
        self._rows = (parts[0][order], parts[1][order])

    def groups_of_images(self, n_groups: int) -> Array:
        """Return (m,) the group, 0 .. n_groups-1, of each row's image; groups of one size."""
        _, image = np.unique(self.images, return_inverse=True)
        return np.asarray(image % n_groups)

    def paired_at_random(self, rng: np.random.Generator) -> tuple[Array, Array] | None:
        """Return rows of x and, at the same positions, of another image of y; None where none can.

        Images go as wholes: all rows of one image are paired with those of one other, at random
        among the images with rows at the same positions. Those alone in that are left out.
        """
        x, y = self.rows()
        starts = np.flatnonzero(np.diff(self.images, prepend=-1))
        stops = np.append(starts[1:], self.images.size)
        alike: dict[bytes, list[Array]] = {}
        for start, stop in zip(starts, stops, strict=True):
            places = self.positions[start:stop].tobytes()
            alike.setdefault(places, []).append(np.arange(start, stop))
        left, right = [], []
        for images in alike.values():
            if len(images) > 1:
                left += images
                right += [images[i] for i in derangement(len(images), rng)]
        if not left:
            return None
        return x[np.concatenate(left)], y[np.concatenate(right)]


def derangement(n: int, rng: np.random.Generator) -> Array:
    """Return a random order of range(n) that leaves nothing in place (n >= 2): one cycle."""
    cycle = rng.permutation(n)
    order = np.empty(n, np.int64)
    order[cycle] = np.roll(cycle, 1)
    return order


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
