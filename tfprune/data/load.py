"""From a name to a data set in memory."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from tfprune.data.dataset import Dataset, Examples, Source, check_source, stratified_positions
from tfprune.data.names import DATASETS
from tfprune.errors import InputError

MEMORY_LIMIT = 4 * 2**30

# keeps the stream that holds out validation apart from the others drawn from the same seed
_VALIDATION_STREAM = 1


def load_dataset(
    name: str,
    *,
    data_dir: str | os.PathLike[str] | None = None,
    train_split: str = "train",
    test_split: str = "test",
    validation_fraction: float = 0.1,
    seed: int = 0,
    image_size: int | tuple[int, int] | None = None,
    download: bool = True,
    memory_limit: int = MEMORY_LIMIT,
) -> Dataset:
    """The data set of this name, read into memory, with a validation share held out of train.

    name: `digits` (embedded) or a tensorflow-datasets image-classification data set, also as
        `name/config` and `name:version`; `DATASETS` lists common ones.
    data_dir: where prepared TFDS data lies or is put; None for TFDS's own default
        (`TFDS_DATA_DIR` or `~/tensorflow_datasets`). Must exist when given.
    train_split, test_split: TFDS split expressions such as `train[:5000]`; they must not overlap.
    validation_fraction: share of the train split, in [0, 1), that is held out: round(share * n)
        examples, stratified by class, chosen by `seed`. Test is the same for every seed.
    image_size: pixels, one number for a square or (height, width); resizes every image. Needed
        where images differ in size.
    download: whether TFDS may fetch and prepare what `data_dir` does not hold.
    memory_limit: bytes that the images may take; what needs more is refused before reading.

    Raises InputError, and leaves no folder behind, for an unknown name, a missing folder, data
    that is not prepared and can't be fetched, a bad or empty split, data that is not images with
    one class label each, and values out of range.
    """
    size = _checked_size(image_size)
    if not 0 <= validation_fraction < 1:
        raise InputError(
            f"--validation-fraction must lie in [0, 1), got {validation_fraction}; it is the share "
            "of the train split that is held out."
        )
    if not isinstance(seed, int | np.integer) or seed < 0:
        raise InputError(f"--seed must be a whole number of at least 0, got {seed!r}.")
    if memory_limit <= 0:
        raise InputError(f"memory_limit must be a positive number of bytes, got {memory_limit}.")
    folder = None if data_dir is None else Path(data_dir)
    if folder is not None and not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise InputError(
            f"--data-dir {str(folder)!r} {what}. Create it, or name the folder that holds the "
            "prepared data."
        )
    loader = DATASETS.get(name if name in DATASETS else _TFDS)
    source: Source = loader(
        name,
        data_dir=folder,
        train_split=train_split,
        test_split=test_split,
        image_size=size,
        download=download,
        memory_limit=memory_limit,
    )
    check_source(name, source)
    return _with_validation(name, source, fraction=validation_fraction, seed=int(seed))


# what is not in DATASETS is asked of tensorflow-datasets, through the loader of one of its own
_TFDS = "cifar10"


def _checked_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or any(not isinstance(side, int) or side < 1 for side in size):
        raise InputError(
            f"--image-size must be a positive number of pixels, or height and width, "
            f"got {image_size!r}."
        )
    return size[0], size[1]


def _with_validation(name: str, source: Source, *, fraction: float, seed: int) -> Dataset:
    """Hold `fraction` of train out as validation."""
    n = len(source.train)
    n_validation = round(fraction * n)
    if fraction > 0 and n_validation == 0:
        raise InputError(
            f"--validation-fraction {fraction} of {n} train examples is none at all; raise it, "
            "or set it to 0 to hold nothing out."
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_VALIDATION_STREAM,)))
    held_out = stratified_positions(source.train.labels, size=n_validation, rng=rng)
    validation = source.train.take(held_out)
    train = _without(source.train, held_out)
    if len(np.unique(train.labels)) < 2:
        raise InputError(
            f"holding {n_validation} of {n} train examples of {name!r} out leaves fewer than two "
            "classes to train on; lower --validation-fraction or choose a larger --train-split."
        )
    return Dataset(
        name=name,
        train=train,
        validation=validation,
        test=source.test,
        n_classes=len(source.class_names),
        class_names=source.class_names,
        provenance=source.provenance,
    )


def _without(examples: Examples, positions: np.ndarray, *, chunk: int = 4096) -> Examples:
    """The examples that are not at `positions`, order kept.

    The images are moved together inside their own array, chunk by chunk, so that a data set that
    just fits in memory still does: `examples` must not be used afterwards.
    """
    if len(positions) == 0:
        return examples
    kept = np.setdiff1d(np.arange(len(examples)), positions)
    for start in range(0, len(kept), chunk):
        rows = kept[start : start + chunk]  # rows[i] >= start + i, so nothing unread is lost
        examples.images[start : start + len(rows)] = examples.images[rows]
    return Examples(examples.images[: len(kept)], examples.labels[kept], examples.indices[kept])
