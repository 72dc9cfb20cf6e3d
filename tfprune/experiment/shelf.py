"""What finished levels of earlier replicates leave for the later ones to be set beside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfprune.disk import pack, unpack, write_whole
from tfprune.errors import RunError

Level = tuple[dict[str, np.ndarray], list[np.ndarray]]


class Shelf:
    """Masks and, where asked for, all values of each level of each replicate.

    In `folder`, so that a resumed run finds them, a mask with one bit per weight; in memory where
    it is None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[tuple[int, int], Level] = {}

    def put(
        self,
        seed: int,
        level: int,
        masks: Mapping[str, np.ndarray],
        values: Sequence[np.ndarray] = (),
    ) -> None:
        """Keep a level."""
        if self._folder is None:
            self._held[seed, level] = (dict(masks), list(values))
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        packed = {f"mask{i:05d}": np.packbits(mask) for i, mask in enumerate(masks.values())}
        numbered = {f"value{i:05d}": value for i, value in enumerate(values)}
        facts = {"masks": {name: mask.shape for name, mask in masks.items()},
                 "n_values": len(values)}  # fmt: skip
        write_whole(self._path(seed, level), pack(packed | numbered, facts))

    def get(self, seed: int, level: int) -> Level:
        """Return the masks and values of a level; raises RunError where they are lost."""
        if self._folder is None:
            return self._held[seed, level]
        path = self._path(seed, level)
        read = unpack(path)
        if read is None:
            raise RunError(
                f"{path} is gone or damaged: it holds the masks of level {level} of seed {seed}. "
                "The run can't go on as it was; start anew with 'tfprune run --fresh'."
            )
        arrays, facts = read
        masks = {
            name: _unpack(arrays[f"mask{i:05d}"], tuple(shape))
            for i, (name, shape) in enumerate(facts["masks"].items())
        }
        return masks, [arrays[f"value{i:05d}"] for i in range(facts["n_values"])]

    def _path(self, seed: int, level: int) -> Path:
        assert self._folder is not None
        return self._folder / f"level{level}-seed{seed}"


def _unpack(bits: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(bits, count=math.prod(shape)).astype(np.bool_).reshape(shape)
