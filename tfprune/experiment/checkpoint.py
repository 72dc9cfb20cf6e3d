"""Where an experiment stands, on disk: written whole or not at all, and read only when whole."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tfprune.disk import flush, pack, set_aside, unpack, write_whole
from tfprune.errors import RunError
from tfprune.results import (
    Ledger,
)
from tfprune.training.state import TrainingState

DURABLE_SECONDS = 5.0  # at most this much work is lost to a power cut, none to a kill


@dataclass(frozen=True, eq=False)
class Position:
    """A moment of a replicate: `level` of `seed` was trained to `state.step`.

    `initial` is theta_0, `rewind` the state that levels go back to (None before it was reached),
    `dense` the dense network's variables (None before it was trained), `dense_predictions` its
    answers on the test set.
    """

    seed: int
    level: int
    state: TrainingState
    masks: Mapping[str, np.ndarray]
    initial: TrainingState
    rewind: TrainingState | None
    dense: Sequence[np.ndarray] | None
    dense_predictions: np.ndarray | None
    movement: Mapping[str, np.ndarray] | None = None  # where the strategy adds it up


def _state_arrays(prefix: str, state: TrainingState) -> dict[str, np.ndarray]:
    named = {f"{prefix}/variables/{i:05d}": a for i, a in enumerate(state.variables)}
    return named | {f"{prefix}/slots/{i:05d}": a for i, a in enumerate(state.slots)}


def _named(prefix: str, arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {f"{prefix}/{index:05d}": array for index, array in enumerate(arrays.values())}


def _by_name(
    arrays: Mapping[str, np.ndarray], prefix: str, names: Sequence[str]
) -> dict[str, np.ndarray]:
    return {name: arrays[f"{prefix}/{index:05d}"] for index, name in enumerate(names)}


def _numbered(arrays: Mapping[str, np.ndarray], prefix: str) -> tuple[np.ndarray, ...]:
    return tuple(arrays[name] for name in sorted(arrays) if name.startswith(f"{prefix}/"))


def _state_from(arrays: Mapping[str, np.ndarray], prefix: str, step: int) -> TrainingState:
    return TrainingState(
        step, _numbered(arrays, f"{prefix}/variables"), _numbered(arrays, f"{prefix}/slots")
    )


class CheckpointFolder:
    """The checkpoints of one experiment.

    What never changes (theta_0, the rewind state, the dense network of each seed) is written
    once; what moves is written anew each time, the one before it kept as `state.previous`. Each
    file says of which run it is: the name of the folder that `folder` lies in.

    `damaged` holds what could not be read so far, under the names that it has now: nothing is
    deleted that was not read whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[Path] = []
        self._run = folder.absolute().parent.name

    def save(self, position: Position, ledger: Ledger, *, durable: bool = True) -> None:
        """Write where the experiment stands; raises RunError when the disk refuses.

        Not `durable`, it is safe from the end of the process at once, from a power cut with the
        next durable one: until then the last durable one is kept beside it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        fixed: dict[str, TrainingState | None] = {
            "initial": position.initial,
            "rewind": position.rewind,
            "dense": None
            if position.dense is None
            else TrainingState(0, tuple(position.dense), ()),
        }
        for name, state in fixed.items():
            path = self._fixed(name, position.seed)
            if state is not None and not path.exists():
                facts = {"step": state.step, "run": self._run, "file": path.name}
                write_whole(path, pack(_state_arrays(name, state), facts))
        arrays = _state_arrays("state", position.state)
        arrays |= _named("masks", position.masks) | _named("movement", position.movement or {})
        if position.dense_predictions is not None:
            arrays["dense_predictions"] = position.dense_predictions
        moving = {
            "run": self._run,
            "file": self._state.name,
            "seed": position.seed,
            "level": position.level,
            "step": position.state.step,
            "masks": list(position.masks),
            "movement": list(position.movement or {}),
            "known": [name for name, state in fixed.items() if state is not None],
            "ledger": ledger.to_dict(),
        }
        data = pack(arrays, moving)
        if durable and self._state.exists():
            flush(self._state)
            os.replace(self._state, self._previous)
        write_whole(self._state, data, durable=durable)

    def load(self) -> tuple[Position, Ledger] | None:
        """Return the last moment that was written whole; None where there is none.

        What a kill left of a write goes. What is damaged, of another run, or counts on what is
        gets another name and is told in `damaged`.
        """
        for torn in self.folder.glob(".*"):
            torn.unlink(missing_ok=True)
        for path in (self._state, self._previous):
            read = self._read(path)
            if read is None:
                continue
            arrays, facts = read
            fixed = {name: self._load_fixed(name, facts["seed"]) for name in facts["known"]}
            if any(state is None for state in fixed.values()):
                self._set_aside(path)
                continue
            dense = fixed.get("dense")
            initial = fixed["initial"]
            assert initial is not None  # in every checkpoint, and whole
            position = Position(
                seed=facts["seed"],
                level=facts["level"],
                state=_state_from(arrays, "state", facts["step"]),
                masks=_by_name(arrays, "masks", facts["masks"]),
                initial=initial,
                rewind=fixed.get("rewind"),
                dense=None if dense is None else dense.variables,
                dense_predictions=arrays.get("dense_predictions"),
                movement=_by_name(arrays, "movement", facts["movement"]) or None,
            )
            return position, Ledger.from_dict(facts["ledger"])
        return None

    def dense_of(self, seed: int) -> tuple[np.ndarray, ...]:
        """Return the dense network's variables of a seed; raises RunError where they are lost."""
        state = self._load_fixed("dense", seed)
        if state is None:
            raise lost_for_good(self._fixed("dense", seed), f"the dense network of seed {seed}")
        return state.variables

    def _read(self, path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
        """Return what a file of this run holds; None where there is none, or a damaged one."""
        read = unpack(path)
        # files of before they named their run and themselves are taken for what they should be
        if read is not None:
            (arrays, facts), own = read, path.name.partition(".")[0]
            is_own = facts.get("run", self._run) == self._run and facts.get("file", own) == own
            if is_own and any(name.startswith(f"{own.partition('-')[0]}/") for name in arrays):
                return read
        if os.path.lexists(path):  # or the next save would put it over the whole one
            self._set_aside(path)
        return None

    def _set_aside(self, path: Path) -> None:
        self.damaged.append(set_aside(path))

    def has_any(self) -> bool:
        """Return whether there is a moment to go on from, as far as names tell."""
        return self._state.is_file() or self._previous.is_file()

    def size(self) -> int:
        """Return the bytes that all checkpoints take on the disk."""
        return sum(path.stat().st_size for path in self.folder.glob("*") if path.is_file())

    @property
    def _state(self) -> Path:
        return self.folder / "state"

    @property
    def _previous(self) -> Path:
        return self.folder / "state.previous"

    def _fixed(self, name: str, seed: int) -> Path:
        return self.folder / f"{name}-seed{seed}"

    def _load_fixed(self, name: str, seed: int) -> TrainingState | None:
        read = self._read(self._fixed(name, seed))
        return None if read is None else _state_from(read[0], name, read[1]["step"])


def lost_for_good(path: Path, what: str) -> RunError:
    """Return the error for a file whose loss no training again makes good."""
    return RunError(
        f"{path} is gone or damaged: it holds {what}. The run cannot be resumed; restore the "
        "file, or start a new run with 'tfprune run --fresh'."
    )


class KeptLevel(NamedTuple):
    """What a shelf keeps of a level: masks, values where asked for, answers on the test images.

    `answers` are class indices; None where an older version kept the level.
    """

    masks: dict[str, np.ndarray]
    values: list[np.ndarray]
    answers: np.ndarray | None


class Shelf:
    """Masks, answers and, where asked for, all values of each level of each replicate.

    In `folder`, so that a resumed run finds them, a mask with one bit per weight; in memory where
    it is None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._run = folder.absolute().parent.name if folder is not None else ""
        self._held: dict[tuple[int, int], KeptLevel] = {}

    def put(
        self,
        seed: int,
        level: int,
        masks: Mapping[str, np.ndarray],
        values: Sequence[np.ndarray] = (),
        answers: np.ndarray | None = None,
    ) -> None:
        """Keep a level."""
        if self._folder is None:
            self._held[seed, level] = KeptLevel(dict(masks), list(values), answers)
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        packed = {f"mask{i:05d}": np.packbits(mask) for i, mask in enumerate(masks.values())}
        numbered = {f"value{i:05d}": value for i, value in enumerate(values)}
        if answers is not None:
            numbered["answers"] = answers.astype(np.int32)
        shapes = {name: mask.shape for name, mask in masks.items()}
        here = {"run": self._run, "seed": seed, "level": level}
        facts = {"masks": shapes, "n_values": len(values), **here}
        write_whole(self._path(seed, level), pack(packed | numbered, facts))

    def drop_values(self, seed: int, level: int) -> None:
        """Keep a level on without its values, where it is kept."""
        kept = self.find(seed, level)
        if kept is not None and kept.values:
            self.put(seed, level, kept.masks, answers=kept.answers)

    def find(self, seed: int, level: int) -> KeptLevel | None:
        """Return a level, None where it was never kept or is lost."""
        if self._folder is None:
            return self._held.get((seed, level))
        try:
            return self.get(seed, level)
        except RunError:
            return None

    def get(self, seed: int, level: int) -> KeptLevel:
        """Return a level; raises RunError where it is lost."""
        if self._folder is None:
            return self._held[seed, level]
        path = self._path(seed, level)
        read = unpack(path)
        here = {"run": self._run, "seed": seed, "level": level}
        if read is None or any(read[1].get(name, own) != own for name, own in here.items()):
            raise lost_for_good(path, f"the masks of level {level} of seed {seed}")
        arrays, facts = read
        masks = {
            name: _unpack(arrays[f"mask{i:05d}"], tuple(shape))
            for i, (name, shape) in enumerate(facts["masks"].items())
        }
        values = [arrays[f"value{i:05d}"] for i in range(facts["n_values"])]
        return KeptLevel(masks, values, arrays.get("answers"))

    def _path(self, seed: int, level: int) -> Path:
        assert self._folder is not None
        return self._folder / f"level{level}-seed{seed}"


def _unpack(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(bits, count=math.prod(shape)).astype(np.bool_).reshape(shape)
