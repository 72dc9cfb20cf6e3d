"""A bounded, seeded sample of images and their pixels, for measures that need n x n matrices."""

from __future__ import annotations

import numpy as np

from tfprune.errors import InputError
from tfprune.similarity.arrays import Array

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

    def restore(
        self, keys: Array, images: Array, positions: Array, rows: tuple[Array, Array]
    ) -> None:
        """Go on from the keys, images, positions and rows of a saved sample."""
        self.keys, self.images, self.positions, self._rows = keys, images, positions, rows

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
