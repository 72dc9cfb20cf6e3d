"""How similar two layers are: CCA, SVCCA, PWCCA, CKA and relatives, exact and in one pass.

Importing this package imports nothing: each name is fetched when it is first used, so that the
command line can read the registry of measures without paying for numpy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfprune.similarity.comparison import Comparison
    from tfprune.similarity.functions import linear_cka, mean_cca, pwcca, similarity_of, svcca
    from tfprune.similarity.measure import MEASURES, Measure, check_probe_size
    from tfprune.similarity.score import Score

_HOME = {
    "MEASURES": "measure",
    "Comparison": "comparison",
    "Measure": "measure",
    "Score": "score",
    "check_probe_size": "measure",
    "linear_cka": "functions",
    "mean_cca": "functions",
    "pwcca": "functions",
    "similarity_of": "functions",
    "svcca": "functions",
}

__all__ = [
    "MEASURES",
    "Comparison",
    "Measure",
    "Score",
    "check_probe_size",
    "linear_cka",
    "mean_cca",
    "pwcca",
    "similarity_of",
    "svcca",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
