"""What pruning will leave, level by level, before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tfprune.errors import InputError
from tfprune.pruning.amounts import Rates, Stock, plan, removal_count, unit_rates
from tfprune.pruning.kernels import PrunableTensor, Unit
from tfprune.pruning.strategy import Strategy, load_strategy


@dataclass(frozen=True)
class LayerProjection:
    """One layer: its rate, and the units that it keeps at levels 0 (dense), 1, 2, ...

    `n_kept` is None under scope `global`, where it depends on the trained weights.
    """

    tensor: PrunableTensor
    rate: float
    n_units: int
    n_kept: tuple[int, ...] | None

    def density(self, level: int) -> float | None:
        """Share of the layer's units kept at that level, in [0, 1]."""
        return None if self.n_kept is None else self.n_kept[level] / self.n_units


@dataclass(frozen=True)
class Projection:
    """The layers in model order, and the units kept in all at every level.

    `unit` is what is counted (`unit.name`: weight, filter, block). `emptied` lists (layer, first
    level) that would have nothing left: pruning refuses that level. `note` says what can't be
    projected.
    """

    unit: Unit
    scope: str
    layers: tuple[LayerProjection, ...]
    n_kept: tuple[int, ...]
    emptied: tuple[tuple[str, int], ...]
    note: str

    def density(self, level: int) -> float:
        """Share of all units kept at that level, in [0, 1]."""
        return self.n_kept[level] / self.n_kept[0]

    def weight_density(self, level: int) -> float | None:
        """Share of all *weights* kept at that level; None when it can't be known beforehand.

        Exact for weights and filters, approximate for blocks where a kernel's edge cuts some.
        """
        if self.unit.name == "weight":
            return self.density(level)
        kept = [layer.density(level) for layer in self.layers]
        sizes = [layer.tensor.size for layer in self.layers]
        weights = [d * n for d, n in zip(kept, sizes, strict=True) if d is not None]
        return sum(weights) / sum(sizes) if len(weights) == len(sizes) else None


def project(
    tensors: Sequence[PrunableTensor],
    *,
    levels: int,
    strategy: str | Strategy = "magnitude",
    scope: str = "global",
    rates: Rates | float = 0.2,
) -> Projection:
    """Counts that `masks.prune` will arrive at, level by level, from the dense network on.

    The same integer recursion as pruning's: what is projected is what happens, to the unit. Under
    scope `global` only the total can be known before training.

    Raises InputError as `masks.prune` does for scope and rates, and for levels below 1.

    >>> project([PrunableTensor("fc", "dense", (10, 10))], levels=3, rates=0.2).n_kept
    (100, 80, 64, 52)
    """
    if levels < 1:
        raise InputError(f"levels is a whole number from 1; got {levels}.")
    if isinstance(strategy, str):
        strategy = load_strategy(strategy)
    by_layer = unit_rates(
        tensors,
        rates=rates if isinstance(rates, Rates) else Rates.uniform(rates),
        strategy=strategy,
    )
    sizes = {t.name: strategy.unit.count(t) for t in tensors}
    floors = {t.name: strategy.floor(t) if strategy.floor else 0 for t in tensors}
    if scope == "global":
        kept_by_layer = None
        totals = _global_totals(tensors, sizes, floors, by_layer, levels)
    else:
        kept_by_layer = _recursion(tensors, sizes, floors, by_layer, levels, scope)
        totals = [sum(counts) for counts in zip(*kept_by_layer.values(), strict=True)]
    layers = tuple(
        LayerProjection(
            tensor=t,
            rate=by_layer[t.name],
            n_units=sizes[t.name],
            n_kept=None if kept_by_layer is None else tuple(kept_by_layer[t.name]),
        )
        for t in tensors
    )
    emptied = tuple(
        (layer.tensor.name, layer.n_kept.index(0))
        for layer in layers
        if layer.n_kept is not None and 0 in layer.n_kept
    )
    return Projection(
        unit=strategy.unit,
        scope=scope,
        layers=layers,
        n_kept=tuple(totals),
        emptied=emptied,
        note=""
        if kept_by_layer
        else "scope 'global' ranks all layers together: the density of a single layer depends on "
        "the trained weights; only the total is known before training.",
    )


def _recursion(
    tensors: Sequence[PrunableTensor],
    sizes: dict[str, int],
    floors: dict[str, int],
    rates: dict[str, float],
    levels: int,
    scope: str,
) -> dict[str, list[int]]:
    kept = {name: [size] for name, size in sizes.items()}
    for _ in range(levels):
        stocks = [Stock(t, sizes[t.name], kept[t.name][-1]) for t in tensors]
        removed = {g.names[0]: g.n_remove for g in plan(stocks, rates=rates, scope=scope)}
        for name, counts in kept.items():
            n_free = counts[-1] - floors[name]
            counts.append(counts[-1] - min(removed.get(name, 0), n_free))
    return kept


def _global_totals(
    tensors: Sequence[PrunableTensor],
    sizes: dict[str, int],
    floors: dict[str, int],
    rates: dict[str, float],
    levels: int,
) -> list[int]:
    stocks = [Stock(t, sizes[t.name], sizes[t.name]) for t in tensors]
    groups = plan(stocks, rates=rates, scope="global")  # refuses rates that differ
    names = groups[0].names if groups else ()
    n_floor = sum(floors[name] for name in names)
    n_pool = sum(sizes[name] for name in names)
    n_rest = sum(sizes.values()) - n_pool
    totals = [n_rest + n_pool]
    for _ in range(levels):
        if names:
            n_pool -= min(removal_count(n_pool, rates[names[0]]), n_pool - n_floor)
        totals.append(n_rest + n_pool)
    return totals
