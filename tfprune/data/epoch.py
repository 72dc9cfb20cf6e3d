"""What one epoch does with the images: their order, crops and mirror images, as pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfprune.errors import InputError

if TYPE_CHECKING:
    import tensorflow as tf


# one stream of random numbers per purpose: a new purpose never moves the draws of another
_ORDER, _SHIFT, _FLIP, _BOX = 1, 2, 3, 4

# of Szegedy et al. 2015, section 6, as they are used since: share of the image's area, width over
# height, and how often a box is drawn that must fit into the image
_AREA, _RATIO, _ATTEMPTS = (0.08, 1.0), (3 / 4, 4 / 3), 10


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied: a random crop, and a mirror image.

    The crop is one of two: out of a padded image, or of a random part that is enlarged.

    padding: pixels of border on each side, from which a crop of the original size is taken; a
        whole number of at least 0. 0 means no crop.
    resized: crop a box of 8% to 100% of the image's area, 3/4 to 4/3 as wide as high, and enlarge
        it to the image's size (Szegedy et al. 2015, section 6), in place of the padded crop.
    flip: whether an image is mirrored left to right with probability 1/2.

    The default is the usual one for CIFAR-10 (He et al. 2016, section 4.2).
    """

    padding: int = 4
    flip: bool = True
    resized: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.padding, bool) or not isinstance(self.padding, int) or self.padding < 0:
            raise InputError(
                f"augmentation padding must be a whole number of pixels of at least 0, "
                f"got {self.padding!r}."
            )


@dataclass(frozen=True, eq=False)
class EpochPlan:
    """What one epoch does with each of n examples.

    order: (n,) int32, the examples in the order in which they are seen; a permutation.
    shift: (n, 2) int32, rows and columns in [-padding, padding] by which the crop of example i
        is moved (indexed by example, not by place in `order`); None without crops.
    flip: (n,) bool, whether example i is mirrored; None without mirroring.
    box: (n, 4) float32, top, left, height and width of the part of example i that is enlarged, in
        units of the image's height and width; None without such crops.
    """

    order: np.ndarray
    shift: np.ndarray | None
    flip: np.ndarray | None
    box: np.ndarray | None = None


def epoch_plan(
    n: int,
    *,
    seed: int,
    epoch: int,
    augmentation: Augmentation | None = None,
    aspect: float = 1.0,
) -> EpochPlan:
    """The plan of one epoch: a pure function of (seed, epoch), the same on every machine.

    n: number of training examples. seed, epoch: whole numbers of at least 0. aspect: width over
        height of the images, for crops that are enlarged.

    Nothing is carried from one epoch to the next, so training can be resumed or rewound to any
    epoch and see what it would have seen. What happens to example i depends on (seed, epoch, i)
    alone: not on its place in the order, the batch size, or whether other draws are made. Each
    purpose has its own stream, `SeedSequence(seed, spawn_key=(purpose, epoch))`.
    """
    order = _stream(seed, epoch, _ORDER).permutation(n).astype(np.int32)
    shift = flip = box = None
    if augmentation is not None and augmentation.resized:
        box = _boxes(n, seed, epoch, aspect)
    elif augmentation is not None and augmentation.padding > 0:
        shift = _stream(seed, epoch, _SHIFT).integers(
            -augmentation.padding, augmentation.padding, size=(n, 2), dtype=np.int32, endpoint=True
        )
    if augmentation is not None and augmentation.flip:
        # a full double each, so that example i does not share a buffered word with its neighbour
        flip = _stream(seed, epoch, _FLIP).random(n) < 0.5
    return EpochPlan(order, shift, flip, box)


