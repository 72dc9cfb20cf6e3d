"""The best and the last level's networks, kept to be logged as MLflow models at the end."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.disk import pack, unpack, write_whole
from tfprune.experiment.events import Event, LevelFinished, RunStarted

if TYPE_CHECKING:
    from tfprune.data import Normalization
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.plan import Plan
    from tfprune.models.files.metadata import ImageInputs
    from tfprune.results import LevelResult

BEST, FINAL = "best", "final"
NETWORK_FILE = "network.npz"  # of a level whose network no model file can hold


def write_network(
    path: Path, network: Any, facts: Mapping[str, Any], *, durable: bool = True
) -> Path:
    """Write the values of a network's variables, in their order, with facts; return the path."""
    arrays = {f"{i:05d}": variable.numpy() for i, variable in enumerate(network.variables)}
    write_whole(path, pack(arrays, dict(facts)), durable=durable)
    return path


def read_network(path: Path) -> tuple[list[np.ndarray], dict[str, Any]] | None:
    """Return the values and facts of `write_network`; None where the file is damaged."""
    read = unpack(path)
    if read is None:
        return None
    arrays, facts = read
    return [arrays[name] for name in sorted(arrays)], facts


def image_inputs(plan: Plan, scale: Normalization) -> ImageInputs:
    """Return which images the networks of a seed take; `scale` is that seed's normalization."""
    from tfprune.models.files.metadata import ImageInputs

    data = plan.dataset
    return ImageInputs(data.input_shape, scale, tuple(data.class_names))


class ModelKeeper:
    """Keeps two pruned networks of the first replicate in `folder`, replaced as levels finish.

    final: the last level's. best: of the pruned levels the one with the highest validation
    accuracy, the sparser one where two are equal (the last level where nothing is held out).
    Kept are weights: the network around them is built again at the end, whatever layers it has.
    """

    def __init__(self, folder: Path, *, tell: Callable[[str], None] = lambda message: None) -> None:
        self._folder = folder
        self._tell = tell

    def __call__(self, event: Event) -> None:
        """Keep what a level leaves."""
        if isinstance(event, RunStarted):
            self._plan, self._ledger = event.plan, event.ledger
        elif isinstance(event, LevelFinished):
            self._keep(event.result, event.trained)

    def _keep(self, result: LevelResult, trained: TrainedLevel) -> None:
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
        self._folder.mkdir(parents=True, exist_ok=True)
        facts = {
            "level": result.level,
            "seed": result.seed,
            "sparsity": result.sparsity,
            "accuracy_test": result.accuracy_test,
            **image_inputs(self._plan, trained.normalization).as_dict(),
        }
        for name in kept:
            write_network(self._folder / f"{name}.npz", trained.network, facts)

    def write(self) -> list[tuple[Path, dict[str, Any]]]:
        """Write each kept network to be logged; return what was written with its facts.

        As an MLflow model folder (Keras 3, so that a plain environment loads it); where the
        network has no counterpart in Keras 3, as a tf_keras file, or not at all where that is
        impossible too: the plan knew, and it was said before training. The models take images as
        they are stored, and normalise them themselves; the files take them as the run normalised
        them, and say how. Where a kept network is lost or of another run, that is said: the level's
        own network is among its artifacts all the same.
        """
        from tfprune.experiment.workbench import network_with

        plan = self._plan
        written: list[tuple[Path, dict[str, Any]]] = []
        network: Any = None
        for name in (BEST, FINAL):
            source = self._folder / f"{name}.npz"
            read = read_network(source)
            if read is None or not self._is_of_this_run(name, read[1]):
                if self._pruned_levels():
                    self._tell(
                        f"model-{name} was not written: {source} is gone, damaged or of another "
                        "run. The network itself is stored with its level: tfprune export RUN:LEVEL"
                    )
                continue
            values, facts = read
            if written and written[-1][1] == facts:  # the best level is the last
                written.append((_copy(written[-1][0], f"model-{name}"), facts))
                continue
            network = network_with(plan, values, into=network)
            target = self._folder / f"model-{name}"
            shutil.rmtree(target, ignore_errors=True)
            path = self._write_one(network, target, facts)
            if path is not None:
                written.append((path, facts))
        return written

    def _pruned_levels(self) -> list[LevelResult]:
        seed = self._plan.config.seed
        return [row for row in self._ledger.levels if row.seed == seed and row.level > 0]

    def _is_of_this_run(self, name: str, facts: Mapping[str, Any]) -> bool:
        """Whether a kept network is what a level of this run has left, for `final` the last one."""
        rows = self._pruned_levels()[-1:] if name == FINAL else self._pruned_levels()
        what = ("level", "seed", "sparsity", "accuracy_test")
        return any(all(facts[fact] == getattr(row, fact) for fact in what) for row in rows)

    def _write_one(self, network: Any, target: Path, facts: Mapping[str, Any]) -> Path | None:
        from tfprune.errors import reason
        from tfprune.models.files import to_keras3
        from tfprune.models.files.metadata import ImageInputs, write_metadata
        from tfprune.models.files.preprocessing import with_preprocessing
        from tfprune.models.files.write import save
        from tfprune.tracking.client import save_keras_model

        inputs = ImageInputs.from_dict(facts)
        if self._plan.leaving.keras3 is None:
            example = self._plan.dataset.test.images[:1]
            try:
                whole, said = network, dict(facts)
                if inputs is not None:
                    whole = with_preprocessing(network, inputs.normalization)
                    said |= dataclasses.replace(inputs, included=True).as_dict()
                save_keras_model(to_keras3(whole), target, example=example, metadata=said)
                return target
            # Reason for the breadth: a trained run must not end over a copy of its network,
            # and converting and writing one raises whatever its layers raise.
            except Exception as error:
                shutil.rmtree(target, ignore_errors=True)
                self._tell(
                    f"{target.name} was not written as an MLflow model, for its network could not "
                    f"be converted to Keras 3 after training: {reason(error)}."
                )
        if self._plan.leaving.file is not None:
            return None
        path = target.with_suffix(".keras")
        save(network, path)
        write_metadata(path, inputs.as_dict() if inputs is not None else {})
        return path


def _copy(written: Path, name: str) -> Path:
    """Copy a written network under another name, in the same form; return the copy."""
    target = written.with_name(f"{name}{written.suffix}")
    if written.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        return Path(shutil.copytree(written, target))
    return Path(shutil.copy(written, target))


def has_mlflow_model(written: Sequence[tuple[Path, Mapping[str, Any]]]) -> bool:
    """Whether the last level's network is there as an MLflow model, which can be registered."""
    return bool(written) and written[-1][0].name == f"model-{FINAL}" and written[-1][0].is_dir()
