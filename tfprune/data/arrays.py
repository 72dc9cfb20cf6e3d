"""Images and labels in memory: .npz files, and whatever Python objects hold them."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tfprune.data.labels import plain_labels
from tfprune.data.waiting import counted
from tfprune.errors import InputError, check_unmasked, reason

_CHANNELS = (1, 3, 4)
_PAIR = 2
_CLASSES = "class_names"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Images (n, height, width, channels), uint8 or float32, with plain labels (n,)."""

    images: np.ndarray
    labels: np.ndarray
    notes: tuple[str, ...] = ()


def read_npz(
    file: Path, *, limit: int
) -> tuple[dict[str, Labelled], tuple[str, ...] | None, tuple[str, ...]]:
    """Return the splits of an .npz file (`x_train, y_train, x_test, y_test`, or `x, y` undivided),
    the names of its classes (`class_names`, where it holds them), and what else is in it.

    That is how Keras ships its data sets. Object arrays are never unpickled. Raises InputError for
    other names, more than `limit` bytes, and a damaged file.
    """
    from tfprune.data.folder import ALL

    pairs = {"train": ("x_train", "y_train"), "test": ("x_test", "y_test"), ALL: ("x", "y")}
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError(f"{str(file)!r} is not an .npz file but a single array.")
            names = set(archive.files)
            there = {split: pair for split, pair in pairs.items() if set(pair) <= names}
            if not there:
                raise InputError(
                    f"{str(file)!r} holds {', '.join(sorted(names)) or 'no arrays'}; expected "
                    "x_train, y_train, x_test and y_test, or x and y."
                )
            with zipfile.ZipFile(file) as members:
                sizes = {member.filename: member.file_size for member in members.infolist()}
            needed = sum(sizes[f"{name}.npy"] for pair in there.values() for name in pair)
            if needed > limit:
                raise InputError(
                    f"the arrays of {str(file)!r} need {needed / 2**30:.1f} GiB of memory, more "
                    f"than the limit of {limit / 2**30:.1f} GiB. Write the images as files, in "
                    "one folder per class: these are read when needed."
                )
            splits = {
                split: labelled(archive[x], archive[y], where=f"{split} in {file.name!r}")
                for split, (x, y) in there.items()
            }
            classes = None
            if _CLASSES in names:
                if archive[_CLASSES].ndim != 1:
                    raise InputError(
                        f"{_CLASSES} in {str(file)!r} has shape {archive[_CLASSES].shape}; "
                        "expected one name for each class, (n_classes,)."
                    )
                classes = tuple(map(str, archive[_CLASSES].tolist()))
            used = {_CLASSES, *(name for pair in there.values() for name in pair)}
            return splits, classes, tuple(sorted(names - used))
    except InputError:
        raise
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
        what = reason(error)
        if file.is_file() and file.stat().st_size and not zipfile.is_zipfile(file):
            what = "it is not an .npz file, or it is damaged"
        elif "pickle" in what:
            what = "it holds an array of Python objects, which are never unpickled"
        raise InputError(
            f"the file {str(file)!r} can't be read: {what}. Expected arrays of numbers, as "
            "numpy.savez writes them."
        ) from error


def labelled(images: Any, labels: Any, *, where: str) -> Labelled:
    """Return images and labels given as arrays in the one form; `where` names them in messages.

    images: (n, height, width) gray or (n, height, width, channels); channels first are turned, and
        that is noted. 8-bit whole numbers stay, all other numbers become float32.

    Raises InputError for other shapes and kinds, and for unlike numbers of images and labels.
    """
    check_unmasked(images, f"the images of {where}")
    try:
        found = np.asarray(images)
    except ValueError as error:
        raise InputError(
            f"the images of {where} are not an array: {reason(error)}. All images must have the "
            "same size."
        ) from error
    if found.dtype.kind not in "buif" or found.ndim not in (3, 4) or 0 in found.shape[1:]:
        raise InputError(
            f"the images of {where} are an array of shape {found.shape} and dtype {found.dtype}; "
            "expected numbers of shape (n, height, width) or (n, height, width, channels)."
        )
    if found.ndim == 3:
        found = found[..., np.newaxis]
    notes: tuple[str, ...] = ()
    if found.shape[1] in _CHANNELS and found.shape[3] not in _CHANNELS:
        notes = (f"The images of {where} came channels-first and were transposed.",)
        found = np.moveaxis(found, 1, 3)
    plain = plain_labels(labels, where=where)
    if len(plain) != len(found):
        raise InputError(
            f"{where} has {len(found)} images and {len(plain)} labels; expected one label for "
            "each image."
        )
    kept = np.uint8 if found.dtype in (np.uint8, np.bool_) else np.float32
    with np.errstate(over="ignore"):  # what is beyond becomes infinite, which is refused
        return Labelled(np.ascontiguousarray(found, kept), plain, notes)


