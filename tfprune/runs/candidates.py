"""What tells runs and sweeps of one name apart, by what their folders say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.config import flatten
from tfprune.tracking.candidates import Candidate


def candidate_of(folder: Path, facts: Mapping[str, Any]) -> Candidate:
    """Return what tells a run from others of its name: when it was written last, its settings."""
    if facts.get("kind") == "sweep":
        settings = _grid_settings(facts)
    else:
        settings = {name: str(value) for name, value in flatten(facts.get("config", {})).items()}
    name, seconds = str(facts.get("name")), folder.stat().st_mtime
    return Candidate(folder.name, name, seconds, settings)


def _grid_settings(facts: Mapping[str, Any]) -> dict[str, str]:
    """Return what tells a sweep from others: its cells, the grid's values, what all cells share."""
    cells = [values for _, values in facts.get("cells", ())]
    told = {"cells": str(len(cells))}
    for name in dict.fromkeys(name for values in cells for name in values):
        told[name] = "/".join(dict.fromkeys(str(v[name]) for v in cells if name in v))
    shared = {name: str(value) for name, value in flatten(facts.get("base", {})).items()}
    where = {f"store {name}": str(value) for name, value in facts.get("store", {}).items()}
    return {**shared, **told, "deterministic": str(facts.get("deterministic", False)), **where}
