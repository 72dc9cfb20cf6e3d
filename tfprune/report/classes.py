"""What pruning does to single classes and images: the tables of it, and what the page shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields

import numpy as np

from tfprune.results import ClassResult, ForgottenImage, csv_text
from tfprune.similarity.claims import holm
from tfprune.similarity.functional import Change, exchange_p_value, paired_change

SIGNIFICANT = 0.05
MOST_SHOWN = 20  # classes on the page: those that changed most, where there are more


def class_change(row: ClassResult, label: int) -> Change:
    """Return the change of one class's accuracy with its 95% interval over images.

    NaN for a class without test images.
    """
    if not row.images[label]:
        return Change(float("nan"), float("nan"), float("nan"))
    return paired_change(
        row.images[label], right=row.right[label], lost=row.lost[label], won=row.won[label]
    )


def class_p_values(row: ClassResult) -> list[float]:
    """Return each class's p-value of no change: McNemar's exact test with Holm's correction."""
    pairs = zip(row.lost, row.won, strict=True)
    return holm([exchange_p_value(lost, won) for lost, won in pairs])


def classes_table(
    classes: Iterable[ClassResult], names: Sequence[str]
) -> tuple[list[str], list[list[object]]]:
    """Return header and rows of `classes.csv`; a class without test images has no row."""
    header = [
        "seed", "level", "class", "name", "n_images", "accuracy_dense", "accuracy_test", "change",
        "low", "high", "p_holm",
    ]  # fmt: skip
    rows: list[list[object]] = []
    for row in classes:
        adjusted = class_p_values(row)
        for label, n_images in enumerate(row.images):
            if not n_images:
                continue
            right = row.right[label]
            now = right - row.lost[label] + row.won[label]
            rows.append([row.seed, row.level, label, names[label], n_images, right / n_images,
                         now / n_images, *class_change(row, label), adjusted[label]])  # fmt: skip
    return header, rows


def classes_csv(classes: Iterable[ClassResult], names: Sequence[str]) -> str:
    """Return `classes.csv`: a row per seed, pruned level and class."""
    return csv_text(*classes_table(classes, names))


def forgotten_csv(images: Iterable[ForgottenImage], names: Sequence[str]) -> str:
    """Return `forgotten.csv`: a row per level and image whose modal answer pruning changed."""
    header = [item.name for item in fields(ForgottenImage)]
    named = ("label", "dense", "pruned")
    rows = [
        [*(getattr(row, name) for name in header), *(names[getattr(row, name)] for name in named)]
        for row in images
    ]
    return csv_text([*header, *(f"{name}_name" for name in named)], rows)


@dataclass(frozen=True)
class ClassRow:
    """One class on the page, at the last level: means over seeds.

    `low` and `high` are the means of the seeds' intervals over images: at least as wide as one of
    the mean. `told`: whether the change is significant in every seed, after Holm's correction
    over classes.
    """

    name: str
    images: int
    dense: float
    level: float
    change: float
    low: float
    high: float
    told: bool


def class_rows(classes: Sequence[ClassResult], names: Sequence[str]) -> list[ClassRow]:
    """Return the classes at the last level, from the one that lost most to the one that won most.

    Of more than 20 classes, the ten at either end.
    """
    last = max((row.level for row in classes), default=0)
    rows = [row for row in classes if row.level == last]
    if not rows:
        return []
    adjusted = np.array([class_p_values(row) for row in rows])
    found = []
    for label, n_images in enumerate(rows[0].images):
        if not n_images:
            continue
        dense = float(np.mean([row.right[label] / n_images for row in rows]))
        changes = np.array([class_change(row, label) for row in rows]).mean(axis=0)
        change, low, high = (float(value) for value in changes)
        told = bool((adjusted[:, label] < SIGNIFICANT).all())
        found.append(ClassRow(
            str(names[label]), n_images, dense, dense + change, change, low, high, told
        ))  # fmt: skip
    found.sort(key=lambda row: (row.change, row.name))
    if len(found) > MOST_SHOWN:
        return found[: MOST_SHOWN // 2] + found[-MOST_SHOWN // 2 :]
    return found
