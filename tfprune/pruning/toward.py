"""The rates that lead to a sparsity in a number of levels, to the unit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from tfprune.errors import InputError
from tfprune.pruning.amounts import Rates, removal_count, unit_rates
from tfprune.pruning.kernels import PrunableTensor
from tfprune.pruning.strategy import Strategy


@dataclass(frozen=True)
class Way:
    """From the dense network to a sparsity, level by level.

    `rates` are those of levels 1, 2, ...; `n_kept` are the units that levels 0, 1, 2, ... keep of
    the layers that are pruned, in all.
    """

    rates: tuple[Rates, ...]
    n_kept: tuple[int, ...]


def way_toward(
    tensors: Sequence[PrunableTensor],
    *,
    sparsity: float,
    levels: int,
    strategy: Strategy,
    scope: str = "global",
    exclude: tuple[str, ...] = (),
) -> Way:
    """Return the rates by which `masks.prune` arrives at a sparsity after so many levels.

    sparsity: share of the strategy's units (weights, filters, blocks) that are removed in the end,
        in (0, 1), of all layers that are neither excluded nor spared by the strategy. Exactly
        floor(sparsity * n) go.
    levels: from 1. Every level removes the same share of what survives, up to rounding: of n units
        level l of L keeps n * (1 - sparsity)^(l / L).
    scope: `layer` counts so in every layer for itself, the others over all layers.

    Raises InputError for a sparsity or a number of levels out of range, for a level that would
    remove nothing, and for a pattern that ends before the sparsity.

    >>> from tfprune.pruning.strategy import load_strategy
    >>> tensors = [PrunableTensor("fc", "dense", (10, 100))]
    >>> way_toward(tensors, sparsity=0.9, levels=2, strategy=load_strategy("magnitude")).n_kept
    (1000, 316, 100)
    """
    check_amount(sparsity, levels)
    unit = strategy.unit
    pruned = unit_rates(tensors, rates=Rates(conv=0.5, dense=0.5, exclude=exclude),
                        strategy=strategy)  # fmt: skip
    pool = [tensor for tensor in tensors if pruned[tensor.name] > 0]
    if not pool:
        raise InputError(
            f"strategy {strategy.name!r} has no layer to prune: each of the {len(tensors)} with "
            "kernels is excluded or makes the output. Exclude fewer layers, or choose another "
            "strategy."
        )
    groups = [[tensor] for tensor in pool] if scope == "layer" else [pool]
    _check_pattern(groups, sparsity, strategy, scope)
    kept = [_kept(sum(unit.count(t) for t in group), sparsity, levels) for group in groups]
    totals = tuple(sum(counts) for counts in zip(*kept, strict=True))
    idle = next((n for n in range(1, levels + 1) if totals[n] == totals[n - 1]), None)
    if idle is not None:
        raise InputError(
            f"level {idle} of {levels} would remove nothing: {totals[idle]} of {totals[0]} "
            f"{unit.name}s are left, and sparsity {sparsity:g} leaves {totals[-1]}. Prune in fewer "
            "levels, or to a larger sparsity."
        )
    rates = tuple(
        Rates(
            conv=0.0,
            dense=0.0,
            layers={
                tensor.name: _rate(counts[level - 1], counts[level])
                for group, counts in zip(groups, kept, strict=True)
                for tensor in group
            },
        )
        for level in range(1, levels + 1)
    )
    return Way(rates, totals)


def check_amount(sparsity: float, levels: int) -> None:
    """Raise InputError unless a sparsity lies in (0, 1) and a number of levels is one from 1."""
    is_number = isinstance(sparsity, Real) and not isinstance(sparsity, bool)
    if not is_number or not 0 < sparsity < 1:  # false for NaN too
        raise InputError(
            "sparsity is the share of the prunable weights that are removed, above 0 and below 1; "
            f"got {sparsity!r}."
        )
    if not is_whole(levels, least=1):
        raise InputError(f"levels is a whole number from 1; got {levels!r}.")


def is_whole(value: object, *, least: int) -> bool:
    """Whether a value is a whole number, of Python or NumPy, and not below `least`."""
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least


def _kept(n_units: int, sparsity: float, levels: int) -> list[int]:
    """Return the units that levels 0, 1, ... keep of `n_units`."""
    final = n_units - removal_count(n_units, sparsity)
    steps = (round(n_units * (1 - sparsity) ** (level / levels)) for level in range(1, levels))
    return [n_units, *(min(n_units, max(final, step)) for step in steps), final]


def _rate(before: int, after: int) -> float:
    """Return a rate of which `removal_count` makes exactly `before - after`."""
    return 0.0 if before == after else (before - after + 0.5) / before


def _check_pattern(groups: Sequence[Sequence[PrunableTensor]], sparsity: float,
                   strategy: Strategy, scope: str) -> None:  # fmt: skip
    """Raise InputError where a pattern keeps more than the sparsity would leave."""
    if strategy.floor is None:
        return
    if scope not in ("global", "layer"):
        raise InputError(
            f"strategy {strategy.name!r} keeps a pattern in every layer, and scope {scope!r} gives "
            "each a share of its own. Use scope 'global' or 'layer'."
        )
    for group in groups:
        n_units = sum(strategy.unit.count(tensor) for tensor in group)
        n_floor = sum(strategy.floor(tensor) for tensor in group)
        if n_units - removal_count(n_units, sparsity) < n_floor:
            at_most = math.floor((1 - n_floor / n_units) * 10_000) / 10_000
            whose = repr(group[0].name) if scope == "layer" else "the layers that it prunes"
            raise InputError(
                f"strategy {strategy.name!r} keeps at least {n_floor} of the {n_units} "
                f"{strategy.unit.name}s of {whose}: a sparsity of {at_most:g} at most; got "
                f"{sparsity:g}. Lower the sparsity, exclude layers, or choose another strategy."
            )