def from_object(value: Any, *, where: str, limit: int) -> Labelled:
    """Return what a Python object holds: a pair (images, labels), a tf.data.Dataset of such pairs,
    or an object with `__len__` and `__getitem__` that returns them one by one, as PyTorch's do.

    A tf.data.Dataset may be batched or not. Raises InputError for anything else, for what needs
    more than `limit` bytes, and for a tf.data.Dataset without an end.
    """
    if isinstance(value, tuple | list) and len(value) == _PAIR:
        return labelled(value[0], value[1], where=where)
    if isinstance(value, Mapping):
        raise InputError(
            f"{where} is a mapping with {', '.join(map(str, value))}; expected (images, labels)."
        )
    if is_tf_dataset(value):
        return _collected(_elements(value, where), where=where, limit=limit, what=_DATASET)
    if hasattr(value, "__len__") and hasattr(value, "__getitem__") and not _is_array(value):
        return _collected(_items(value, where), where=where, limit=limit, what=_OBJECT)
    raise InputError(
        f"{where} is a {type(value).__module__}.{type(value).__qualname__}; expected (images, "
        "labels), a tf.data.Dataset of such pairs, or an object with __len__ and __getitem__."
    )


_DATASET, _OBJECT = "an element", "an item"


def is_tf_dataset(value: Any) -> bool:
    """Whether an object is a tf.data.Dataset, told without importing TensorFlow."""
    return hasattr(value, "element_spec") and hasattr(value, "as_numpy_iterator")


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | str | bytes) or hasattr(value, "__array__")


def _elements(dataset: Any, where: str) -> Iterator[tuple[Any, Any]]:
    """Yield single (image, label) of a tf.data.Dataset."""
    import tensorflow as tf

    if dataset.cardinality() == tf.data.INFINITE_CARDINALITY:
        raise InputError(f"{where} is a tf.data.Dataset without an end; remove its .repeat().")
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != _PAIR or not hasattr(spec[0], "shape"):
        raise InputError(f"{where} is a tf.data.Dataset of {spec}; expected pairs (image, label).")
    batched = spec[0].shape.rank == 4
    for image, label in dataset.as_numpy_iterator():
        if batched:
            yield from zip(image, label, strict=True)
        else:
            yield image, label


def _items(value: Any, where: str) -> Iterator[tuple[Any, Any]]:
    for place in range(len(value)):
        item = value[place]
        if not isinstance(item, tuple | list) or len(item) != _PAIR:
            raise InputError(
                f"item {place} of {where} is a {type(item).__name__}; expected (image, label)."
            )
        yield item[0], item[1]


def _collected(pairs: Iterator[tuple[Any, Any]], *, where: str, limit: int, what: str) -> Labelled:
    images: list[np.ndarray] = []
    labels: list[Any] = []
    n_bytes = 0
    for image, label in counted(pairs, None, f"images of {where} read"):
        array = np.asarray(image)
        if images and array.shape != images[0].shape:
            raise InputError(
                f"the images of {where} differ in size: the first is {images[0].shape}, that of "
                f"{what} later ({len(images)}) is {array.shape}. Resize them to one size."
            )
        n_bytes += array.nbytes
        if n_bytes > limit:
            raise InputError(
                f"the images of {where} need more than the limit of {limit / 2**30:.1f} GiB of "
                "memory. Write them as files, in one folder per class: these are read when "
                "needed."
            )
        images.append(array)
        labels.append(np.asarray(label).item() if np.ndim(label) == 0 else np.asarray(label))
    if not images:
        raise InputError(f"{where} holds no images.")
    return labelled(np.stack(images), labels, where=where)
