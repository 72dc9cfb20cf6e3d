"""Split expressions such as `train[:50%]` on data whose rows are known."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from tfprune.errors import InputError

# what one split is called by one or another; letters in any case
_NAMES = (
    {"train", "training"},
    {"test", "testing"},
    {"val", "valid", "validation", "dev"},
)

_SPLIT = re.compile(r"(?P<name>[\w.\-]+)(\[(?P<start>-?\d+%?)?:(?P<stop>-?\d+%?)?\])?")


def split_name(spec: str) -> str:
    """Return the split that an expression slices: `train` of `train[:50%]`."""
    match = _SPLIT.fullmatch(spec)
    return match["name"] if match else spec


def is_split_name(name: str) -> bool:
    """Whether a folder of this name is commonly a split."""
    return any(name.lower() in names for names in _NAMES)


def standing_for(split: str, folders: Sequence[str]) -> str | None:
    """Return the folder that holds a split: of its name, else of another common name for it.

    Raises InputError where several of other names could be meant.

    >>> standing_for("train", ["Training", "valid"])
    'Training'
    >>> standing_for("test", ["train", "valid"])
    """
    if split in folders:
        return split
    alike = next((names for names in _NAMES if split.lower() in names), {split.lower()})
    found = [folder for folder in folders if folder.lower() in alike]
    if len(found) > 1:
        raise InputError(
            f"{' and '.join(map(repr, found))} could both be the split {split!r}. Name the one "
            "that is meant with --train-split or --test-split."
        )
    return found[0] if found else None


def sliced(splits: Mapping[str, np.ndarray], spec: str, *, option: str, name: str) -> np.ndarray:
    """Return the rows that a split expression stands for; `splits` holds those of each split.

    Raises InputError, which lists the splits of `name`, for what selects none.
    """
    sizes = ", ".join(f"{split} ({len(rows)} examples)" for split, rows in splits.items())
    match = _SPLIT.fullmatch(spec)
    if match is None or match["name"] not in splits:
        raise InputError(
            f"{option} {spec!r} is not a split of {name!r}. Its splits: {sizes}; slices are "
            "written 'train[:500]' or 'train[10%:50%]'."
        )
    rows = splits[match["name"]]
    start = _bound(match["start"], len(rows), default=0)
    stop = _bound(match["stop"], len(rows), default=len(rows))
    if not 0 <= start < stop <= len(rows):
        raise InputError(
            f"{option} {spec!r} selects no examples or reaches past the end of {name!r}. "
            f"Its splits: {sizes}."
        )
    return rows[start:stop]


def _bound(text: str | None, n: int, *, default: int) -> int:
    """The position that `500`, `-20` or `10%` stands for; percentages round to the nearest."""
    if text is None:
        return default
    value = round(int(text[:-1]) * n / 100) if text.endswith("%") else int(text)
    return value + n if value < 0 else value


def refuse_shared(train: np.ndarray, test: np.ndarray, train_split: str, test_split: str) -> None:
    """Raise InputError when rows lie in both: a test on them would be no test."""
    shared = np.intersect1d(train, test)
    if len(shared):
        raise InputError(
            f"--train-split {train_split!r} and --test-split {test_split!r} share {len(shared)} "
            "examples; accuracy on them would not be a test. Choose splits that do not overlap."
        )
