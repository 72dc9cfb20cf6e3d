"""Whether images of the probe set are copies of one another, which intervals take for new evidence.

Intervals over images rest on images that are independent. Copies (an image twice in a folder, or
written again by another program) count several times in the number and are not seen in the error:
blocks that hold one image each look as different as any. So each image leaves a sketch, a few
random sums of its activations, and images whose sketches all but agree count as one.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import NamedTuple

import numpy as np

from tfprune.similarity.arrays import Array

#: random sums of each layer's activations, and the directions that are looked at of all layers
_SUMS, _DIRECTIONS = 4, 8

#: positions of a map that enter the sums
_POSITIONS = 64

#: two images whose sketches differ by less than this share of the whole spread are one
_ROUNDING = 1e-5

#: the neighbours that say how dense images lie are this share of all, in number within these
_NEIGHBOURS, _FEWEST, _MOST = 0.05, 5, 40

#: nearest neighbours nearer than chance would have them in this share of images are copies, but
#: never those farther than `_NEAR` of the distance to the last of the neighbours
_BY_CHANCE, _NEAR = 0.01, 0.1

#: fewer images than this say nothing of how dense they lie; of more, so many of the first are taken
_LEAST, _LOOKED_AT = 4 * _FEWEST, 4000


class Copies(NamedTuple):
    """How many of `n_images` have a copy among the others, and how many images they are worth.

    `worth` is n^2 / sum of squared multiplicities: the variance of a mean over the images is that
    over so many independent ones.
    """

    n_images: int
    copied: int
    worth: float


class ImageSketch:
    """A few numbers for each image and layer, in which copies of an image agree."""

    def __init__(self) -> None:
        self.parts: dict[Hashable, list[Array]] = {}

    def add(self, layer: Hashable, rows: Array, per_image: int) -> None:
        """Add a batch's rows (n * per_image, d) of one layer, an image's rows together."""
        n, width = rows.shape[0] // per_image, rows.shape[1]
        places = np.unique(np.linspace(0, per_image - 1, min(per_image, _POSITIONS)).astype(int))
        seen = rows.reshape(n, per_image, width)[:, places].astype(np.float64)
        rng = np.random.default_rng((width, per_image))
        channels = rng.standard_normal((width, _SUMS)) / np.sqrt(width * places.size)
        positions = rng.standard_normal((places.size, _SUMS))
        with np.errstate(over="ignore", invalid="ignore"):
            sums = np.einsum("nps,ps->ns", seen @ channels, positions)
        self.parts.setdefault(layer, []).append(sums)

    def merge(self, other: ImageSketch) -> None:
        """Add another sketch of the same layers, of other images."""
        for layer, parts in other.parts.items():
            self.parts.setdefault(layer, []).extend(parts)

    def copies(self) -> Copies | None:
        """Return how many images are copies; None where there are too few to say."""
        layers = [np.concatenate(parts) for parts in self.parts.values()]
        counts = {len(layer) for layer in layers}
        if len(counts) != 1:
            return None  # nothing was sketched, or not all layers of all images
        return copies_in(np.concatenate(layers, axis=1))


def copies_in(points: Array) -> Copies | None:
    """Return how many of the images at `points` (n, k) are all but at one place with another.

    Images whose numbers are all 0 are left out: layers that are silent say nothing of them.

    >>> rng = np.random.default_rng(0)
    >>> points = rng.normal(size=(200, 6))
    >>> copies_in(points).copied
    0
    >>> twice = np.concatenate([points, points])
    >>> copies_in(twice)
    Copies(n_images=400, copied=400, worth=200.0)
    """
    whole, points = len(points), points[:_LOOKED_AT]
    n_images = len(points)
    varies = np.isfinite(points).all(axis=0)
    points = points[:, varies]
    points = points[(points != 0).any(axis=1)]
    size = points.std(axis=0) if len(points) else np.zeros(0)
    points = points[:, size > 0] / size[size > 0]
    if len(points) < _LEAST or points.shape[1] == 0:
        return None
    if points.shape[1] > _DIRECTIONS:
        mix = np.random.default_rng(points.shape[1]).standard_normal((points.shape[1], _DIRECTIONS))
        points = points @ mix / np.sqrt(points.shape[1])
    near = _near(points)
    # of images that were not looked at, each is as likely a copy as those that were
    others = float(near.sum()) / n_images * (whole - 1) / (n_images - 1)
    copied = int((near > 0).sum()) * whole // n_images
    return Copies(whole, copied, whole / (1 + others))


def _near(points: Array) -> Array:
    """Return (n,) of how many others each point is a copy.

    In r dimensions the nearest of k neighbours is nearer than a share t of the farthest's distance
    with probability of about k t^r (Facco et al. 2017 estimate dimensions that way); r is read
    off the farther half of a point's neighbours, which copies leave alone: images that excite
    few channels lie in fewer dimensions than others.
    """
    from scipy.spatial import cKDTree

    n = len(points)
    k = min(n - 1, int(np.clip(_NEIGHBOURS * n, _FEWEST, _MOST)))
    distance = cKDTree(points).query(points, k=k + 1)[0][:, 1:]
    middle, last = distance[:, (k - 1) // 2], distance[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        dimension = np.log(k / ((k + 1) // 2)) / np.log(last / middle)
    share = np.minimum(_NEAR, (_BY_CHANCE / k) ** (1 / np.nan_to_num(dimension, nan=np.inf)))
    reach = np.maximum(share * last, _ROUNDING * np.sqrt(points.shape[1]))
    return np.asarray((distance <= reach[:, None]).sum(axis=1))
