"""From a name to a data set in memory."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.config.words import RESIZES
from tfprune.data.dataset import Dataset, Examples, Source, check_source, stratified_positions
from tfprune.data.given import call_function, find_given
from tfprune.data.images import CentreCrop
from tfprune.data.lazy import LazyImages
from tfprune.data.names import DATASETS
from tfprune.data.own import Collection, choose, read_path
from tfprune.data.reference import absolute, is_prepared, kind_of
from tfprune.data.splits import split_name
from tfprune.errors import InputError, check_kind, unknown_name

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
    resize: str = "stretch",
    test_fraction: float | None = None,
    stream: bool = False,
    download: bool = True,
    memory_limit: int = MEMORY_LIMIT,
) -> Dataset:
    """The data set of this name, with a validation share held out of train.

    name: `digits` (embedded) or a tensorflow-datasets image-classification data set, also as
        `name/config` and `name:version`; `DATASETS` lists common ones. Or data of one's own: a
        path (a folder with a subfolder for each class, a folder that tensorflow-datasets prepared,
        a file .npz, .csv or .parquet) or `package.module:function`; `tfprune.data.reference` says
        how they are told apart.
    data_dir: where prepared TFDS data lies or is put; None for TFDS's own default
        (`TFDS_DATA_DIR` or `~/tensorflow_datasets`). Must exist when given.
    train_split, test_split: TFDS split expressions such as `train[:5000]`; they must not overlap.
    validation_fraction: share of the train split, in [0, 1), that is held out: round(share * n)
        examples, stratified by class, chosen by `seed`. Test is the same for every seed.
    image_size: pixels, one number for a square or (height, width); resizes every image. Needed
        where images differ in size.
    resize: `stretch` to that size, or `crop`: cover it, the aspect ratio kept, and take the centre.
    test_fraction: share in (0, 1) of one's own images that becomes the test split, where they are
        not divided: stratified by class, the same for every seed.
    stream: leave images of files on the disk and read them as they are needed; done anyway where
        they need more than `memory_limit`. No number changes by it.
    download: whether TFDS may fetch and prepare what `data_dir` does not hold.
    memory_limit: bytes that the images may take; what needs more and can't stay on the disk is
        refused before reading.

    Raises InputError, and leaves no folder behind, for an unknown name, a missing folder, data
    that is not prepared and can't be fetched, a bad or empty split, data that is not images with
    one class label each, and values out of range.
    """
    check_kind(name, str, "a data set's name, a path or package.module:function, as text")
    size = _checked_size(image_size)
    if resize not in RESIZES:
        raise unknown_name("resize", resize, RESIZES)
    if size is not None and resize == "crop":
        size = CentreCrop(size)
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
    if test_fraction is not None and not 0 < test_fraction < 1:
        raise InputError(
            f"--test-fraction must lie in (0, 1), got {test_fraction}; it is the share of the "
            "images that becomes the test split."
        )
    own = find_own(
        name, splits=(split_name(train_split), split_name(test_split)), limit=memory_limit
    )
    if own is not None:
        source = choose(
            own,
            train_split=train_split,
            test_split=test_split,
            test_fraction=test_fraction,
            image_size=size,
            memory_limit=memory_limit,
            stream=stream,
        )
    else:
        if test_fraction is not None:
            with hinting_at_files(name):
                raise InputError(
                    f"--test-fraction holds out a test split of your own images, and {name!r} "
                    "names a data set, which has splits: give --train-split 'train[:80%]' and "
                    "--test-split 'train[80%:]'."
                )
        loader = _loader(name)
        more = {"stream": stream} if "stream" in inspect.signature(loader).parameters else {}
        source = loader(
            name,
            data_dir=folder,
            train_split=train_split,
            test_split=test_split,
            image_size=size,
            download=download,
            memory_limit=memory_limit,
            **more,
        )
    check_source(name, source)
    return _with_validation(name, source, fraction=validation_fraction, seed=int(seed))


# what is not in DATASETS is asked of tensorflow-datasets, through the loader of one of its own
_TFDS = "cifar10"


def find_own(
    name: str, *, splits: tuple[str, ...], limit: int, option: str = "--dataset"
) -> Collection | None:
    """Return the data of one's own that a name means; None where a loader knows it by name.

    option: what the name was given to, for messages.
    """
    kind = kind_of(name, option)
    if kind == "path" and not absolute(name).exists():
        raise InputError(
            f"{option} {name!r} does not exist; looked for it at {str(absolute(name))!r}. Give a "
            "folder with a subfolder for each class, an .npz file, or a .csv or .parquet table."
        )
    if kind == "given":
        return find_given(name)
    if kind == "function":
        return call_function(name, limit=limit)
    if kind == "path" and not is_prepared(absolute(name)):
        return read_path(absolute(name), splits=splits, limit=limit, option=option)
    return None


def _loader(name: str) -> Callable[..., Source]:
    if kind_of(name) == "path":
        from tfprune.data.tfds import load_prepared

        return load_prepared
    if name in DATASETS:
        return DATASETS.get(name)
    if Path(name).exists():
        return _with_hint
    return DATASETS.get(_TFDS)


def _with_hint(name: str, *, stream: bool, **options: Any) -> Source:
    """Load a set of tensorflow-datasets; where there is none, say how a folder here is meant."""
    with hinting_at_files(name):
        source: Source = DATASETS.get(_TFDS)(name, stream=stream, **options)
    return source


@contextmanager
def hinting_at_files(name: str) -> Iterator[None]:
    """Add to what is refused inside how a folder or file here of that name is meant."""
    try:
        yield
    except InputError as error:
        if not Path(name).exists():
            raise
        raise InputError(
            f"{error} A folder or file here is called {name!r}: to read it, write './{name}'."
        ) from error


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
            f"--validation-fraction {fraction} of {n} train examples rounds to none; raise it, "
            "or set it to 0 to hold none out."
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_VALIDATION_STREAM,)))
    held_out = stratified_positions(source.train.labels, size=n_validation, rng=rng)
    validation = source.train.select(held_out)
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
        notes=source.notes,
        label_mapping=source.label_mapping,
    )


def _without(examples: Examples, positions: np.ndarray, *, chunk: int = 4096) -> Examples:
    """The examples that are not at `positions`, order kept.

    The images are moved together inside their own array, chunk by chunk, so that a data set that
    just fits in memory still does: `examples` must not be used afterwards.
    """
    if len(positions) == 0:
        return examples
    kept = np.setdiff1d(np.arange(len(examples)), positions)
    images = examples.images
    if isinstance(images, LazyImages):
        return examples.select(kept)
    held: np.ndarray = images[:]  # the same memory
    for start in range(0, len(kept), chunk):
        rows = kept[start : start + chunk]  # rows[i] >= start + i, so nothing unread is lost
        held[start : start + len(rows)] = held[rows]
    content = None if examples.content is None else examples.content[kept]
    return Examples(held[: len(kept)], examples.labels[kept], examples.indices[kept], content)
