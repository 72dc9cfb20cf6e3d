"""What the runs of a folder already give a sweep: cells that are done, and cells begun."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.runs.run_file import is_experiment
from tfprune.runs.workspace import all_folders, environment, store_facts

if TYPE_CHECKING:
    from tfprune.tracking import StoreLocation


@dataclass(frozen=True)
class Found:
    """Cell -> the key of its finished run, and cell -> keys of runs that were begun for it."""

    finished: dict[str, str]
    begun: dict[str, tuple[str, ...]]


def runs_of_cells(
    keys: Iterable[str],
    location: StoreLocation,
    *,
    root: Path,
    deterministic: bool,
    tell: Callable[[str], None] = lambda message: None,
) -> Found:
    """Return which cells, by their keys, have runs in a folder and store, of whatever command.

    A finished run counts whatever code computed it; `tell` hears where it was another than now.
    """
    cells = set(keys)
    where = store_facts(location, root)
    finished: dict[str, str] = {}
    begun: dict[str, tuple[str, ...]] = {}
    n_other, now = 0, environment()
    folders, damaged = all_folders(root)
    for folder, error in damaged.items():
        tell(f"{error} Whether run {folder.name} is one of the sweep's cells can't be told.")
    for folder, facts in folders:  # the newest first
        if not is_experiment(facts) or facts["store"] != where:
            continue
        if facts.get("deterministic", False) != deterministic:
            continue
        for key in {facts["config_hash"], facts.get("given_hash", facts["config_hash"])} & cells:
            if facts["finished"] and key not in finished:
                finished[key] = folder.name
                n_other += facts.get("environment", now) != now
            elif not facts["finished"]:
                begun[key] = (*begun.get(key, ()), folder.name)
    if n_other:
        tell(
            f"{n_other} of the cells that are done were computed by other code or libraries than "
            "those of now. 'tfprune run --fresh' computes one again."
        )
    return Found(finished, begun)
