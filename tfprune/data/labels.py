"""Labels as a user has them (names, one-hot rows, any whole numbers) as classes 0..n-1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError, check_unmasked

_INT32 = np.iinfo(np.int32)
_MOST_SHOWN = 10


@dataclass(frozen=True)
class Classes:
    """The classes of a data set: the label of each, as it came, and the name that is shown.

    values: a label for each class, in the order of the classes; whole numbers or names.
    names: the name of each class.
    """

    values: tuple[int | str, ...]
    names: tuple[str, ...]

    @property
    def mapping(self) -> dict[str, int]:
        """Label as it came -> class."""
        return {str(value): place for place, value in enumerate(self.values)}

    @property
    def note(self) -> str | None:
        """One sentence on how labels became classes; None where they were 0..n-1 already."""
        if self.values == tuple(range(len(self.values))):
            return None
        pairs = [f"{value} is {place}" for place, value in enumerate(self.values[:_MOST_SHOWN])]
        more = len(self.values) - len(pairs)
        tail = f", and {more} more" if more > 0 else ""
        return f"Labels became classes in this order: {', '.join(pairs)}{tail}."


def plain_labels(labels: Any, *, where: str) -> np.ndarray:
    """Return labels as (n,) whole numbers (int64) or names (str), whatever form they came in.

    labels: names; whole numbers of any dtype, floats that are whole, booleans; as (n,) or (n, 1);
        or (n, k) one-hot rows, whose class is the column that holds the 1.

    Raises InputError for anything else: fractions, NaN, several 1 in a row, numbers beyond 32
    bits, nested lists of different lengths.
    """
    check_unmasked(labels, f"the labels of {where}")
    try:
        found = np.asarray(labels)
    except ValueError as error:  # lists of different lengths
        raise InputError(f"the labels of {where} are not an array: {error}.") from error
    if found.dtype == object:
        kinds = sorted({type(one).__name__ for one in found.ravel().tolist()})
        if kinds != ["str"]:
            raise InputError(
                f"the labels of {where} are Python objects ({', '.join(kinds)}); expected names, "
                "whole numbers or one-hot rows."
            )
        found = found.astype(np.str_)
    if found.dtype.kind == "S":
        found = np.char.decode(found, "utf-8", "replace")
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim == 2:
        found = _from_one_hot(found, where)
    if found.ndim != 1:
        raise InputError(
            f"the labels of {where} have shape {found.shape}; expected one label for each image, "
            "(n,), or one-hot rows, (n, n_classes)."
        )
    return found if found.dtype.kind == "U" else _whole(found, where)


def _from_one_hot(rows: np.ndarray, where: str) -> np.ndarray:
    is_one = rows == 1
    good = rows.dtype.kind in "biuf" and bool(np.all(is_one | (rows == 0)))
    if not good or not np.all(is_one.sum(axis=1) == 1):
        raise InputError(
            f"the labels of {where} have shape {rows.shape}, which should be one-hot rows, and not "
            "every row holds one 1 and otherwise 0. Several labels for an image, or shares of "
            "labels, can't be trained on: give one label for each."
        )
    return np.asarray(is_one.argmax(axis=1), np.int64)


def _whole(numbers: np.ndarray, where: str) -> np.ndarray:
    if numbers.dtype.kind not in "biuf":
        raise InputError(
            f"the labels of {where} are of dtype {numbers.dtype}; expected names, whole numbers or "
            "one-hot rows."
        )
    if numbers.dtype.kind == "f":
        odd = numbers[~(np.isfinite(numbers) & (np.floor(numbers) == numbers))]
        if len(odd):
            raise InputError(
                f"the labels of {where} hold {odd[0]}; expected whole numbers, one for each class."
            )
    if len(numbers) and (numbers.min() < _INT32.min or numbers.max() > _INT32.max):
        raise InputError(
            f"the labels of {where} lie from {numbers.min()} to {numbers.max()}, beyond whole "
            "numbers of 32 bits: these look like identifiers, not classes. Give one number for "
            "each class."
        )
    return numbers.astype(np.int64)


def find_classes(
    train: np.ndarray, test: np.ndarray, *, where: str, names: Sequence[str] | None = None
) -> Classes:
    """Return the classes of a data set, which are those of its train split, sorted.

    train, test: labels from `plain_labels`. names: a name for each class, in the order of the
        classes; whole numbers in [0, len(names)) are then classes already, seen or not.

    Raises InputError where a test label is none of train's, and where the names don't fit.
    """
    if train.dtype.kind != test.dtype.kind:
        raise InputError(
            f"the labels of {where} are {_kind(train)} in train and {_kind(test)} in test; give "
            "both in one form."
        )
    values: Sequence[int | str] = np.unique(train).tolist()
    given = None if names is None else tuple(str(name) for name in names)
    if given is not None:
        if len(set(given)) < len(given):
            raise InputError(
                f"class_names of {where} holds a name twice; each class needs its own."
            )
        numbered = list(range(len(given)))
        if set(values) <= set(given):
            values = list(given)
        elif set(values) <= set(numbered):
            values = numbered
        elif len(given) != len(values):
            raise InputError(
                f"class_names of {where} holds {len(given)} names, and the training labels are "
                f"{len(values)} classes ({_listed(values)}). Give one name for each."
            )
    unseen = sorted(set(np.unique(test).tolist()) - set(values))
    if unseen:
        raise InputError(
            f"the test split of {where} has labels that its train split lacks: {_listed(unseen)}. "
            "A network can't know them: put images of them into train, or leave them out of test."
        )
    return Classes(tuple(values), given or tuple(str(value) for value in values))


def to_classes(labels: np.ndarray, classes: Classes) -> np.ndarray:
    """Return the class (n,) int64 of each label."""
    places: Mapping[int | str, int] = {value: at for at, value in enumerate(classes.values)}
    values, members = np.unique(labels, return_inverse=True)
    found = np.array([places[value] for value in values.tolist()], np.int64)
    return found[members] if len(labels) else np.empty(0, np.int64)


def class_counts(labels: np.ndarray, n_classes: int) -> list[int]:
    """Return the number of examples of each class, in the order of the classes."""
    counts: list[int] = np.bincount(labels, minlength=n_classes).tolist()
    return counts


def _kind(labels: np.ndarray) -> str:
    return "names" if labels.dtype.kind == "U" else "numbers"


def _listed(values: Sequence[int | str]) -> str:
    shown = ", ".join(str(value) for value in values[:_MOST_SHOWN])
    return f"{shown}, ..." if len(values) > _MOST_SHOWN else shown
