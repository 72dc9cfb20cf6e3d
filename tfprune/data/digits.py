"""scikit-learn's digits: 1,797 real handwritten digits inside the wheel, nothing to download."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.dataset import Examples, Source, stratified_positions
from tfprune.data.splits import refuse_shared, sliced
from tfprune.errors import InputError

N_TEST = 500
# Fixed for good: the test set is the same whatever the seed of the experiment.
_TEST_SPLIT_SEED = 20180326


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
    table = _table()
    images = table[:, :-1].astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = table[:, -1].astype(np.int64)
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
    train = sliced(splits, train_split, option="--train-split", name="digits")
    test = sliced(splits, test_split, option="--test-split", name="digits")
    refuse_shared(train, test, train_split, test_split)
    return Source(
        train=Examples(images[train], labels[train], train),
        test=Examples(images[test], labels[test], test),
        class_names=tuple(str(c) for c in range(10)),
        provenance=_provenance(train_split, test_split, image_size),
    )


def _table() -> np.ndarray:
    """Return a row per image: 64 pixels, whole numbers from 0 to 16 as floats, and the digit.

    Read from the file in scikit-learn's wheel, without importing scikit-learn, which takes a
    second; by scikit-learn where the file is not where it was.
    """
    found = find_spec("sklearn")
    places = found.submodule_search_locations if found is not None else None
    for place in places or ():
        path = Path(place) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return np.loadtxt(path, delimiter=",")
    from sklearn.datasets import load_digits as sklearn_digits

    bunch = sklearn_digits()
    return np.column_stack([bunch.data, bunch.target])


def _check_memory(n: int, size: tuple[int, int], *, limit: int) -> None:
    needed = 4 * n * size[0] * size[1]
    if needed > limit:
        raise InputError(
            f"--image-size {size[0]} makes 'digits' {needed / 2**30:.1f} GiB, more than the "
            f"{limit / 2**30:.1f} GiB that images may take. Its images are 8x8: lower it."
        )


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
