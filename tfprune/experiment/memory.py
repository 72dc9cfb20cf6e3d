"""How `--memory` is shared by the dense network's activations and the comparison of the levels."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.activations.moments import rows_and_width
from tfprune.config import ComparisonConfig
from tfprune.similarity.accumulator import STREAMED_PERMUTATIONS
from tfprune.similarity.arrays import check_layout
from tfprune.similarity.budget import Budget
from tfprune.similarity.measure import find_measure
from tfprune.similarity.streaming import Key

if TYPE_CHECKING:
    from tfprune.activations import HiddenLayer

_GIB = 2**30


def memory_of(comparison: ComparisonConfig) -> int:
    """Return the bound in bytes."""
    return int(comparison.memory * _GIB)


def reference_memory(comparison: ComparisonConfig) -> int:
    """Return the bytes that the dense network's activations may take, half of `--memory`."""
    return memory_of(comparison) // 2


def activation_bytes(layers: Sequence[HiddenLayer], n_images: Mapping[str, int]) -> int:
    """Return the bytes of one network's activations on the probe set, in float32."""
    return 4 * sum(n_images[layer.name] * int(np.prod(layer.shape)) for layer in layers)


def by_count(n_images: Mapping[str, int]) -> dict[int, list[str]]:
    """Return number of images -> layers that are compared on that many."""
    groups: dict[int, list[str]] = {}
    for name, n in n_images.items():
        groups.setdefault(n, []).append(name)
    return groups


def note_on_memory(
    comparison: ComparisonConfig, hidden: Sequence[HiddenLayer], n_images: Mapping[str, int]
) -> tuple[str, ...]:
    """Return what to say where comparing the layers takes more than `--memory`, whatever is done.

    Moments are as many numbers as a layer is wide, squared: no bound makes them fewer.
    """
    activations = activation_bytes(hidden, n_images)
    held = activations if activations <= reference_memory(comparison) else 0
    groups = by_count(n_images)
    least = sum(budget_of(comparison, hidden, n, names).least for n, names in groups.items())
    least += held
    if least <= memory_of(comparison):
        return ()
    layout = check_layout(comparison.layout)
    width, widest = max((rows_and_width(layer.shape, layout)[1], layer.name) for layer in hidden)
    enough = math.ceil(10 * least / _GIB) / 10
    return (
        f"--memory {comparison.memory:g} can't be kept to: comparing the layers takes up to "
        f"{enough:.1f} GiB, for their moments alone (the widest is {widest!r}, of {width:,} "
        f"columns). They are compared all the same; --memory {enough:.1f} is the least that is "
        "kept to.",
    )


def shares_of_memory(
    comparison: ComparisonConfig,
    hidden: Sequence[HiddenLayer],
    n_images: Mapping[str, int],
    memory: int,
    *,
    pairings: int = STREAMED_PERMUTATIONS,
) -> dict[int, int]:
    """Return number of images -> bytes for the layers that are compared on that many.

    `pairings` are those of images at random whose moments are held.
    Each group gets the least that it takes, and of the rest as much as all its blocks take, or
    the same share of that where `memory` is too small for all; what is over goes to all alike.
    """
    budgets = {n: budget_of(comparison, hidden, n, names, pairings)
               for n, names in by_count(n_images).items()}  # fmt: skip
    least = {n: budget.least for n, budget in budgets.items()}
    if sum(least.values()) > memory:
        return dict.fromkeys(least, memory // len(least))
    more = {n: max(0, budget.wanted - least[n]) for n, budget in budgets.items()}
    room = memory - sum(least.values())
    asked = sum(more.values())
    part = min(1.0, room / asked) if asked else 0.0
    over = max(0, room - asked) // len(least)
    return {n: least[n] + int(part * more[n]) + over for n in least}


def budget_of(
    comparison: ComparisonConfig,
    hidden: Sequence[HiddenLayer],
    n: int,
    names: Sequence[str],
    pairings: int = STREAMED_PERMUTATIONS,
) -> Budget:
    """Return what comparing some layers on `n` images takes, each with its namesake."""
    basis_free = all(find_measure(name).is_basis_free for name in comparison.measures)
    widths = {}
    for layer in hidden:
        if layer.name not in names:
            continue
        rows, width = rows_and_width(layer.shape, check_layout(comparison.layout))
        for side in "ab":
            widths[Key(side, layer.name)] = min(width, n * rows) if basis_free else width
    pairs = [(Key("a", name), Key("b", name)) for name in names]
    return Budget(pairs, widths, pairings, 0)
