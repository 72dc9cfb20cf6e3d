"""What the cells of a sweep are called without their seeds: their settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tfprune.sweeps.grid import label_of, name_of_setting, name_of_value

#: settings along which a setting is repeated, not changed
SEEDS = ("seed", "training.data_order_seed")
_COMPARISON = "comparison."


def names_of(settings: Mapping[str, Any]) -> tuple[str, str]:
    """Return what a cell is called without its seed: the setting, and how layers are compared.

    >>> names_of({"seed": 3, "pruning.strategy": "random", "comparison.layout": "mean"})
    ('strategy=random', 'layout=mean')
    """
    kept = {name: value for name, value in settings.items() if name not in SEEDS}
    ways = {name: value for name, value in kept.items() if name.startswith(_COMPARISON)}
    own = {name: value for name, value in kept.items() if name not in ways}
    return label_of(own) or "all cells", label_of(ways)


def varied(some: Sequence[Mapping[str, Any]], every: Sequence[Mapping[str, Any]]) -> str:
    """Return the settings of which some cells don't have all values that there are, and theirs.

    >>> grid = [{"epochs": e, "strategy": s, "seed": 0} for e in (1, 2, 5) for s in ("x", "y")]
    >>> varied(grid[:4], grid)
    'epochs=1,2'
    """
    parts = []
    for name in dict.fromkeys(name for cell in every for name in cell):
        if name in SEEDS or name.startswith(_COMPARISON):
            continue
        own, all_values = (
            list(dict.fromkeys(name_of_value(cell[name]) for cell in cells if name in cell))
            for cells in (some, every)
        )
        if len(own) < len(all_values):
            parts.append(f"{name_of_setting(name)}={','.join(own)}")
    return " ".join(parts)
