"""A grid of settings: the cells of a sweep, each a whole configuration.

An axis is a list of points; a point gives values to one setting, or to several that are zipped.
The cells are the product of all axes, the last one fastest.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tfprune.config import (
    ConfigError,
    RunConfig,
    config_hash,
    flatten,
    from_dict,
    load_preset,
    override,
    read_mapping,
    settings,
)
from tfprune.config.check import word
from tfprune.config.settled import named_setting
from tfprune.config.texts import value_of
from tfprune.errors import InputError

MOST_CELLS = 100_000

_RANGE = re.compile(r"^\s*(-?\d+)\s*\.\.\s*(-?\d+)(?:\s*\.\.\s*(\d+))?\s*$")

Point = dict[str, Any]
Axis = list[Point]


@dataclass(frozen=True)
class Cell:
    """A cell of a sweep: `settings` are those that the grid gives it, by dotted name."""

    settings: Mapping[str, Any]
    config: RunConfig

    @cached_property
    def key(self) -> str:
        """The hash of its configuration: equal cells are one computation."""
        return config_hash(self.config)

    @property
    def label(self) -> str:
        """What tells it from the other cells, in the grid's words: `strategy=random seed=3`."""
        return label_of(self.settings)


def label_of(values: Mapping[str, Any]) -> str:
    """Return what tells a cell from others: `strategy=random seed=3`."""
    return " ".join(
        f"{name_of_setting(name)}={name_of_value(value)}" for name, value in values.items()
    )


def name_of_setting(name: str) -> str:
    """Return what a setting is called in labels: its last part, or its option if that says more.

    >>> name_of_setting("pruning.strategy"), name_of_setting("model.name")
    ('strategy', 'model')
    """
    last = name.rpartition(".")[2]
    known = settings()
    if last == "name" and name in known:
        return str(known[name].metadata["option"])[2:].replace("-", "_")
    return last


def name_of_value(value: Any) -> str:
    """Return a value as labels have it: of a list its parts, of a mapping NAME=VALUE.

    >>> name_of_value(["cka", "svcca"]), name_of_value({"conv1": 0.5}), name_of_value(None)
    ('cka+svcca', 'conv1=0.5', 'None')
    """
    if isinstance(value, Mapping):
        return "+".join(f"{key}={item}" for key, item in value.items()) or "none"
    if isinstance(value, (list, tuple)):
        return "+".join(map(str, value)) or "none"
    return str(value)


@dataclass(frozen=True)
class Grid:
    """What a sweep goes over: settings that all cells share, and the axes along which they differ.

    >>> grid = Grid({}, [axis("seed", "0..1"), axis("strategy", "magnitude,random")])
    >>> [cell.label for cell in grid.cells()]  # doctest: +NORMALIZE_WHITESPACE
    ['seed=0 strategy=magnitude', 'seed=0 strategy=random', 'seed=1 strategy=magnitude',
     'seed=1 strategy=random']
    """

    base: Mapping[str, Any]
    axes: Sequence[Axis]

    def cells(self) -> list[Cell]:
        """Return all cells; raises InputError for a grid that is none, ConfigError for a value."""
        names = [name for one in self.axes for name in one[0]]
        if not names:
            raise InputError(
                "a sweep needs a grid: give --grid SETTING=VALUE,VALUE, such as --grid seed=0..4, "
                "or a file with 'grid:'."
            )
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(name, "the grid gives it twice; give all its values at once.")
        n_cells = 1
        for one in self.axes:
            n_cells *= len(one)
        if n_cells > MOST_CELLS:
            raise InputError(
                f"the grid has {n_cells:,} cells; a sweep has at most {MOST_CELLS:,}. Split it."
            )
        found = []
        for points in itertools.product(*self.axes):
            given = {name: value for point in points for name, value in point.items()}
            found.append(Cell(given, _configuration(self.base, given)))
        _check_distinct(found)
        return found


def _configuration(base: Mapping[str, Any], given: Point) -> RunConfig:
    try:
        return from_dict(override(base, given))
    except ConfigError as error:
        label = label_of(given)
        raise ConfigError(error.field, f"{error.reason} (in the cell {label})") from error


def _check_distinct(cells: Sequence[Cell]) -> None:
    seen: dict[str, Cell] = {}
    for cell in cells:
        other = seen.setdefault(cell.key, cell)
        if other is not cell:
            raise InputError(
                f"two cells of the grid are the same experiment: {other.label} and {cell.label}. "
                "Give every value once."
            )
    if all(cell.config.replicates == 1 for cell in cells):
        return
    trained: dict[str, Cell] = {}
    for cell in cells:
        for seed in cell.config.seeds:
            other = trained.setdefault(_work(cell.config, seed), cell)
            if other is not cell:
                raise InputError(
                    f"two cells of the grid train the same networks: seed {seed} of {other.label} "
                    f"and of {cell.label}, because replicate r of a run has its seed + r. Leave "
                    "out --replicates, or give seeds that are as far apart as it is large."
                )


