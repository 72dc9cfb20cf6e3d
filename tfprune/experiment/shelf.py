"""The first replicate's levels, kept for the later ones to be set beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfprune.experiment.checkpoint import pack, unpack, write_whole

Level = tuple[dict[str, np.ndarray], list[np.ndarray]]


class Shelf:
    """Masks and, where asked for, all values of each level of the first replicate.

    In `folder`, so that a resumed run finds them; in memory where it is None.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._held: dict[int, Level] = {}

    def put(
        self, level: int, masks: Mapping[str, np.ndarray], values: Sequence[np.ndarray]
    ) -> None:
        """Keep a level."""
        if self._folder is None:
            self._held[level] = (dict(masks), list(values))
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        named = {f"mask{i:05d}": mask for i, mask in enumerate(masks.values())}
        numbered = {f"value{i:05d}": value for i, value in enumerate(values)}
        facts = {"masks": list(masks), "n_values": len(values)}
        write_whole(self._path(level), pack(named | numbered, facts))

    def get(self, level: int) -> Level | tuple[None, None]:
        """Return the masks and values of a level; None for both where it was not kept."""
        if self._folder is None:
            return self._held.get(level, (None, None))
        read = unpack(self._path(level))
        if read is None:
            return None, None
        arrays, facts = read
        masks = {name: arrays[f"mask{i:05d}"] for i, name in enumerate(facts["masks"])}
        return masks, [arrays[f"value{i:05d}"] for i in range(facts["n_values"])]

    def _path(self, level: int) -> Path:
        assert self._folder is not None
        return self._folder / f"first-level{level}"
