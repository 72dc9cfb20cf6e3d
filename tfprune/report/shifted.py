"""Each level on the further test sets: accuracy, and the prune potential of each set."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from tfprune.report.collapse import not_collapsed
from tfprune.report.labels import listed, percent, printable, shorten
from tfprune.results import ALSO_ACCURACY, ALSO_POTENTIAL, LevelResult

#: further sets that are spoken of, and shown beside the test set; levels.csv has them all
MOST = 4
_TEST = "test"
_WIDEST = 16


@dataclass(frozen=True)
class SetSummary:
    """A test set over the levels; medians of the seeds that did not collapse.

    accuracy: level -> (median, lowest, highest) in [0, 1]; {} of the test set itself. potential:
    level -> prune potential, the largest sparsity so far without a significant loss.
    """

    name: str
    accuracy: dict[int, tuple[float, float, float]]
    potential: dict[int, float]


def set_summaries(levels: Sequence[LevelResult]) -> tuple[SetSummary, ...]:
    """Return the test set, called `test`, and every further set as given; () without further."""
    start = f"{ALSO_ACCURACY}/"
    names = dict.fromkeys(
        name.removeprefix(start) for row in levels for name in row.facts if name.startswith(start)
    )
    if not names:
        return ()
    return tuple(
        SetSummary(
            name,
            {
                level: (median(found), min(found), max(found))
                for level, found in _by_level(levels, f"{ALSO_ACCURACY}/{name}").items()
            },
            {
                level: median(found)
                for level, found in _by_level(levels, f"{ALSO_POTENTIAL}/{name}").items()
            },
        )
        for name in (_TEST, *names)
    )


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Return what sets are called where there is little room, if that tells them apart.

    Functions go without their modules, others without their splits.

    >>> short_names(["package.module:noisy", "cifar10:test[:50]"]).values()
    dict_values(['noisy', 'cifar10'])
    """
    parts = {name: name.partition(":") for name in names}
    short = {name: tail if "." in head and tail else head
             for name, (head, _, tail) in parts.items()}  # fmt: skip
    return {name: one if list(short.values()).count(one) == 1 else name
            for name, one in short.items()}  # fmt: skip


def _by_level(levels: Sequence[LevelResult], fact: str) -> dict[int, list[float]]:
    found = {}
    for level in sorted({row.level for row in levels}):
        values = [row.facts.get(fact, math.nan) for row in not_collapsed(levels, level=level)]
        known = [value for value in values if math.isfinite(value)]
        if known:
            found[level] = known
    return found


def shift_statement(
    levels: Sequence[LevelResult], *, level: int
) -> tuple[str, str, tuple[str, ...], tuple[int, ...]] | None:
    """Return the statement of a level on the further test sets; None where there are none."""
    test, *further = set_summaries(levels) or (None,)
    shown = [one for one in further if {0, level} <= set(one.accuracy)]
    if test is None or not shown:
        return None
    changes = [
        f"from {percent(one.accuracy[0][0])} to {percent(one.accuracy[level][0])} on "
        f"{printable(one.name)}"
        for one in shown[:MOST]
    ]
    potentials = [
        f"{percent(one.potential[level])} on {printable(one.name)}"
        for one in (test, *shown[:MOST])
        if level in one.potential
    ]
    rest = _more(len(shown) - MOST, " ({})")
    text = f"Accuracy goes {listed(changes, most=len(changes))}{rest}."
    if potentials:
        text += (
            " Prune potential, the largest sparsity so far without a significant loss of accuracy: "
            f"{listed(potentials, most=len(potentials))}."
        )
    seeds = sorted({row.seed for row in levels if row.level == level})
    return "shift", text, (), tuple(seeds)


def _more(n: int, form: str) -> str:
    """Return what to say of `n` sets that are not shown; '' of none."""
    what = "1 more set is" if n == 1 else f"{n} more sets are"
    return form.format(f"{what} in levels.csv") if n > 0 else ""


def shift_table(levels: Sequence[LevelResult], *, width: int) -> list[str]:
    """Return the lines of a table of accuracy on every set, and its prune potential last.

    As many sets as fit into `width` characters; [] without further sets.
    """
    _, *further = set_summaries(levels) or (None,)
    if not further:
        return []
    names = [shorten(printable(one.name), _WIDEST) for one in further]
    head = ["level", _TEST]
    shown = 0
    for name in names:
        if sum(max(len(cell), 6) + 2 for cell in (*head, name)) + 10 > width and shown:
            break
        head.append(name)
        shown += 1
    test = {
        level: median(row.accuracy_test for row in not_collapsed(levels, level=level))
        for level in sorted({row.level for row in levels})
    }
    rows = [head]
    for level, accuracy in test.items():
        cells = [
            percent(one.accuracy[level][0]) if level in one.accuracy else "-"
            for one in further[:shown]
        ]
        rows.append([str(level), percent(accuracy), *cells])
    last = max(test)
    potentials = [one.potential.get(last) for one in set_summaries(levels)[: shown + 1]]
    rows.append(["potential", *("-" if p is None else percent(p) for p in potentials)])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.rjust(n) for cell, n in zip(row, widths, strict=True)) for row in rows]
    more = _more(len(further) - shown, " {}.")
    return [
        "Accuracy on further test sets, and prune potential: the largest sparsity without a",
        f"significant loss.{more}",
        *lines,
    ]
