"""TFDS split expressions, resolved to positions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tfprune.errors import InputError


@dataclass(frozen=True)
class SplitRanges:
    """A split expression as half-open ranges of positions.

    spec: the expression as typed. ranges: (split, start, stop) in reading order.
    sizes: number of examples of every split of the data set.
    """

    spec: str
    option: str
    ranges: tuple[tuple[str, int, int], ...]
    sizes: dict[str, int]

    def __len__(self) -> int:
        return sum(stop - start for _, start, stop in self.ranges)

    def positions(self) -> np.ndarray:
        """(n,) int64 positions of the examples in their source split.

        An expression that adds several splits counts on: the second split's positions begin at
        the size of the first, in the order in which they are first named.
        """
        offsets: dict[str, int] = {}
        parts = []
        for split, start, stop in self.ranges:
            if split not in offsets:
                offsets[split] = sum(self.sizes[seen] for seen in offsets)
            parts.append(np.arange(start, stop, dtype=np.int64) + offsets[split])
        return np.concatenate(parts)


def resolve_split(builder: Any, name: str, spec: str, *, option: str) -> SplitRanges:
    """The ranges of a split expression of a prepared builder; InputError lists the splits."""
    import tensorflow_datasets as tfds

    sizes = {split: int(info.num_examples) for split, info in builder.info.splits.items()}
    listed = ", ".join(f"{split} ({n} examples)" for split, n in sizes.items())
    try:
        instructions = tfds.core.ReadInstruction.from_spec(spec).to_absolute(builder.info.splits)
    except (ValueError, AssertionError, KeyError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(
            f"{option} {spec!r} is not a split of {name!r}: {reason.rstrip('.')}. "
            f"Its splits: {listed}; slices are written 'train[:5000]' or 'train[10%:50%]'."
        ) from error
    ranges = []
    for instruction in instructions:
        n = sizes[instruction.splitname]
        start = instruction.from_ or 0
        stop = n if instruction.to is None else instruction.to
        # TFDS reads train[3:2] as all but three: a reversed slice is empty here
        if start < stop:
            ranges.append((instruction.splitname, int(start), int(stop)))
    if not ranges:
        raise InputError(
            f"{option} {spec!r} selects no examples of {name!r}. Its splits: {listed}."
        )
    resolved = SplitRanges(spec, option, tuple(ranges), sizes)
    if len(np.unique(resolved.positions())) < len(resolved):
        raise InputError(f"{option} {spec!r} takes some examples of {name!r} twice.")
    return resolved


def refuse_overlap(train: SplitRanges, test: SplitRanges) -> None:
    """Raise InputError when an example lies in both: a test on it would be no test."""
    shared = sum(
        max(0, min(stop, other_stop) - max(start, other_start))
        for split, start, stop in train.ranges
        for other, other_start, other_stop in test.ranges
        if split == other
    )
    if shared:
        raise InputError(
            f"{train.option} {train.spec!r} and {test.option} {test.spec!r} share {shared} "
            "examples; accuracy on them would not be a test. Choose splits that do not overlap, "
            "such as 'train[:80%]' and 'train[80%:]'."
        )