def _work(config: RunConfig, seed: int) -> str:
    """Return the hash of what a run computes for one of its seeds."""
    order = config.training.data_order_seed
    order = None if order is None else order + seed - config.seed
    training = dataclasses.replace(config.training, data_order_seed=order)
    return config_hash(dataclasses.replace(config, seed=seed, replicates=1, training=training))


def axis(setting: str, values: Any) -> Axis:
    """Return the axis of one setting.

    `values` is a list, one value, a range of whole numbers such as '0..4' (both ends included;
    '0..20..5' in steps of 5), or such values and ranges in a text, parted by commas. A setting
    that holds several names, such as `comparison.measures`, takes a list for each cell; a single
    name stands for a list of one.
    """
    name = _known(setting)
    listed = _listed(name, values)
    if not listed:
        raise ConfigError(name, "the grid gives it no value; give at least one.")
    return [{name: value} for value in listed]


def zipped(together: Mapping[str, Any]) -> Axis:
    """Return the axis along which several settings change together: first with first, and so on.

    Raises InputError where they don't have equally many values.
    """
    axes = [axis(setting, values) for setting, values in together.items()]
    lengths = {next(iter(one[0])): len(one) for one in axes}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise InputError(
            f"settings that are zipped need equally many values: {counts}. Give each as many."
        )
    names = [name for one in axes for name in one[0]]
    if len(set(names)) < len(names):
        raise ConfigError(names[0], "the zip gives it twice; give all its values at once.")
    rows = zip(*axes, strict=True)
    return [{name: value for point in row for name, value in point.items()} for row in rows]


def _known(setting: str) -> str:
    return named_setting(setting.removeprefix("--").replace("-", "_"), None)[0]


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, str):
        values = values.split(",") if not _RANGE.match(values) else [values]
        values = [part.strip() for part in values if part.strip()]
    elif isinstance(values, range):
        values = list(values)
    elif not isinstance(values, (list, tuple)):
        values = [values]
    return [one for value in values for one in _expanded(name, value)]


def _expanded(name: str, value: Any) -> list[Any]:
    """Return what a value of a list stands for: a range's numbers, or itself as the setting's."""
    match = _RANGE.match(value) if isinstance(value, str) else None
    if match:
        first, last, step = int(match[1]), int(match[2]), int(match[3] or 1)
        if step == 0 or last < first:
            raise ConfigError(name, f"the range {value} is empty; give FIRST..LAST, as in 0..4.")
        return list(range(first, last + 1, step))
    return [_typed(name, value)]


def _typed(name: str, value: Any) -> Any:
    """Return a value as the setting holds it: a text as on the command line."""
    if isinstance(value, str):
        return value_of(name, value)
    return word(value, settings()[name].metadata.get("choices", ()))


_OWN = ("preset", "name", "grid", "zip")


def read_sweep(path: str | Path) -> tuple[Grid, str | None]:
    """Return the grid of a YAML file and the name it gives the sweep.

    The file holds what a run's does (settings by section), and beside it `grid`: setting -> values;
    `zip`: setting -> values that change together, or a list of such; `preset`: a preset to build
    on; `name`. Raises InputError for anything else.
    """
    content = read_mapping(path)
    name = content.get("name")
    if name is not None and not isinstance(name, str):
        raise InputError(f"{path}: 'name' should be a text; got {name!r}.")
    nested = {key: value for key, value in content.items() if key not in _OWN}
    base = dict(load_preset(content["preset"])) if content.get("preset") else {}
    base = override(base, flatten(nested))
    axes = [axis(setting, values) for setting, values in _mapping(path, content, "grid").items()]
    zips = content.get("zip") or []
    for at, together in enumerate(zips if isinstance(zips, list) else [zips]):
        axes.append(zipped(_mapping(path, {f"zip {at + 1}": together}, f"zip {at + 1}")))
    return Grid(base, axes), name


def _mapping(path: str | Path, content: Mapping[str, Any], part: str) -> Mapping[str, Any]:
    found = content.get(part) or {}
    if not isinstance(found, Mapping):
        raise InputError(
            f"{path}: {part!r} should hold settings with their values, such as 'seed: 0..4'; it "
            f"holds a {type(found).__name__}."
        )
    return found


def sweep_key(cells: Sequence[Cell], **facts: Any) -> str:
    """Return 12 hex digits that the same cells have in any order; `facts` are what else counts."""
    told = [*sorted(cell.key for cell in cells), *(f"{k}={v}" for k, v in sorted(facts.items()))]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()[:12]
