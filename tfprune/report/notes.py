"""What is to be known of single similarities, each note once with the places that it is about."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence

from tfprune.report.labels import listed, printable
from tfprune.results import DENSE, SimilarityResult

_MOST = 3

Key = tuple[tuple[Hashable, ...], ...]


def similarity_notes(similarities: Iterable[SimilarityResult]) -> list[str]:
    """Return notes on similarities with the dense network, those of the sparsest levels first.

    Each begins with the layers, the measures, the levels and, of several, the seeds that it is
    about; equal notes come together where they hold for all of these.
    """
    rows = [row for row in similarities if row.against == DENSE]
    n_seeds = len({row.seed for row in rows})
    found = [
        (text, row.layer, row.measure, row.level, row.seed)
        for row in rows
        for text in row.warnings.split("; ")
        if text
    ]
    grouped = sorted(together(found), key=lambda key: -max(map(_number, key[3])))
    lines = []
    for (text,), layers, measures, levels, seeds in grouped:
        where = f"{_names(layers)} by {_names(measures)}, {_numbers('level', levels)}"
        if n_seeds > 1:
            where += f", {_numbers('seed', seeds)}"
        lines.append(f"{where}: {printable(str(text))}")
    return lines


def pair_notes(found: Iterable[tuple[str, str, str, str]]) -> list[str]:
    """Return notes on compared pairs from (text, layer of a, layer of b, measure)."""
    return [
        f"{_names(one)} with {_names(other)} by {_names(measures)}: {printable(str(text))}"
        for (text,), one, other, measures in together(found)
    ]


def first_notes(notes: Sequence[str], *, table: str = "similarity.csv") -> list[str]:
    """Return a line for each of the first notes, and one for how many more are in the table."""
    lines = [f"Note on {note}" for note in notes[:_MOST]]
    more = len(notes) - _MOST
    if more > 0:
        lines.append(f"{more} more note{' is' if more == 1 else 's are'} in {table}.")
    return lines


def together(found: Iterable[tuple[Hashable, ...]]) -> list[Key]:
    """Return tuples merged into products: places that differ in one entry only become one.

    The last entry is merged first, the first never.

    >>> together([("a", 1, 3), ("a", 1, 4), ("a", 2, 3), ("a", 2, 4), ("b", 1, 3)])
    [(('a',), (1, 2), (3, 4)), (('b',), (1,), (3,))]
    """
    keys: list[Key] = [tuple((entry,) for entry in one) for one in dict.fromkeys(found)]
    for axis in range(len(keys[0]) - 1 if keys else 0, 0, -1):
        merged: dict[Key, list[Hashable]] = {}
        for key in keys:
            merged.setdefault((*key[:axis], *key[axis + 1 :]), []).extend(key[axis])
        keys = [(*rest[:axis], tuple(mine), *rest[axis:]) for rest, mine in merged.items()]
    return keys


def _names(names: Iterable[Hashable]) -> str:
    return listed(printable(str(name)) for name in names)


def _number(value: Hashable) -> int:
    assert isinstance(value, int)
    return value


def _numbers(noun: str, values: Sequence[Hashable]) -> str:
    """Return 'level 3', 'levels 2 and 4' or, of successive ones, 'levels 1 to 5'."""
    numbers = sorted(map(_number, values))
    if len(numbers) == 1:
        return f"{noun} {numbers[0]}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{noun}s {numbers[0]} to {numbers[-1]}"
    return f"{noun}s {listed(map(str, numbers))}"
