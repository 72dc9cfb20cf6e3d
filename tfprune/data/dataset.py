"""What a data set is once it lies in memory: three disjoint sets of labelled images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError
from tfprune.masked_arrays import check_unmasked


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images in a fixed order.

    images: (n, height, width, channels), uint8 as stored; float32 only where the source itself
        is not 8-bit. Never normalised: see `tfprune.data.normalize`.
    labels: (n,) int64, each in [0, n_classes).
    indices: (n,) int64, the position of every example in its source split, so that an image can
        be found again whatever was sliced or held out.
    """

    images: np.ndarray
    labels: np.ndarray
    indices: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: np.ndarray) -> Examples:
        """Return the examples at these positions, in the order of `positions` (copied)."""
        return Examples(self.images[positions], self.labels[positions], self.indices[positions])


@dataclass(frozen=True, eq=False)
class Source:
    """What a loader returns: the two splits as asked for, before anything is held out.

    provenance: plain strings and numbers that say where the data came from, for the log.
    """

    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    provenance: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Train, validation and test examples of one data set, disjoint, with their classes.

    validation: held out of train by seed; may be empty (n = 0) when no share was asked for.
    test: never used to choose anything.
    provenance: version, splits, file format and a note where the copy is known to differ.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples
    n_classes: int
    class_names: tuple[str, ...]
    provenance: Mapping[str, Any]

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of every image."""
        height, width, channels = self.train.images.shape[1:]
        return int(height), int(width), int(channels)


def check_source(name: str, source: Source) -> None:
    """Raise InputError unless `source` can be trained and tested on.

    Both splits must hold examples of one shape, labels in [0, n_classes) and finite pixels;
    the train split must hold at least two classes.
    """
    n_classes = len(source.class_names)
    for split, examples in (("train", source.train), ("test", source.test)):
        where = f"the {split} split of {name!r}"
        check_unmasked(examples.images, f"the images of {where}")
        check_unmasked(examples.labels, f"the labels of {where}")
        if len(examples) == 0:
            raise InputError(f"{where} is empty; choose a --{split}-split that holds examples.")
        low, high = int(examples.labels.min()), int(examples.labels.max())
        if low < 0 or high >= n_classes:
            raise InputError(
                f"{where} has labels from {low} to {high}, but {n_classes} classes need labels in "
                f"[0, {n_classes - 1}]. A label of -1 marks an unlabelled split: choose another "
                f"with --{split}-split."
            )
        if not _all_finite(examples.images):
            raise InputError(f"{where} has pixels that are NaN or infinite; repair the data set.")
    present = np.unique(source.train.labels)
    if len(present) < 2:
        raise InputError(
            f"the train split of {name!r} holds examples of one class only "
            f"({source.class_names[present[0]]!r}); a classifier needs at least two. Choose a "
            "larger --train-split."
        )
    if source.train.images.shape[1:] != source.test.images.shape[1:]:
        raise InputError(
            f"train and test images of {name!r} differ in shape: {source.train.images.shape[1:]} "
            f"and {source.test.images.shape[1:]}. Give --image-size to resize both."
        )


def _all_finite(images: np.ndarray) -> bool:
    """Whether no pixel is NaN or infinite; checked image by image to hold memory down."""
    if images.dtype.kind != "f":
        return True
    return all(bool(np.isfinite(image).all()) for image in images)
