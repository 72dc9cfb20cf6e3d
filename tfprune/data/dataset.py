"""What a data set is once it lies in memory: three disjoint sets of labelled images, and samples.

Samples are stratified, every class keeping its share: the probe set on which layers are compared,
and the fixed batches on which strategies look at a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tfprune.data.lazy import Images, chunks, select
from tfprune.errors import InputError, check_unmasked, check_writable, unknown_name


@dataclass(frozen=True, eq=False)
class Examples:
    """Labelled images in a fixed order.

    images: (n, height, width, channels), uint8 as stored; float32 only where the source itself
        is not 8-bit. Never normalised: see `tfprune.data.images`. An array, or `LazyImages` that
        are read when they are indexed.
    labels: (n,) int64, each in [0, n_classes).
    indices: (n,) int64, the position of every example in its source split, so that an image can
        be found again whatever was sliced or held out.
    content: (n, 16) uint8, the digest of each image's file, or of its record in those of
        tensorflow-datasets; None where images come from neither.
    """

    images: Images
    labels: np.ndarray
    indices: np.ndarray
    content: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, positions: np.ndarray) -> LoadedExamples:
        """Return a copy of the examples at these positions, in the order of `positions`."""
        return LoadedExamples(
            self.images[positions],
            self.labels[positions],
            self.indices[positions],
            None if self.content is None else self.content[positions],
        )

    def select(self, positions: np.ndarray) -> Examples:
        """Return the examples at these positions; images that are not read yet stay so."""
        images = select(self.images, positions)
        content = None if self.content is None else self.content[positions]
        return Examples(images, self.labels[positions], self.indices[positions], content)


@dataclass(frozen=True, eq=False)
class LoadedExamples(Examples):
    """Examples whose images are an array in memory, as activations are taken of."""

    images: np.ndarray


@dataclass(frozen=True, eq=False)
class Source:
    """What a loader returns: the two splits as asked for, before anything is held out.

    provenance: plain strings and numbers that say where the data came from, for the log.
    notes: sentences that a user should read before training.
    label_mapping: label as it came -> class, where the source's labels are not the classes.
    """

    train: Examples
    test: Examples
    class_names: tuple[str, ...]
    provenance: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    label_mapping: Mapping[str, int] | None = None


@dataclass(frozen=True, eq=False)
class Dataset:
    """Train, validation and test examples of one data set, disjoint, with their classes.

    validation: held out of train by seed; may be empty (n = 0) when no share was asked for.
    test: never used to choose anything.
    provenance: version, splits, file format and a note where the copy is known to differ.
    notes, label_mapping: as of `Source`.
    """

    name: str
    train: Examples
    validation: Examples
    test: Examples
    n_classes: int
    class_names: tuple[str, ...]
    provenance: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    label_mapping: Mapping[str, int] | None = None

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
    for class_name in source.class_names:
        check_writable(class_name, f"a class of {name!r}")
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
        if not all_finite(examples.images):
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


def all_finite(images: Images) -> bool:
    """Whether no pixel is NaN or infinite; checked some at a time to hold memory down."""
    if images.dtype.kind != "f":
        return True
    return all(bool(np.isfinite(some).all()) for some in chunks(images))


def stratified_positions(labels: np.ndarray, *, size: int, rng: np.random.Generator) -> np.ndarray:
    """Positions (size,) int64, ascending, of a random sample in which classes keep their shares.

    labels: (n,) class of every example. size: in [0, n].

    Each class gets the floor of its proportional quota; what is left over goes one each to the
    classes with the largest remainders, ties to the lower label (Hamilton's method).
    """
    n = len(labels)
    if not 0 <= size <= n:
        raise ValueError(f"size must lie in [0, {n}], got {size}")
    classes, members = np.unique(labels, return_inverse=True)
    counts = np.bincount(members, minlength=len(classes))
    # integers, so that remainders compare exactly: quota = size * count / n
    chosen, remainder = np.divmod(size * counts, max(n, 1))
    short = size - int(chosen.sum())
    chosen[np.argsort(-remainder, kind="stable")[:short]] += 1
    parts = [
        rng.permutation(np.flatnonzero(members == k))[: chosen[k]] for k in range(len(classes))
    ]
    return np.sort(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, np.int64)


def balanced_positions(labels: np.ndarray, *, size: int, rng: np.random.Generator) -> np.ndarray:
    """Positions (size,) int64, ascending, of a random sample with as many of every class.

    Counts differ by one at most where all classes have enough, the first classes having one more;
    a class that has too few is taken whole. labels: (n,); size: in [0, n].

    >>> labels = np.array([0] * 10 + [1] * 3 + [2] * 1)
    >>> labels[balanced_positions(labels, size=7, rng=np.random.default_rng(0))]
    array([0, 0, 0, 1, 1, 1, 2])
    """
    classes, members = np.unique(labels, return_inverse=True)
    counts = np.bincount(members, minlength=len(classes))
    chosen = np.zeros_like(counts)
    for _ in range(size):  # one after the other, to who has fewest and some left
        chosen[np.argmin(np.where(chosen < counts, chosen, size + 1))] += 1
    parts = [
        rng.permutation(np.flatnonzero(members == k))[: chosen[k]] for k in range(len(classes))
    ]
    return np.sort(np.concatenate(parts)).astype(np.int64) if parts else np.empty(0, np.int64)


SPLITS = ("test", "validation", "train")


def probe_set(
    dataset: Dataset,
    *,
    size: int,
    split: Literal["test", "validation", "train"] | str = "test",
    seed: int = 0,
    balanced: bool = False,
) -> LoadedExamples:
    """`size` examples of one split, stratified by class, in the order of the split.

    seed: the probe set's own, not that of training: networks trained from different seeds are
        compared on the same inputs. With `split="test"` the choice depends on the data set, size
        and `seed` alone; which examples lie in `validation` and `train` depends on the seed that
        held validation out, so probe sets from these are comparable within one replicate only.

    balanced: take as many of every class; where one has fewer, all of it, and more of the others.

    Raises InputError when the split holds fewer than `size` examples.
    """
    if split not in SPLITS:
        raise unknown_name("probe split", split, SPLITS)
    examples: Examples = getattr(dataset, split)
    if size < 1:
        raise InputError(f"--probe-size must be at least 1, got {size}.")
    if size > len(examples):
        raise InputError(
            f"--probe-size {size} is more than the {len(examples)} examples of the {split} split "
            f"of {dataset.name!r}; lower it, or take a larger --{split}-split"
            f"{' or --test-fraction' if split == 'test' else ''}."
            if split != "validation"
            else f"--probe-size {size} is more than the {len(examples)} validation examples of "
            f"{dataset.name!r}; lower it, or raise --validation-fraction."
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PROBE_STREAM,)))
    choose = balanced_positions if balanced else stratified_positions
    return examples.take(choose(examples.labels, size=size, rng=rng))


# streams of random numbers, apart from those of order, augmentation and random layers
_PROBE_STREAM, _BATCHES_STREAM = 2, 4


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
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_BATCHES_STREAM,)))
    chosen = stratified_positions(examples.labels, size=n_batches * batch, rng=rng)
    shuffled = rng.permutation(chosen)
    by_class = shuffled[np.argsort(examples.labels[shuffled], kind="stable")]
    return [by_class[start::n_batches] for start in range(n_batches)]  # dealt like cards
