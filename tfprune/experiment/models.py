"""The best and the last level's networks, kept to be logged as MLflow models at the end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.experiment.checkpoint import write_whole
from tfprune.experiment.observer import Observer

if TYPE_CHECKING:
    from tfprune.experiment.checkpoint import Ledger
    from tfprune.experiment.plan import Plan
    from tfprune.experiment.replicate import TrainedLevel
    from tfprune.experiment.results import LevelResult, SimilarityResult

BEST, FINAL = "best", "final"


class ModelKeeper(Observer):
    """Keeps two pruned networks of the first replicate in `folder`, replaced as levels finish.

    final: the last level's. best: of the pruned levels the one with the highest validation
    accuracy, the sparser one where two are equal (the last level where nothing is held out).
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def run_started(self, plan: Plan, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger

    def level_finished(
        self,
        result: LevelResult,
        similarities: tuple[SimilarityResult, ...],
        trained: TrainedLevel,
    ) -> None:
        if result.seed != self._plan.config.seed or result.level == 0:
            return
        kept = [FINAL]
        earlier = [
            row.accuracy_validation or 0.0
            for row in self._ledger.levels
            if row.seed == result.seed and 0 < row.level < result.level
        ]
        if (result.accuracy_validation or 0.0) >= max(earlier, default=0.0):
            kept.append(BEST)
        from tfprune.models.files.reproducible import without_clock

        self._folder.mkdir(parents=True, exist_ok=True)
        for name in kept:
            saved = self._folder / f"{name}.keras"
            trained.replicate.network.save(saved, save_format="keras")
            without_clock(saved)
            scale = trained.replicate.normalization
            facts = {
                "level": result.level,
                "seed": result.seed,
                "sparsity": result.sparsity,
                "accuracy_test": result.accuracy_test,
                "normalization": {"mode": scale.mode, "mean": scale.mean, "std": scale.std},
            }
            write_whole(self._folder / f"{name}.json", json.dumps(facts).encode())

    def write(self) -> list[tuple[Path, dict[str, Any]]]:
        """Write each kept network as an MLflow model folder; return the folders with their facts.

        The models are Keras 3, so that a plain environment loads them, and take images as the
        run normalised them: the metadata says how.
        """
        import tf_keras

        from tfprune.models.files import to_keras3
        from tfprune.tracking.client import save_keras_model

        written = []
        for name in (BEST, FINAL):
            source = self._folder / f"{name}.keras"
            if not source.exists():
                continue
            facts = json.loads((self._folder / f"{name}.json").read_text())
            target = self._folder / f"model-{name}"
            shutil.rmtree(target, ignore_errors=True)
            network = tf_keras.models.load_model(source, compile=False)
            example = np.zeros((1, *self._plan.dataset.input_shape), np.float32)
            save_keras_model(to_keras3(network), target, example=example, metadata=facts)
            written.append((target, facts))
        return written
