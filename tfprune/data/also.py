"""Further test sets for networks that were trained on another one: its shifted relatives.

The network's classes are those that it was trained with, so the labels of a further set are
brought to them: by the names of the classes, or by their numbers where one side has no names.
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
from tfprune.data.image_files import DEEP
from tfprune.data.images import CentreCrop
from tfprune.data.lazy import Images, in_colour
from tfprune.data.load import MEMORY_LIMIT, find_own, hinting_at_files
from tfprune.data.names import DATASETS
from tfprune.data.own import Collection, load_split
from tfprune.data.reference import Kind, absolute, is_known, is_prepared, kind_of
from tfprune.data.repeats import trained_on
from tfprune.data.splits import split_name
from tfprune.errors import InputError

_OPTION = "--also-test"

# a split begins with a letter, a version with a digit
_WITH_SPLIT = re.compile(r"(?P<name>.+):(?P<split>[^\W\d][\w.\-]*(\[[^\]]*\])?)")


@dataclass(frozen=True, eq=False)
class AlsoTest:
    """A further test set, its labels those of the network: examples, and what to say of them.

    name: as it was asked for. key: what it is called in the names of columns and metrics.
    """

    name: str
    key: str
    examples: Examples
    notes: tuple[str, ...] = ()


def parse_reference(text: str) -> tuple[str, str | None]:
    """Return the data set and the split that `NAME[:SPLIT]` names; None for its test split.

    `package.module:function` is a function, unless what stands before the colon is a data set.
    """
    match = _WITH_SPLIT.fullmatch(text)
    if match is None:
        return text, None
    name, split = match["name"], match["split"]
    if _kind(text) == "function" and _kind(name) != "path" and not is_known(name):
        return text, None
    return name, split


def _kind(name: str) -> Kind:
    return kind_of(name, _OPTION)


def check_different(references: Sequence[str]) -> None:
    """Raise InputError where two references name the same images."""
    seen: set[tuple[str, str | None]] = set()
    for reference in references:
        name, split = parse_reference(reference)
        whole = (str(absolute(name)) if _kind(name) == "path" else name, split)
        if whole in seen:
            raise InputError(f"--also-test {reference} is given twice. Leave one out.")
        seen.add(whole)


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

    Images of files and of tensorflow-datasets are resized to those of `dataset`; gray ones become
    colour where these are. Raises InputError for what can't be read, for other numbers of channels
    and bits, and for classes that the network does not have.
    """
    name, split = parse_reference(reference)
    option = f"--also-test {reference}"
    key = _key(name, split, known, option)
    size: tuple[int, int] = dataset.input_shape[:2]
    if resize == "crop":
        size = CentreCrop(size)
    wanted = ("test", "train", "val") if split is None else (split_name(split), "test")
    own = find_own(name, splits=wanted, limit=memory_limit, option=_OPTION)
    if own is not None:
        deep = dataset.provenance.get("bits") == DEEP
        found, names = _of_own(own, split, option, size, memory_limit, stream, deep)
        declared = own.class_names is not None
    else:
        with hinting_at_files(name):
            source = _load_known(name, split, data_dir=data_dir, size=size, stream=stream,
                                 memory_limit=memory_limit)  # fmt: skip
        found, names, declared = source.test, source.class_names, True
    images, notes = _like_trained(found.images, dataset, option)
    if len(found) == 0 or not all_finite(images):
        raise InputError(
            f"{option}: expected images with finite pixels; some pixels are not finite, or there "
            "are no images."
        )
    labels, note = _as_trained(found.labels, names, dataset, option, declared=declared)
    examples = Examples(images, labels, found.indices, found.content)
    seen = trained_on(examples, dataset.train, dataset.validation)
    if seen:
        notes += (f"{option}: {seen}",)
    return AlsoTest(reference, key, examples, (*notes, *note))


def _key(name: str, split: str | None, known: Sequence[str], option: str) -> str:
    """Return what a further set is called: of a path the last part, or more where that is taken."""
    parts = absolute(name).parts[1:] if _kind(name) == "path" else (name,)
    for n in range(1, len(parts) + 1):
        called = "/".join(parts[-n:])
        key = re.sub(r"[^\w\-. /:]", "_", f"{called}:{split}" if split else called)
        if key not in (*known, "test"):
            return key
    raise InputError(
        f"{option} would have the name of another test set, by which columns are named. Rename it, "
        "or leave one of the two out."
    )


