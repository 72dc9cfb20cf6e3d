"""What `run.json` of a run says, and whether the files beside it agree."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.disk import Kinds, check_facts, read_facts
from tfprune.errors import DamagedError
from tfprune.tracking.records import first_run, last_status

#: metric of an experiment of several seeds: how many of them collapsed at a level, its step
COLLAPSED = "seeds/collapsed"

_NEEDED: Kinds = {"name": str, "store": dict, "finished": bool}
_NEEDED_TO_GO_ON: Kinds = {"config": dict, "config_hash": str}
#: what runs of before may lack
_KINDS: Kinds = {
    "environment": dict, "data": dict, "machine": dict, "deterministic": bool, "kind": str,
    "run_id": (str, type(None)), "layers": (list, type(None)), "register": (str, type(None)),
    "began": (int, float), "seconds": (int, float), "model": (dict, type(None)),
    "given_hash": str, "sweep": str,
}  # fmt: skip


def read_run(folder: Path) -> dict[str, Any]:
    """Return what `run.json` says; raises DamagedError, which names it."""
    path = folder / "run.json"
    facts = read_facts(path, _NEEDED)
    check_facts(path, facts, {name: kind for name, kind in _KINDS.items() if name in facts})
    for name in facts.keys() - _KINDS.keys():  # a file of before has no checksum
        for known in _KINDS.keys() - facts.keys():
            if len(name) == len(known) and sum(map(str.__ne__, name, known)) == 1:
                raise DamagedError(path, f"it says {name!r} where {known!r} is missing")
    check_facts(path, facts["store"], {"uri": (str, type(None)), "experiment": (str, type(None))})
    if is_experiment(facts):
        check_facts(path, facts, _NEEDED_TO_GO_ON)
    if facts.get("key", folder.name) != folder.name:  # runs of before have none
        raise DamagedError(path, f"it is that of run {facts['key']}")
    return facts


def is_experiment(facts: Mapping[str, Any]) -> bool:
    """Whether the facts are those of an experiment; others are logged at once, and say their kind.

    >>> is_experiment({"kind": "comparison"}), is_experiment({"name": "digits"})
    (False, True)
    """
    return facts.get("kind") is None


def check_journal(folder: Path) -> None:
    """Raise DamagedError where a run's journal is that of another run."""
    path = folder / "records.jsonl"
    whose = first_run(path)
    if whose is not None and not whose.startswith(folder.name):
        raise DamagedError(path, f"it is that of run {whose}")


def has_ended(folder: Path) -> bool:
    """Return whether a run's journal says that it has finished; so, too, where it says nothing.

    `run.json` says it as well; where they contradict each other nothing may be deleted.
    """
    status = last_status(folder / "records.jsonl", folder.name)
    return status in (None, "FINISHED")


def check_finished(folder: Path, facts: Mapping[str, Any]) -> None:
    """Raise DamagedError where only `run.json` says that a run has finished.

    Its checkpoint is still there then, and would be deleted as of no more use.
    """
    if facts["finished"] and (folder / "checkpoint").exists() and not has_ended(folder):
        raise DamagedError(
            folder / "run.json",
            "it says that the run has finished, and its journal that it has not. Set "
            "'finished' to false there and delete its line 'sum' to continue",
        )


def store_id(folder: Path) -> str | None:
    """Return MLflow's id of a run as its journal knows it; None where it was not delivered yet."""
    try:
        delivered = json.loads((folder / "delivered.json").read_text(encoding="utf-8"))
        found: str | None = delivered["runs"].get(folder.name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return found
