"""Data that a program hands over: arrays, tf.data.Dataset and PyTorch-style objects.

While they are at hand they have a name, `given:` and a digest of their content, by which a
configuration says what was trained on. A run that goes on later needs them handed over again.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from tfprune.data.arrays import Labelled, from_object
from tfprune.data.folder import ALL
from tfprune.data.own import Collection, in_memory
from tfprune.data.reference import GIVEN
from tfprune.errors import InputError, reason
from tfprune.registry import find_function

_at_hand: dict[str, Collection] = {}

_SHAPES = (
    "(images, labels), ((x_train, y_train), (x_test, y_test)), a pair of tf.data.Dataset, an "
    "object with __len__ and __getitem__ or a pair of such, or a mapping with 'train', 'test' "
    "and optionally 'class_names'"
)


@contextlib.contextmanager
def given_data(
    train: Any, test: Any = None, *, class_names: Sequence[str] | None = None, limit: int
) -> Iterator[str]:
    """Give data a name for as long as the block runs; yield that name, for `data.dataset`.

    train, test: pairs (images, labels), tf.data.Dataset of pairs, or objects with `__len__` and
        `__getitem__`. Without test `data.test_fraction` says what share is held out. limit: bytes
        that the images may take. Arrays are not changed and must not change meanwhile.

    Raises InputError for what is neither, see `tfprune.data.arrays.from_object`.
    """
    parts = {ALL: train} if test is None else {"train": train, "test": test}
    splits = {
        split: from_object(part, where="train" if split == ALL else split, limit=limit)
        for split, part in parts.items()
    }
    name = GIVEN + _digest(splits, class_names)
    _at_hand[name] = in_memory(
        splits, where=name, class_names=class_names, source="given from Python"
    )
    try:
        yield name
    finally:
        del _at_hand[name]


def find_given(name: str) -> Collection:
    """Return the data of this name; raises InputError when they are not at hand."""
    if name not in _at_hand:
        raise InputError(
            f"the data {name!r} were passed from Python and are not available now. Call "
            "tfprune.run with the same configuration and the same train and test: an interrupted "
            "run is then resumed."
        )
    return _at_hand[name]


def call_function(reference: str, *, limit: int) -> Collection:
    """Return the data that a user's function returns; it is called without arguments.

    It returns (images, labels), ((x_train, y_train), (x_test, y_test)) as Keras' `load_data` does,
    a pair of tf.data.Dataset, an object with `__len__` and `__getitem__` or a pair of such, or a
    mapping with `train`, `test` and perhaps `class_names`. Raises InputError with what went wrong.
    """
    function = find_function(reference, kind="data function")
    try:
        value = function()
    except InputError:
        raise
    except Exception as error:  # the user's own code may raise anything
        raise InputError(
            f"the data function {reference!r} raised {type(error).__name__}: {reason(error)}. It "
            "is called without arguments."
        ) from error
    parts, class_names = _parts(value, reference)
    splits = {
        split: from_object(part, where=f"{split} of {reference!r}", limit=limit)
        for split, part in parts.items()
    }
    return in_memory(
        splits, where=reference, class_names=class_names, source="function", function=reference
    )


def _parts(value: Any, reference: str) -> tuple[dict[str, Any], Sequence[str] | None]:
    """Return the splits among what a function returned, and the names of classes."""
    if value is None:
        raise InputError(
            f"the data function {reference!r} returned None (is its return statement missing?). "
            f"It returns {_SHAPES}."
        )
    if isinstance(value, Mapping):
        splits = {split: value[split] for split in value if split != "class_names"}
        if "train" not in splits:
            raise InputError(
                f"the mapping that {reference!r} returned holds {', '.join(map(str, value))}; "
                "expected 'train', 'test' and optionally 'class_names'."
            )
        if len(splits) == 1:
            splits = {ALL: splits["train"]}
        return {str(split): part for split, part in splits.items()}, value.get("class_names")
    if isinstance(value, tuple | list) and len(value) == 2:
        first = value[0]
        if hasattr(first, "__array__") or (isinstance(first, list) and np.ndim(first) >= 2):
            return {ALL: tuple(value)}, None
        return {"train": value[0], "test": value[1]}, None
    if isinstance(value, tuple | list):
        raise InputError(
            f"the data function {reference!r} returned a {type(value).__name__} of {len(value)}; "
            f"it returns {_SHAPES}."
        )
    return {ALL: value}, None


def _digest(splits: Mapping[str, Labelled], class_names: Sequence[str] | None) -> str:
    sha = hashlib.sha256(repr(None if class_names is None else list(class_names)).encode())
    for split, part in sorted(splits.items()):
        sha.update(f"{split} {part.images.shape} {part.images.dtype.str}".encode())
        sha.update(np.ascontiguousarray(part.images).data)
        sha.update("\n".join(map(str, part.labels.tolist())).encode())
    return sha.hexdigest()[:12]
