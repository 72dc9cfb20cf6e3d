"""Grids of runs on Dask: many seeds, models, data sets and strategies."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfprune.sweeps.opened import open_sweep
    from tfprune.sweeps.result import FinishedSweep, SweepCell

__all__ = ["FinishedSweep", "SweepCell", "open_sweep"]

_HOMES = {"FinishedSweep": "result", "SweepCell": "result", "open_sweep": "opened"}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
