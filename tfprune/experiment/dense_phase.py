"""The dense phase of a seed, trained once for all experiments that begin with it.

Experiments that differ only in how they prune train the same dense network first: the same bits
from the same data, initialisation and order. One training of it, kept as a checkpoint at its end,
is the start of each of them; what they find is what they would have found alone.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from tfprune.config import ComparisonConfig, PruningConfig, RunConfig, to_dict
from tfprune.disk import UNREADABLE, write_whole
from tfprune.experiment.checkpoint import DURABLE_SECONDS, CheckpointFolder, Position
from tfprune.experiment.events import EpochFinished, LevelStarted, enter
from tfprune.experiment.replicate import Replicate
from tfprune.models.identity import ModelIdentity
from tfprune.pruning.strategy import load_strategy
from tfprune.results import EpochResult, Ledger

if TYPE_CHECKING:
    from tfprune.experiment.events import Event
    from tfprune.experiment.plan import Plan

_DONE = "dense.json"


def dense_key(config: RunConfig, seed: int) -> str | None:
    """Return 12 hex digits, the same for all experiments with one dense phase of this seed.

    SHA-256 of the settings that the first training depends on. Of pruning these are the rewind
    step, whose state is kept on the way, and what the training function is compiled with: ADMM,
    and the gradients that a strategy adds up. None where there is no first training to share: a
    ticket begins pruned, and a model with `start` 'trained' is its own dense network.
    """
    pruning, training = config.pruning, config.training
    if pruning.ticket is not None or config.model.start == "trained":
        return None
    order = training.data_order_seed
    alone = dataclasses.replace(
        config,
        seed=seed,
        replicates=1,
        pruning=PruningConfig(),
        comparison=ComparisonConfig(),
        training=dataclasses.replace(
            training,
            data_order="same",
            data_order_seed=None if order is None else order + seed - config.seed,
        ),
    )
    nested = to_dict(alone)
    for name in ("data_dir", "stream", "also_test"):  # none of them changes what is trained on
        nested["data"].pop(name)
    nested["with"] = {
        "rewind_to": "init" if pruning.rewind_to == "final" else pruning.rewind_to,
        "admm": pruning.admm,
        "movement": "accumulated_movement" in load_strategy(pruning.strategy).needs,
    }
    text = json.dumps(nested, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def train_dense(
    plan: Plan, seed: int, folder: Path, *, watch: Callable[[Event], object] = lambda event: None
) -> None:
    """Train the dense network of a seed in `folder`, or the rest of it; do nothing where it lies.

    A checkpoint is kept after every epoch, so that a training that was killed goes on from there,
    bit for bit.
    """
    if is_trained(folder):
        return
    checkpoints = CheckpointFolder(folder / "checkpoint")
    position, ledger = checkpoints.load() or (None, Ledger())
    replicate = Replicate(plan, seed=seed, position=position)
    due = 0.0
    for event in replicate.events():
        if not isinstance(event, (LevelStarted, EpochFinished)):
            break  # trained: the experiments evaluate and compare it
        enter(event, ledger)
        watch(event)
        if isinstance(event, EpochFinished):
            durable = time.monotonic() >= due
            checkpoints.save(event.position(), ledger, durable=durable)
            due = time.monotonic() + DURABLE_SECONDS if durable else due
    checkpoints.save(replicate.position(), ledger)
    facts = {
        "seed": seed,
        "n_steps": plan.n_steps,
        "data": plan.data_digest,
        "model": plan.model.as_dict() if plan.model is not None else None,
    }
    write_whole(folder / _DONE, json.dumps(facts, indent=1).encode())


def is_trained(folder: Path) -> bool:
    """Whether a dense phase was trained in `folder` to its end."""
    return (folder / _DONE).is_file()


@dataclasses.dataclass(frozen=True, eq=False)
class DensePhase:
    """A dense phase at its end: where the seed stands, and the epochs that led there."""

    position: Position
    epochs: tuple[EpochResult, ...]


class DensePhases:
    """The dense phases that experiments may begin with, by seed: folders of `train_dense`."""

    def __init__(self, folders: Mapping[int, Path], *, tell: Callable[[str], None]) -> None:
        self._folders = dict(folders)
        self._tell = tell

    def of(self, plan: Plan, seed: int) -> DensePhase | None:
        """Return the dense phase of a seed; None where there is none, or it is not the plan's.

        One that is damaged, or was trained on other data or another model, is told, and the
        experiment trains its own.
        """
        folder = self._folders.get(seed)
        if folder is None:
            return None
        found = self._read(folder, plan, seed)
        if isinstance(found, str):
            self._tell(f"The dense network of seed {seed} is trained anew: {folder} {found}.")
            return None
        return found

    def _read(self, folder: Path, plan: Plan, seed: int) -> DensePhase | str:
        try:
            facts = json.loads((folder / _DONE).read_text(encoding="utf-8"))
            known = ModelIdentity.from_dict(facts["model"])
            data = dict(facts["data"])
        except (*UNREADABLE, TypeError):
            return "is not there or damaged"
        if any(data.get(split) != digest for split, digest in plan.data_digest.items()
               if split in data):  # fmt: skip
            return "was trained on other data"
        if known is not None and plan.model is not None and known.changes(plan.model):
            return "was trained with another model"
        loaded = CheckpointFolder(folder / "checkpoint").load()
        if loaded is None or (loaded[0].seed, loaded[0].level) != (seed, 0):
            return "is not there or damaged"
        position, ledger = loaded
        if position.state.step != plan.n_steps:
            return "was not trained to its end"
        return DensePhase(_as_named(position, plan), tuple(ledger.epochs))


def _as_named(position: Position, plan: Plan) -> Position:
    """Return a position whose layers are called what the plan calls them: by their places."""
    names = [tensor.name for tensor in plan.tensors]
    movement = position.movement
    return dataclasses.replace(
        position,
        masks=dict(zip(names, position.masks.values(), strict=True)),
        movement=None if movement is None else dict(zip(names, movement.values(), strict=True)),
    )