def _boxes(n: int, seed: int, epoch: int, aspect: float) -> np.ndarray:
    """Top, left, height, width of a part of each image, (n, 4) float32; aspect: width / height.

    The first of ten boxes that fits; where none does, the whole image.
    """
    boxes = np.tile(np.array([0, 0, 1, 1], np.float32), (n, 1))
    left_over = np.ones(n, bool)
    low, high = np.log(_RATIO)
    for attempt in range(_ATTEMPTS):
        draws = _stream(seed, epoch, _BOX, attempt).random((n, 4))
        area = _AREA[0] + (_AREA[1] - _AREA[0]) * draws[:, 0]
        ratio = np.exp(low + (high - low) * draws[:, 1]) / aspect
        height, width = np.sqrt(area / ratio), np.sqrt(area * ratio)
        fits = left_over & (height <= 1) & (width <= 1)
        top, left = draws[:, 2] * (1 - height), draws[:, 3] * (1 - width)
        boxes[fits] = np.stack([top, left, height, width], axis=1)[fits]
        left_over &= ~fits
    return boxes


def _stream(seed: int, epoch: int, purpose: int, *more: int) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(purpose, epoch, *more)))


def augment(
    images: tf.Tensor,
    shift: tf.Tensor | None,
    flip: tf.Tensor | None,
    *,
    padding: int,
) -> tf.Tensor:
    """Images (b, height, width, c) cropped and mirrored as drawn, same shape and dtype.

    images: *normalised* images: the border is 0 after normalisation, that is the mean pixel of
        the training set in mode `standard`. He et al. (2016) subtract the mean before they pad,
        as does fb.resnet.torch; code that pads raw images (torchvision's `RandomCrop` before
        `Normalize`) has a black border instead.
    shift: (b, 2) int32 in [-padding, padding]; out[y, x] = image[y + shift_0, x + shift_1], 0
        where that lies outside. None: no crop.
    flip: (b,) bool; mirrored left to right after the crop. None: no mirroring.
    padding: pixels of border on each side; the largest shift.

    Takes `EpochPlan.shift` and `.flip` gathered for the batch. Works in a graph: each image is
    assembled by one gather of rows and one of columns.
    """
    import tensorflow as tf

    height, width = images.shape[1], images.shape[2]
    if shift is not None and padding > 0:
        border = [[0, 0], [padding, padding], [padding, padding], [0, 0]]
        rows = padding + shift[:, 0, tf.newaxis] + tf.range(height)[tf.newaxis, :]
        columns = padding + shift[:, 1, tf.newaxis] + tf.range(width)[tf.newaxis, :]
        images = tf.gather(tf.pad(images, border), rows, axis=1, batch_dims=1)
        images = tf.gather(images, columns, axis=2, batch_dims=1)
    if flip is not None:
        images = tf.where(flip[:, tf.newaxis, tf.newaxis, tf.newaxis], images[:, :, ::-1], images)
    return images


def enlarge(images: tf.Tensor, box: tf.Tensor) -> tf.Tensor:
    """Return a part of each image (b, height, width, c), enlarged to the image's size.

    box: (b, 4) top, left, height, width as of `EpochPlan.box`. Bilinear, pixel centres at halves;
    nothing outside of the box is looked at, but where it is smaller than a pixel.
    """
    import tensorflow as tf

    for axis, size in ((1, images.shape[1]), (2, images.shape[2])):
        start, length = box[:, axis - 1] * size, box[:, axis + 1] * size
        steps = (tf.range(size, dtype=tf.float32) + 0.5) / size
        at = start[:, tf.newaxis] + length[:, tf.newaxis] * steps[tf.newaxis, :] - 0.5
        last = start + tf.maximum(length, 1.0) - 1.0
        at = tf.clip_by_value(at, start[:, tf.newaxis], last[:, tf.newaxis])
        at = tf.clip_by_value(at, 0.0, float(size - 1))
        below = tf.floor(at)
        share = tf.cast(at - below, images.dtype)
        share = tf.reshape(share, [-1, size, 1, 1] if axis == 1 else [-1, 1, size, 1])
        lower = tf.cast(below, tf.int32)
        upper = tf.minimum(lower + 1, size - 1)
        first = tf.gather(images, lower, axis=axis, batch_dims=1)
        second = tf.gather(images, upper, axis=axis, batch_dims=1)
        images = first + (second - first) * share
    return images
