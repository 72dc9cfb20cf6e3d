"""What a report is made of, and the one file that holds it, so that it can be written again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tfprune.disk import UNREADABLE, npz, read_npz, write_whole
from tfprune.errors import InputError
from tfprune.results import (
    ClassResult,
    ControlResult,
    DescriptionResult,
    EpochResult,
    LevelResult,
    RunResult,
    SimilarityResult,
)


@dataclass(frozen=True, eq=False)
class LayerMatrix:
    """Every dense layer against every layer of one level: `values[i, j]` compares
    `dense_layers[i]` with `level_layers[j]` by `measure`, feature maps laid out as `layout` says.
    """

    seed: int
    level: int
    measure: str
    dense_layers: tuple[str, ...]
    level_layers: tuple[str, ...]
    values: np.ndarray  # (n_dense_layers, n_level_layers)
    layout: str = "mean"


@dataclass(frozen=True, eq=False)
class FirstLayerFilters:
    """Kernels of the first convolution, (height, width, channels_in, n_filters), both alike."""

    seed: int
    level: int
    layer: str
    dense: np.ndarray
    pruned: np.ndarray


@dataclass(frozen=True, eq=False)
class FlippedExample:
    """A test image that the pruned network answers differently than the dense one did."""

    seed: int
    level: int
    image: np.ndarray  # uint8, (height, width), (height, width, 1) or (height, width, 3)
    label: str
    dense_prediction: str
    pruned_prediction: str


@dataclass(frozen=True)
class ControlRow:
    """One level of a control beside the ticket, e.g. 'random mask', at the same sparsity.

    `similarity` maps measure -> mean over layers of the similarity with the dense network, of the
    layers that have one; `layers` and, of the CCA family, `shares` (`dense_share`) map
    measure -> layer -> value. Both are empty in runs of before they were kept.
    """

    control: str
    seed: int
    level: int
    sparsity: float
    accuracy_test: float
    similarity: Mapping[str, float] = field(default_factory=dict)
    layers: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    shares: Mapping[str, Mapping[str, float]] = field(default_factory=dict)


def mean_of_known(values: Iterable[float]) -> float | None:
    """Return the mean of what is a number, as of layers that could be compared; None of nothing."""
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else None


def control_row(row: ControlResult) -> ControlRow:
    """Return what a report shows of a control: its similarities by layer, and their means."""
    found = {measure: mean_of_known(layers.values()) for measure, layers in row.similarity.items()}
    means = {measure: mean for measure, mean in found.items() if mean is not None}
    return ControlRow(
        row.control, row.seed, row.level, row.sparsity, row.accuracy_test, similarity=means,
        layers=row.similarity if row.rank_b else {}, shares=row.dense_share,
    )  # fmt: skip


@dataclass(frozen=True, eq=False)
class ReportData:
    """All that a report shows. What is empty is left out of it.

    `config` is the configuration as YAML; `versions` maps a package to its version;
    `provenance` maps a subject to a note, e.g. where the data set's copy differs from the
    original. `run_id` is MLflow's id of the parent run, None where nothing was tracked. `began`
    is when the run was started, in seconds since 1970, `seconds` how long it computed, without
    the time between an interruption and its resumption; None where a run did not keep them.
    """

    name: str
    levels: tuple[LevelResult, ...]
    similarities: tuple[SimilarityResult, ...] = ()
    run_id: str | None = None
    config: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)
    epochs: tuple[EpochResult, ...] = ()
    matrices: tuple[LayerMatrix, ...] = ()
    filters: tuple[FirstLayerFilters, ...] = ()
    flipped: tuple[FlippedExample, ...] = ()
    controls: tuple[ControlRow, ...] = ()
    classes: tuple[ClassResult, ...] = ()
    class_names: tuple[str, ...] = ()
    descriptions: tuple[DescriptionResult, ...] = ()
    began: float | None = None
    seconds: float | None = None

    @classmethod
    def of(cls, result: RunResult, **rest: object) -> ReportData:
        """Return the data of a run's result; `rest` are further fields."""
        return cls(
            name=result.name,
            run_id=result.run_id,
            levels=result.levels,
            similarities=result.similarities,
            descriptions=result.descriptions,
            **rest,  # type: ignore[arg-type]
        )


Record = TypeVar("Record")

SCHEMA = 1
_DOCUMENT = "document"
_TABLES: dict[str, type] = {
    "levels": LevelResult,
    "similarities": SimilarityResult,
    "epochs": EpochResult,
    "controls": ControlRow,
}
_LATER_TABLES: dict[str, type] = {  # runs of before did not keep them
    "classes": ClassResult,
    "descriptions": DescriptionResult,
}
# records that hold arrays, which lie beside the document as <part>/<index>/<field>
_PICTURES: dict[str, tuple[type, tuple[str, ...]]] = {
    "matrices": (LayerMatrix, ("values",)),
    "filters": (FirstLayerFilters, ("dense", "pruned")),
    "flipped": (FlippedExample, ("image",)),
}
_PLAIN = ("name", "run_id", "config", "versions", "provenance")
_TIMES = ("began", "seconds")  # runs of before did not keep them


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
    document |= {name: getattr(data, name) for name in _TIMES if getattr(data, name) is not None}
    for name in _TABLES | _LATER_TABLES:
        document[name] = [asdict(row) for row in getattr(data, name)]
    document["class_names"] = list(data.class_names)
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
    write_whole(path, npz(arrays, compressed=True))  # a checkpoint may follow that counts on it
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
        arrays = read_npz(path)
        document = json.loads(arrays.pop(_DOCUMENT).tobytes())
        schema = document["schema"]
    except FileNotFoundError:
        raise InputError(
            f"expected report data at {path}, but there is no such file. Give a file that "
            "tfprune logged as report-data.npz."
        ) from None
    except UNREADABLE as error:
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
    parts |= {name: document[name] for name in _TIMES if name in document}
    for name, kind in _TABLES.items():
        parts[name] = tuple(_record(kind, row) for row in document[name])
    for name, kind in _LATER_TABLES.items():
        parts[name] = tuple(_record(kind, row) for row in document.get(name, ()))
    parts["class_names"] = tuple(document.get("class_names", ()))
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
