"""Report data in one file, so that a page can be written again long after the run."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfprune.errors import InputError
from tfprune.experiment.results import EpochResult, LevelResult, SimilarityResult
from tfprune.report.data import (
    ControlRow,
    FirstLayerFilters,
    FlippedExample,
    LayerMatrix,
    ReportData,
)

Record = TypeVar("Record")

SCHEMA = 1
# what NumPy and json raise on a file of another kind
_UNREADABLE = (
    OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile,
)  # fmt: skip
_DOCUMENT = "document"
_TABLES: dict[str, type] = {
    "levels": LevelResult,
    "similarities": SimilarityResult,
    "epochs": EpochResult,
    "controls": ControlRow,
}
# records that hold arrays, which lie beside the document as <part>/<index>/<field>
_PICTURES: dict[str, tuple[type, tuple[str, ...]]] = {
    "matrices": (LayerMatrix, ("values",)),
    "filters": (FirstLayerFilters, ("dense", "pruned")),
    "flipped": (FlippedExample, ("image",)),
}
_PLAIN = ("name", "run_id", "config", "versions", "provenance")


def write_data(path: str | Path, data: ReportData) -> Path:
    """Write the data as one compressed .npz file; return its path.

    The array `document` holds the tables as UTF-8 JSON; matrices, filters and images are arrays
    of their own. The file is complete or absent, and the same data gives the same bytes.
    """
    path = Path(path)
    document: dict[str, Any] = {"schema": SCHEMA}
    arrays: dict[str, np.ndarray] = {}
    for name in _PLAIN:
        value = getattr(data, name)
        document[name] = dict(value) if isinstance(value, Mapping) else value
    for name in _TABLES:
        document[name] = [asdict(row) for row in getattr(data, name)]
    for name, (_, held) in _PICTURES.items():
        document[name] = []
        for index, record in enumerate(getattr(data, name)):
            row = {item.name: getattr(record, item.name) for item in fields(record)}
            for field_name in held:
                arrays[f"{name}/{index}/{field_name}"] = np.asarray(row.pop(field_name))
            document[name].append(row)
    text = json.dumps(document, default=_number).encode()
    arrays[_DOCUMENT] = np.frombuffer(text, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with partial.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())  # a checkpoint may follow that counts on it
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return path


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"report data can't hold a {type(value).__name__}: {value!r}")


def read_data(path: str | Path) -> ReportData:
    """Return the data that `write_data` wrote.

    Reading runs no code from the file. Raises InputError where the file is missing, is not
    report data, or was written by a later version of tfprune.
    """
    path = Path(path)
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        document = json.loads(arrays.pop(_DOCUMENT).tobytes())
        schema = document["schema"]
    except FileNotFoundError:
        raise InputError(
            f"expected report data at {path}, but there is no such file. Give a file that "
            "tfprune logged as report-data.npz."
        ) from None
    except _UNREADABLE as error:
        raise InputError(
            f"{path} is not report data of tfprune ({error}). Give a file that tfprune logged as "
            "report-data.npz."
        ) from error
    if schema > SCHEMA:
        raise InputError(
            f"{path} has report data of schema {schema}, this tfprune reads up to {SCHEMA}. "
            "Install the version that wrote it or a later one."
        )
    try:
        return _data(document, arrays)
    except (KeyError, TypeError) as error:
        raise InputError(
            f"{path} lacks report data that this tfprune needs ({error}). Write it again from "
            "the run."
        ) from error


def _data(document: dict[str, Any], arrays: Mapping[str, np.ndarray]) -> ReportData:
    parts: dict[str, Any] = {name: document[name] for name in _PLAIN}
    for name, kind in _TABLES.items():
        parts[name] = tuple(_record(kind, row) for row in document[name])
    for name, (kind, held) in _PICTURES.items():
        parts[name] = tuple(
            _record(kind, row | {field: arrays[f"{name}/{i}/{field}"] for field in held})
            for i, row in enumerate(document[name])
        )
    return ReportData(**parts)


def _record(kind: type[Record], row: Mapping[str, Any]) -> Record:
    """Return the record of a row; keys that this version no longer has are left aside."""
    known = {item.name for item in fields(kind)}  # type: ignore[arg-type]
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in row.items() if k in known})
