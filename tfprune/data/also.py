"""Further test sets for networks that were trained on another one: its shifted relatives.

The network's classes are those that it was trained with, so the labels of a further set are
brought to them: by the names of the classes where they are the same, else by their places.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.dataset import Dataset, Examples, Source, all_finite
from tfprune.data.folder import ALL
from tfprune.data.images import CentreCrop
from tfprune.data.load import MEMORY_LIMIT, find_own
from tfprune.data.names import DATASETS
from tfprune.data.own import Collection, load_split
from tfprune.data.reference import absolute, is_known, is_prepared, kind_of
from tfprune.data.splits import split_name
from tfprune.errors import InputError

# a split begins with a letter, a version with a digit
_WITH_SPLIT = re.compile(r"(?P<name>.+):(?P<split>[^\W\d][\w.\-]*(\[[^\]]*\])?)")


@dataclass(frozen=True, eq=False)
class AlsoTest:
    """A further test set, its labels those of the network: examples, and what to say of them."""

    name: str
    examples: Examples
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What it is called in the names of columns and metrics: of a path the last part."""
        name, split = parse_reference(self.name)
        if kind_of(name) == "path":
            name = absolute(name).name
        return re.sub(r"[^\w\-. /:]", "_", f"{name}:{split}" if split else name)


def parse_reference(text: str) -> tuple[str, str | None]:
    """Return the data set and the split that `NAME[:SPLIT]` names; None for its test split.

    `package.module:function` is a function, unless what stands before the colon is a data set.
    """
    match = _WITH_SPLIT.fullmatch(text)
    if match is None:
        return text, None
    name, split = match["name"], match["split"]
    if kind_of(text) == "function" and kind_of(name) != "path" and not is_known(name):
        return text, None
    return name, split


def load_also(
    reference: str,
    dataset: Dataset,
    *,
    known: Sequence[str] = (),
    resize: str = "stretch",
    data_dir: Path | None = None,
    stream: bool = False,
    memory_limit: int = MEMORY_LIMIT,
) -> AlsoTest:
    """Return a further test set for networks trained on `dataset`.

    reference: `NAME[:SPLIT]`, where NAME is what `--dataset` takes. Without a split the test split;
        all images where nothing is divided, and the only split where there is one.
    known: the keys of those that are there already. resize: as of `load_dataset`.

    Images of files and of tensorflow-datasets are resized to those of `dataset`. Raises InputError
    for what can't be read, for another number of channels, and for classes that the network does
    not have.
    """
    name, split = parse_reference(reference)
    option = f"--also-test {reference}"
    size: tuple[int, int] = dataset.input_shape[:2]
    if resize == "crop":
        size = CentreCrop(size)
    own = find_own(name, splits=(split_name(split or "test"), "test"), limit=memory_limit)
    if own is not None:
        found, names = _of_own(own, split, option, size, memory_limit, stream)
    else:
        source = _load_known(name, split, data_dir=data_dir, size=size, stream=stream,
                             memory_limit=memory_limit)  # fmt: skip
        found, names = source.test, source.class_names
    if found.images.shape[1:] != dataset.input_shape:
        raise InputError(
            f"{option}: its images are {_shown(found.images.shape[1:])} (height, width, channels), "
            f"and the network's {_shown(dataset.input_shape)}. Bring them to one shape."
        )
    if len(found) == 0 or not all_finite(found.images):
        raise InputError(f"{option}: expected images with finite pixels; some are not, or none is.")
    labels, note = _as_trained(found.labels, names, dataset, option)
    also = AlsoTest(reference, Examples(found.images, labels, found.indices), note)
    if also.key in (*known, "test"):
        raise InputError(
            f"{option}: another test set is called {also.key!r} too, and columns are named by it. "
            "Rename the folder, or leave one of the two out."
        )
    return also


def _of_own(
    own: Collection,
    split: str | None,
    option: str,
    size: tuple[int, int],
    limit: int,
    stream: bool,
) -> tuple[Examples, Sequence[str]]:
    there = list(own.labels)
    if split is None:
        split = ALL if ALL in there else "test" if "test" in there or len(there) > 1 else there[0]
    return load_split(own, split, option=option, image_size=size, memory_limit=limit, stream=stream)


def _load_known(
    name: str, split: str | None, *, data_dir: Path | None, size: tuple[int, int], **options: Any
) -> Source:
    """Return a source whose test split is the one that was asked for."""
    from tfprune.data.tfds import load_test, load_tfds

    path = absolute(name) if kind_of(name) == "path" and is_prepared(absolute(name)) else None
    loader = None if path is not None or name not in DATASETS else DATASETS.get(name)
    if loader is None or loader is load_tfds:
        return load_test(name, split, path=path, data_dir=data_dir, image_size=size, **options)
    other = "test" if split is not None and split.startswith("train") else "train"
    source: Source = loader(
        name, data_dir=data_dir, train_split=other, test_split=split or "test", image_size=size,
        download=True, memory_limit=options["memory_limit"],
    )  # fmt: skip
    return source


def _as_trained(
    labels: np.ndarray, names: Sequence[str], dataset: Dataset, option: str
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels as classes of the network that is trained on `dataset`, and what to say."""
    places: Mapping[str, int] = {name: at for at, name in enumerate(dataset.class_names)}
    used = [names[label] for label in np.unique(labels)]
    if set(used) <= set(places):
        table = np.array([places.get(name, -1) for name in names], np.int64)
        return table[labels], ()
    if len(names) == dataset.n_classes:
        return labels, (
            f"{option}: its classes have other names than the training data's; they are taken by "
            f"their places ({names[0]} for {dataset.class_names[0]}, ...).",
        )
    unknown = [name for name in used if name not in places]
    raise InputError(
        f"{option}: the network has no class {', '.join(map(repr, unknown[:5]))}; it was trained "
        f"on {', '.join(dataset.class_names[:10])}{', ...' if dataset.n_classes > 10 else ''}."
    )


def _shown(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)
