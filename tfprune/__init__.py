"""tfprune: what changes inside a convolutional network when it is pruned?

Importing it imports nothing else: each name below is fetched when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfprune import config, data, errors, models, pruning, similarity
    from tfprune.experiment.tickets import Ticket
    from tfprune.models.files import export_model, load_model
    from tfprune.runs.compare import compare
    from tfprune.runs.export import export
    from tfprune.runs.finished import open_run
    from tfprune.runs.networks import load_ticket
    from tfprune.runs.prune import prune
    from tfprune.runs.prune_result import PruneResult
    from tfprune.runs.run import resume, run
    from tfprune.sweeps.sweep import sweep

__version__ = "0.1.0"

_HOME = {
    "PruneResult": "tfprune.runs.prune_result",
    "Ticket": "tfprune.experiment.tickets",
    "compare": "tfprune.runs.compare",
    "export": "tfprune.runs.export",
    "export_model": "tfprune.models.files",
    "load_model": "tfprune.models.files",
    "load_ticket": "tfprune.runs.networks",
    "open_run": "tfprune.runs.finished",
    "prune": "tfprune.runs.prune",
    "resume": "tfprune.runs.run",
    "run": "tfprune.runs.run",
    "sweep": "tfprune.sweeps.sweep",
}
_ROOMS = ("config", "data", "errors", "models", "pruning", "similarity")

__all__ = [
    "PruneResult",
    "Ticket",
    "__version__",
    "compare",
    "config",
    "data",
    "errors",
    "export",
    "export_model",
    "load_model",
    "load_ticket",
    "models",
    "open_run",
    "prune",
    "pruning",
    "resume",
    "run",
    "similarity",
    "sweep",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