def _like_trained(images: Images, dataset: Dataset, option: str) -> tuple[Images, tuple[str, ...]]:
    """Return images as the network takes them, and what to say; InputError where they are not."""
    shape, wanted = images.shape[1:], dataset.input_shape
    notes: tuple[str, ...] = ()
    if shape[:2] == wanted[:2] and (shape[2], wanted[2]) == (1, 3):
        images = in_colour(images)
        notes = (f"{option}: its images are gray; each becomes three equal channels.",)
    elif shape != wanted:
        raise InputError(
            f"{option}: its images are {_shown(shape)} (height, width, channels), and the "
            f"network's {_shown(wanted)}. Convert them to one shape."
        )
    trained = dataset.train.images.dtype
    if images.dtype != trained:
        raise InputError(
            f"{option}: its images are read as {images.dtype}, and those that the network is "
            f"trained on as {trained}: their values are not on one scale. Store both with the same "
            "number of bits."
        )
    return images, notes


def _of_own(
    own: Collection,
    split: str | None,
    option: str,
    size: tuple[int, int],
    limit: int,
    stream: bool,
    deep: bool,
) -> tuple[Examples, Sequence[str]]:
    there = list(own.labels)
    if split is None:
        split = ALL if ALL in there else "test" if "test" in there or len(there) > 1 else there[0]
    return load_split(
        own, split, option=f"{option}:", image_size=size, memory_limit=limit, stream=stream,
        deep=deep,
    )  # fmt: skip


def _load_known(
    name: str, split: str | None, *, data_dir: Path | None, size: tuple[int, int], **options: Any
) -> Source:
    """Return a source whose test split is the one that was asked for."""
    from tfprune.data.tfds import load_test, load_tfds

    path = absolute(name) if _kind(name) == "path" and is_prepared(absolute(name)) else None
    loader = None if path is not None or name not in DATASETS else DATASETS.get(name)
    if loader is None or loader is load_tfds:
        return load_test(name, split, path=path, data_dir=data_dir, image_size=size, **options)
    other = "test" if split is not None and split.startswith("train") else "train"
    source: Source = loader(  # which has two splits: of the other one image will do
        name, data_dir=data_dir, train_split=f"{other}[:1]", test_split=split or "test",
        image_size=size, download=True, memory_limit=options["memory_limit"],
    )  # fmt: skip
    return source


def _as_trained(
    labels: np.ndarray, names: Sequence[str], dataset: Dataset, option: str, *, declared: bool
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels as classes of the network that is trained on `dataset`, and what to say.

    Classes are found by name. Only where the two sets have no name in common is a class found by
    its number, and only where a number is what it has: labels 0 to n-1 on one side, and on the
    other classes whose order is that of their labels. Names that are sorted tell nothing of order:
    they are refused. declared: whether the order of `names` is the set's own.
    """
    trained = dataset.class_names
    places: Mapping[str, int] = {name: at for at, name in enumerate(trained)}
    used = [names[label] for label in np.unique(labels)]
    unknown = [name for name in used if name not in places]
    if not unknown:
        table = np.array([places.get(name, -1) for name in names], np.int64)
        return table[labels], ()
    known = f"it was trained on {_some(trained)}"
    if any(name in places for name in names):
        raise InputError(
            f"{option}: the network has no class {_some([repr(one) for one in unknown], 5)}; "
            f"{known}. Classes are matched by their names: give them those of the network, or "
            "leave these images out."
        )
    numbers = {str(number): number for number in range(dataset.n_classes)}
    if all(name in numbers for name in used):  # the numbers of the network's classes
        table = np.array([numbers.get(name, -1) for name in names], np.int64)
    elif declared and len(names) == dataset.n_classes and all(name in numbers for name in trained):
        table = np.array([places[str(at)] for at in range(len(names))], np.int64)
    else:
        raise InputError(
            f"{option}: its classes ({_some(names)}) and the network's ({_some(trained)}) have no "
            "name in common, so which is which is not known. Give them the names of the network's "
            "classes, or their numbers, from 0, as labels."
        )
    pairs = [
        f"{names[at]} is taken for {trained[table[at]]}" for at in np.unique(labels)[:3].tolist()
    ]
    return table[labels], (
        f"{option}: none of its classes has the name of one of the training data's; they are "
        f"matched by number: {', '.join(pairs)}{' and so on' if len(used) > 3 else ''}.",
    )


def _some(names: Sequence[str], most: int = 10) -> str:
    return ", ".join(names[:most]) + (", ..." if len(names) > most else "")


def _shown(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)
