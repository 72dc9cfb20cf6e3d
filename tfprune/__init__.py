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
    from tfprune.runs.run import resume, run

__version__ = "0.1.0"

_HOME = {
    "Ticket": "tfprune.experiment.tickets",
    "compare": "tfprune.runs.compare",
    "export": "tfprune.runs.export",
    "export_model": "tfprune.models.files",
    "load_model": "tfprune.models.files",
    "load_ticket": "tfprune.runs.networks",
    "open_run": "tfprune.runs.finished",
    "resume": "tfprune.runs.run",
    "run": "tfprune.runs.run",
}
_ROOMS = ("config", "data", "errors", "models", "pruning", "similarity")

__all__ = [
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
    "pruning",
    "resume",
    "run",
    "similarity",
]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    if name in _ROOMS:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
