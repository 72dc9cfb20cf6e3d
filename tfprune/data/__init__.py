"""Data sets in memory, their normalisation, order and augmentation, and the probe set.

Importing this package imports neither NumPy nor TensorFlow; its names are looked up on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from tfprune.data.names import DATASETS

if TYPE_CHECKING:
    from tfprune.data.dataset import Dataset, Examples, LoadedExamples, Source, probe_set
    from tfprune.data.epoch import Augmentation, EpochPlan, augment, enlarge, epoch_plan
    from tfprune.data.images import Normalization, normalization
    from tfprune.data.load import MEMORY_LIMIT, load_dataset

__all__ = [
    "DATASETS",
    "MEMORY_LIMIT",
    "Augmentation",
    "Dataset",
    "EpochPlan",
    "Examples",
    "LoadedExamples",
    "Normalization",
    "Source",
    "augment",
    "enlarge",
    "epoch_plan",
    "load_dataset",
    "normalization",
    "probe_set",
]

_HOMES = {
    "MEMORY_LIMIT": "load",
    "Augmentation": "epoch",
    "Dataset": "dataset",
    "EpochPlan": "epoch",
    "Examples": "dataset",
    "LoadedExamples": "dataset",
    "Normalization": "images",
    "Source": "dataset",
    "augment": "epoch",
    "enlarge": "epoch",
    "epoch_plan": "epoch",
    "load_dataset": "load",
    "normalization": "images",
    "probe_set": "dataset",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
