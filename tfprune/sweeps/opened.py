"""A sweep of before, found by its key or name: its cells as they stand now."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.disk import Kinds, check_facts
from tfprune.errors import InputError
from tfprune.runs.finding import find_run
from tfprune.runs.sync import store_of
from tfprune.runs.workspace import all_folders
from tfprune.sweeps.found import runs_of_cells
from tfprune.sweeps.grid import label_of
from tfprune.sweeps.record import is_sweep
from tfprune.sweeps.result import FinishedSweep, Steps, SweepCell

if TYPE_CHECKING:
    import pandas

_NEEDED: Kinds = {"cells": list, "deterministic": bool}


def find_sweep(reference: str, *, folder: str | Path = ".") -> FinishedSweep | None:
    """Return the sweep of this folder that is meant; None where it is no sweep's name or key.

    See `open_sweep`. Raises DamagedError where its `run.json` is damaged.
    """
    try:
        place, facts = _found(Path(folder), reference)
    except InputError:  # none, or several: what else is meant says so in its own words
        return None
    return _opened(place, facts, Path(folder)) if is_sweep(facts) else None


def open_sweep(reference: str, *, folder: str | Path = ".") -> FinishedSweep:
    """Return a sweep of `folder`, with its cells as they stand now.

    reference: its key (four letters are enough) or its name. Of several sweeps of one name, of
        which one has all cells of the others, that one is meant: a grid that was run again with
        more values.
    folder: the project's folder, in which `mlruns` lies.

    Raises InputError where there is no such sweep, where several others share the name, and for a
    run that is no sweep; DamagedError where its `run.json` is damaged.

    >>> open_sweep("of-no-such-name")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: ...
    """
    place, facts = _found(Path(folder), reference)
    if not is_sweep(facts):
        raise InputError(f"{reference!r} is a run, not a sweep. Open it with tfprune.open_run.")
    return _opened(place, facts, Path(folder))


def _found(root: Path, reference: str) -> tuple[Path, dict[str, Any]]:
    called, _ = all_folders(root)
    called = [(place, facts) for place, facts in called if facts.get("name") == reference]
    if len(called) > 1 and all(is_sweep(facts) for _, facts in called):
        widest = max(called, key=lambda one: len(one[1].get("cells", ())))
        if all(_is_within(facts, widest[1]) for _, facts in called):
            return widest
    return find_run(root, reference)


def _is_within(facts: Mapping[str, Any], wider: Mapping[str, Any]) -> bool:
    """Whether a sweep is the beginning of a wider one: all its cells, in the same store."""
    cells, more = ({str(cell[0]) for cell in one.get("cells", ())} for one in (facts, wider))
    return cells <= more and all(
        facts.get(name) == wider.get(name) for name in ("store", "deterministic")
    )


def _opened(place: Path, facts: Mapping[str, Any], root: Path) -> FinishedSweep:
    check_facts(place / "run.json", dict(facts), _NEEDED)
    location = store_of(place, facts["store"], root)
    settings = {str(key): dict(values) for key, values in facts["cells"]}
    found = runs_of_cells(
        settings, location, root=root.absolute(), deterministic=facts["deterministic"]
    )
    failed = facts.get("failed", {})
    cells = tuple(
        SweepCell(
            key=key,
            label=label_of(values),
            settings=values,
            run=found.finished.get(key),
            error=None if key in found.finished else failed.get(key),
        )
        for key, values in settings.items()
    )
    return FinishedSweep(
        key=place.name,
        name=facts["name"],
        cells=cells,
        root=root.absolute(),
        location=location,
        steps=Steps(**facts.get("steps", {})),
        run_id=facts.get("run_id"),
    )


def table_of(
    reference: str,
    *,
    levels: bool = False,
    floors: bool = False,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    folder: str | Path = ".",
) -> pandas.DataFrame:
    """Return all similarities of a run or of a sweep's cells as one table, or all levels.

    See `RunResult.frame`, `RunResult.levels_frame` and `FinishedSweep.frame`.
    """
    from tfprune.runs.finished import open_run

    found = find_sweep(reference, folder=folder) or open_run(
        reference, tracking_uri=tracking_uri, experiment=experiment, folder=folder
    )
    return found.levels_frame() if levels else found.frame(floors=floors)
