"""scikit-learn's digits: 1,797 real handwritten digits inside the wheel, nothing to download."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.dataset import Examples, Source, stratified_positions
from tfprune.errors import InputError

N_TEST = 500
# Fixed for good: the test set is the same whatever the seed of the experiment.
_TEST_SPLIT_SEED = 20180326

_SPLIT = re.compile(r"(?P<name>\w+)(\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?")


def load_digits(
    name: str,
    *,
    data_dir: Path | None,
    train_split: str,
    test_split: str,
    image_size: tuple[int, int] | None,
    download: bool,
    memory_limit: int,
) -> Source:
    """Train and test splits of the 8x8 gray digits (Alpaydin & Kaynak 1998, UCI; scikit-learn).

    images: uint8, the source's own values 0..16, kept exactly (not stretched to 0..255).
    indices: rows of `sklearn.datasets.load_digits()`.

    The source has no split of its own, so 500 of the 1,797 are held out as test, stratified,
    the same ones for every seed; `train` is the other 1,297. Both accept `name[start:stop]` with
    counts or percentages, as TFDS does. `image_size` resizes, rounding to whole values.
    `data_dir` and `download` have nothing to act on: it is 115 kB. `memory_limit` bounds the bytes
    that resizing takes (4 for each pixel).
    """
    from sklearn.datasets import load_digits as sklearn_digits

    bunch = sklearn_digits()
    # stored as floats that are whole numbers from 0 to 16
    images = bunch.images.astype(np.uint8)[..., np.newaxis]
    labels = bunch.target.astype(np.int64)
    if image_size is not None and image_size != images.shape[1:3]:
        from tfprune.data.images import resize_images

        _check_memory(len(images), image_size, limit=memory_limit)
        images = resize_images(images, image_size)
    held_out = stratified_positions(
        labels, size=N_TEST, rng=np.random.default_rng(_TEST_SPLIT_SEED)
    )
    splits = {
        "train": np.setdiff1d(np.arange(len(labels)), held_out),
        "test": held_out,
    }
    train = _sliced(splits, train_split, option="--train-split")
    test = _sliced(splits, test_split, option="--test-split")
    shared = np.intersect1d(train, test)
    if len(shared):
        raise InputError(
            f"--train-split {train_split!r} and --test-split {test_split!r} share {len(shared)} "
            "examples; accuracy on them would not be a test. Choose splits that do not overlap."
        )
    return Source(
        train=Examples(images[train], labels[train], train),
        test=Examples(images[test], labels[test], test),
        class_names=tuple(str(c) for c in bunch.target_names),
        provenance=_provenance(train_split, test_split, image_size),
    )


def _check_memory(n: int, size: tuple[int, int], *, limit: int) -> None:
    needed = 4 * n * size[0] * size[1]
    if needed > limit:
        raise InputError(
            f"--image-size {size[0]} makes 'digits' {needed / 2**30:.1f} GiB, more than the "
            f"{limit / 2**30:.1f} GiB that images may take. Its images are 8x8: lower it."
        )


def _sliced(splits: dict[str, np.ndarray], spec: str, *, option: str) -> np.ndarray:
    """The rows that a split expression such as `train[:50%]` stands for."""
    sizes = ", ".join(f"{name} ({len(rows)} examples)" for name, rows in splits.items())
    match = _SPLIT.fullmatch(spec)
    if match is None or match["name"] not in splits:
        raise InputError(
            f"{option} {spec!r} is not a split of 'digits'. Its splits: {sizes}; slices are "
            "written 'train[:500]' or 'train[10%:50%]'."
        )
    rows = splits[match["name"]]
    start = _bound(match["start"], len(rows), default=0)
    stop = _bound(match["stop"], len(rows), default=len(rows))
    if not 0 <= start < stop <= len(rows):
        raise InputError(
            f"{option} {spec!r} selects no examples or reaches past the end of 'digits'. "
            f"Its splits: {sizes}."
        )
    return rows[start:stop]


def _bound(text: str | None, n: int, *, default: int) -> int:
    """The position that `500`, `-20` or `10%` stands for; percentages round to the nearest."""
    if text is None:
        return default
    value = round(int(text[:-1]) * n / 100) if text.endswith("%") else int(text)
    return value + n if value < 0 else value


def _provenance(
    train_split: str, test_split: str, image_size: tuple[int, int] | None
) -> dict[str, Any]:
    from importlib.metadata import version

    return {
        "source": "scikit-learn load_digits",
        "version": version("scikit-learn"),
        "train_split": train_split,
        "test_split": test_split,
        "file_format": "csv",
        "image_size": None if image_size is None else list(image_size),
        "note": f"values 0..16; test is a fixed stratified {N_TEST} of the 1,797",
    }
