"""What a run's networks show in another layout than its own, computed once and kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.disk import write_text_whole
from tfprune.replications.so_far import named_values
from tfprune.results import RunResult, SimilarityResult

if TYPE_CHECKING:
    from tfprune.config import RunConfig
    from tfprune.runs.finished import FinishedRun


@dataclass(frozen=True)
class InLayout:
    """A run with the similarities of another layout in place of its own, of the last level alone.

    `refused` says of (layer, measure) why there are none.
    """

    result: RunResult
    refused: Mapping[tuple[str, str], str]


def in_layout(run: FinishedRun, config: RunConfig, layout: str, *, folder: Path) -> InLayout:
    """Return a run compared in a layout; what it found is kept in `folder`, by the run's key.

    `config` is what the run was trained with. Raises InputError where its networks are not in the
    store.
    """
    from tfprune.runs.compared_again import compare_again

    note = folder / f"{run.key}-{layout}.json"
    known = named_values(note)
    if not known:
        rows, why = compare_again(run, config, layout)
        known = {"rows": [asdict(row) for row in rows],
                 "refused": [[*cell, text] for cell, text in why.items()]}  # fmt: skip
        folder.mkdir(parents=True, exist_ok=True)
        write_text_whole(note, json.dumps(known))
    similarities = tuple(SimilarityResult(**row) for row in known["rows"])
    refused = {(layer, measure): text for layer, measure, text in known["refused"]}
    return InLayout(replace(run, similarities=similarities), refused)
