"""Published experiments, run again and judged: each claim of a paper against our own result.

`REPLICATIONS` lists them. Each is one file: the paper, the arms of its experiment, the sizes in
which it can be run, and its claims with a test of each.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tfprune.replications.evidence import Evidence
    from tfprune.replications.names import REPLICATIONS
    from tfprune.replications.perform import Judged, replicate
    from tfprune.replications.replication import Arm, Claim, Replication, Size
    from tfprune.replications.verdict import Verdict, above, near, together

__all__ = [
    "REPLICATIONS",
    "Arm",
    "Claim",
    "Evidence",
    "Judged",
    "Replication",
    "Size",
    "Verdict",
    "above",
    "near",
    "replicate",
    "together",
]

_HOMES = {
    "REPLICATIONS": "names",
    "Arm": "replication",
    "Claim": "replication",
    "Evidence": "evidence",
    "Judged": "perform",
    "Replication": "replication",
    "Size": "replication",
    "Verdict": "verdict",
    "above": "verdict",
    "near": "verdict",
    "replicate": "perform",
    "together": "verdict",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
