"""A run that has not finished: the seeds that it has, read beside the process that may write them.

Nothing of the run is changed: its checkpoint is copied, and the copy is read.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tfprune.config import config_hash
from tfprune.results import RunResult

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.results import Ledger


@dataclass(frozen=True, repr=False)
class UnfinishedRun(RunResult):
    """The whole seeds of a run that ended early or is under way.

    `asked` is how many seeds it was to have, `seconds` what it has computed, `note` what is to be
    known of its data.
    """

    asked: int = 0
    seconds: float = 0.0
    note: str = ""

    @property
    def seeds(self) -> int:
        """How many seeds it has."""
        return len({row.seed for row in self.levels})


def unfinished(config: RunConfig, folder: str | Path) -> UnfinishedRun | None:
    """Return the whole seeds of the run of this configuration; None where it has none.

    A seed is whole once its last level, with all controls, is in the checkpoint. A run whose
    `run.json` is damaged is passed by.
    """
    from tfprune.runs.workspace import all_folders

    runs, _ = all_folders(Path(folder))
    for run, facts in runs:
        if facts.get("config_hash") == config_hash(config) and not facts["finished"]:
            ledger = _ledger(run)
            found = None if ledger is None else _whole(ledger, config, run, facts)
            if found is not None:
                return found
    return None


def named_values(file: Path) -> dict[str, Any]:
    """Return a JSON object of named values; one that can't be read holds none."""
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _ledger(run: Path) -> Ledger | None:
    from tfprune.experiment.checkpoint import CheckpointFolder

    with tempfile.TemporaryDirectory() as beside:
        copy = Path(beside) / run.name / "checkpoint"  # a checkpoint knows the name of its run
        if not (run / "checkpoint").is_dir():
            return None
        shutil.copytree(run / "checkpoint", copy)
        found = CheckpointFolder(copy).load()
    return None if found is None else found[1]


def _whole(
    ledger: Ledger, config: RunConfig, run: Path, facts: dict[str, Any]
) -> UnfinishedRun | None:
    last = config.pruning.levels
    seeds = {row.seed for row in ledger.levels if row.level == last}

    def of(rows: list[Any]) -> tuple[Any, ...]:
        return tuple(row for row in rows if row.seed in seeds)

    if not seeds:
        return None
    data = [named_values(file) for file in sorted(run.glob("files/*/data.json"))]
    described = data[0] if data else {}
    return UnfinishedRun(
        name=str(facts.get("name", run.name)),
        run_id=None,
        key=run.name,
        levels=of(ledger.levels),
        similarities=of(ledger.similarities),
        controls=of(ledger.controls),
        classes=of(ledger.classes),
        descriptions=of(ledger.descriptions),
        class_names=tuple(str(one["name"]) for one in described.get("classes", ())),
        asked=config.replicates,
        seconds=float(facts.get("seconds", 0.0)),
        note=str(described.get("provenance", {}).get("note") or ""),
    )
