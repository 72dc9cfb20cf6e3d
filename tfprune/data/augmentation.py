"""Crops and mirror images, given what was drawn for each image."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


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
