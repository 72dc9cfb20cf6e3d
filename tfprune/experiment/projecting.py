"""What pruning will leave at every level, refused where that is nothing or all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from tfprune.config import ConfigError, PruningConfig
from tfprune.pruning.projection import project

if TYPE_CHECKING:
    from tfprune.pruning.amounts import Rates
    from tfprune.pruning.kernels import PrunableTensor
    from tfprune.pruning.projection import Projection
    from tfprune.pruning.strategy import Strategy


def rates_of(pruning: PruningConfig) -> Rates:
    """Return the share of surviving weights that each layer loses at every level."""
    from tfprune.pruning.amounts import Rates

    def share(given: float | None) -> float:
        return pruning.fraction if given is None else given

    return Rates(
        conv=share(pruning.conv_fraction),
        dense=share(pruning.dense_fraction),
        output=pruning.output_fraction,
        layers=pruning.layer_fractions,
        exclude=pruning.exclude,
    )


def projected(
    pruning: PruningConfig, strategy: Strategy, tensors: Sequence[PrunableTensor]
) -> Projection:
    """Return what every level will keep; refuse rates that would empty a layer."""
    projection = project(
        tensors,
        levels=pruning.levels,
        strategy=strategy,
        scope=pruning.scope,
        rates=rates_of(pruning),
    )
    if projection.emptied:
        named = ", ".join(f"{layer!r} at level {level}" for layer, level in projection.emptied)
        raise ConfigError(
            "pruning.levels",
            f"{pruning.levels} levels would leave nothing of {named}. Prune fewer levels or a "
            "smaller share, or --exclude the layer.",
        )
    kept, unit = projection.n_kept, projection.unit.name
    if kept[1] == kept[0]:
        raise ConfigError(
            "pruning.exclude" if pruning.exclude else "pruning.fraction",
            f"level 1 would remove nothing of the {kept[0]} {unit}s. Raise --fraction, or exclude "
            "fewer layers.",
        )
    idle = next((n for n in range(1, len(kept)) if kept[n] == kept[n - 1]), None)
    if idle is not None and strategy.floor is None:
        raise ConfigError(
            "pruning.levels",
            f"level {idle} of {pruning.levels} would remove nothing: {kept[idle]} {unit}s are "
            f"left. Prune at most {idle - 1} levels, or a smaller share.",
        )
    return projection
