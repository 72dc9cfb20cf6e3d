"""The probe set: the fixed inputs on which layers are compared."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tfprune.data.dataset import Dataset, Examples
from tfprune.data.stratify import stratified_positions
from tfprune.errors import InputError, unknown_name

SPLITS = ("test", "validation", "train")

_PROBE_STREAM = 2


def probe_set(
    dataset: Dataset,
    *,
    size: int,
    split: Literal["test", "validation", "train"] | str = "test",
    seed: int = 0,
) -> Examples:
    """`size` examples of one split, stratified by class, in the order of the split.

    seed: the probe set's own, not that of training: networks trained from different seeds are
        compared on the same inputs. With `split="test"` the choice depends on the data set, size
        and `seed` alone; which examples lie in `validation` and `train` depends on the seed that
        held validation out, so probe sets from these are comparable within one replicate only.

    Raises InputError when the split holds fewer than `size` examples.
    """
    if split not in SPLITS:
        raise unknown_name("probe split", split, SPLITS)
    examples: Examples = getattr(dataset, split)
    if size < 1:
        raise InputError(f"--probe-size must be at least 1, got {size}.")
    if size > len(examples):
        raise InputError(
            f"--probe-size {size} is more than the {len(examples)} examples of the {split} split "
            f"of {dataset.name!r}; lower it, or choose a larger --{split}-split."
            if split != "validation"
            else f"--probe-size {size} is more than the {len(examples)} validation examples of "
            f"{dataset.name!r}; lower it, or raise --validation-fraction."
        )
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_PROBE_STREAM,)))
    return examples.take(stratified_positions(examples.labels, size=size, rng=rng))
