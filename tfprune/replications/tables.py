"""What claims of a replication are judged on besides accuracies and similarities, as tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from tfprune.results import ALSO_ACCURACY, ALSO_POTENTIAL, csv_text

if TYPE_CHECKING:
    from tfprune.replications.perform import Judged

#: how the facts begin that claims ask for
_ASKED = ("barrier_error", "instability_error", "forgotten", "accuracy_dense_",
          f"{ALSO_ACCURACY}/", f"{ALSO_POTENTIAL}/")  # fmt: skip


def controls_csv(judged: Judged) -> str:
    """Return test accuracy and mean similarity over layers of every control; empty without any.

    Of the CCA family with the share of the dense directions that is left, where the run has it.
    """
    rows = [
        [arm, row.control, row.seed, row.level, f"{row.accuracy_test:.6f}", measure,
         *(_digits(_mean(found.get(measure, {}).values()))
           for found in (row.similarity, row.dense_share))]
        for arm, run in judged.runs.items()
        for row in run.controls
        for measure in (row.similarity or [""])
    ]  # fmt: skip
    header = ["arm", "control", "seed", "level", "accuracy_test", "measure", "similarity",
              "dense_share"]  # fmt: skip
    return csv_text(header, rows) if rows else ""


def facts_csv(judged: Judged) -> str:
    """Return what claims ask of every arm, seed and level, a fact a row; empty where nothing is."""
    rows = [
        [arm, row.seed, row.level, name, f"{value:.6f}"]
        for arm, run in judged.runs.items()
        for row in run.levels
        for name, value in row.facts.items()
        if name.startswith(_ASKED) and np.isfinite(value)
    ]
    return csv_text(["arm", "seed", "level", "fact", "value"], rows) if rows else ""


def _digits(value: float) -> str:
    return f"{value:.6f}" if np.isfinite(value) else ""


def _mean(values: Iterable[float]) -> float:
    known = [value for value in values if np.isfinite(value)]
    return float(np.mean(known)) if known else float("nan")
