"""A CSV or Parquet file of image paths and labels."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tfprune.data.folder import ALL, Listing
from tfprune.errors import InputError, reason

PATHS = ("path", "file", "filename", "file_name", "filepath", "image")
LABELS = ("label", "class", "target", "category", "y")
SPLIT = "split"


def list_table(file: Path) -> Listing:
    """Return the images that a table names, in its order, by split.

    file: .csv with a header in UTF-8, or .parquet. One column holds paths (`path`, `file`,
        `filename`, `file_name`, `filepath` or `image`), relative ones from the table's folder; one
        holds labels (`label`, `class`, `target`, `category` or `y`), names or whole numbers. A
        column `split` divides; without it all are one split.

    Raises InputError for what is no table, lacks a column or has two that could be it, names a file
    that is not there (with its row), and gives an image two labels.
    """
    columns = _read_parquet(file) if file.suffix.lower() == ".parquet" else _read_csv(file)
    path_column = _column(columns, PATHS, file, "paths")
    label_column = _column(columns, LABELS, file, "labels")
    rows = list(zip(columns[path_column], columns[label_column], strict=True))
    if not rows:
        raise InputError(f"the table {str(file)!r} holds no rows; expected one for each image.")
    splits = columns.get(SPLIT, [ALL] * len(rows))
    paths: dict[str, list[str]] = {}
    labels: dict[str, list[str]] = {}
    known: dict[str, tuple[int, str]] = {}  # where an image was named first, and its label
    again = 0
    for number, ((path, label), split) in enumerate(zip(rows, splits, strict=True), start=1):
        for what, value in ((path_column, path), (label_column, label), (SPLIT, split)):
            if value is None or value == "":
                raise InputError(
                    f"row {number} of {str(file)!r} has no {what}; fill it in or leave it out."
                )
        whole = file.parent / str(path)
        if not whole.is_file():
            raise InputError(
                f"row {number} of {str(file)!r} names {str(whole)!r}, which does not exist. Paths "
                "are relative to the table's folder."
            )
        paths.setdefault(str(split), []).append(str(whole))
        labels.setdefault(str(split), []).append(str(label))
        first, then = known.setdefault(os.path.normpath(whole), (number, str(label)))
        again += first != number
        if then != str(label):
            raise InputError(
                f"rows {first} and {number} of {str(file)!r} name the same image, {str(whole)!r}, "
                f"and say {then!r} and {str(label)!r}. Leave the wrong one out."
            )
    rows_name = "row of {} names" if again == 1 else "rows of {} name"
    note = f"{again} {rows_name.format(repr(str(file)))} an image that is named before."
    return Listing(paths, labels, notes=(note,) if again else ())


def as_numbers(labels: Sequence[str]) -> np.ndarray:
    """Return labels read from text: whole numbers (n,) int64 where all are, else names."""
    found = np.asarray(labels, np.str_)
    digits = np.char.isdigit(np.char.lstrip(found, "-+"))
    if len(found) and bool(digits.all()) and np.char.str_len(found).max() < 19:
        return found.astype(np.int64)
    return found


def _column(columns: dict[str, list[object]], names: tuple[str, ...], file: Path, what: str) -> str:
    there = [name for name in names if name in columns]
    if len(there) == 1:
        return there[0]
    if there:
        raise InputError(
            f"the table {str(file)!r} has {len(there)} columns that could be its {what}: "
            f"{', '.join(there)}. Rename those that are not."
        )
    if len(columns) == 1 and (separator := _separator(*columns)) is not None:
        raise InputError(
            f"the header of the table {str(file)!r} holds no comma but {separator}: write it with "
            "commas between its columns."
        )
    raise InputError(
        f"the table {str(file)!r} has no column of {what}: expected one called {', '.join(names)}; "
        f"its columns are {', '.join(columns) or 'none'}."
    )


def _separator(header: str) -> str | None:
    """Return what seems to separate columns in place of commas, to be read."""
    for character, called in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if character in header:
            return called
    return None


def _read_csv(file: Path) -> dict[str, list[object]]:
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip().lower() for name in next(reader, [])]
            columns: dict[str, list[object]] = {name: [] for name in header}
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"line {reader.line_num} of {str(file)!r} has {len(row)} values, and its "
                        f"header names {len(header)} columns."
                    )
                for name, value in zip(header, row, strict=True):
                    columns[name].append(value.strip())
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise _unreadable(file, error) from error
    return columns


def _read_parquet(file: Path) -> dict[str, list[object]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = {name.lower(): name for name in pq.read_schema(file).names}
        wanted = {low: name for low, name in names.items() if low in (*PATHS, *LABELS, SPLIT)}
        table = pq.read_table(file, columns=list(wanted.values()))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(file, error) from error
    found = {low: table.column(name).to_pylist() for low, name in wanted.items()}
    return {**{name: [] for name in names if name not in wanted}, **found}


def _unreadable(file: Path, error: BaseException) -> InputError:
    return InputError(
        f"the table {str(file)!r} can't be read: {reason(error)}. Expected CSV in UTF-8 with a "
        "header, or Parquet."
    )
