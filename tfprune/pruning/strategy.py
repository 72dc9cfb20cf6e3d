"""What a pruning strategy is: scores, the unit that they score, and what they need to know."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from tfprune.errors import InputError
from tfprune.pruning.strategies import STRATEGIES
from tfprune.pruning.tensors import Array, Mask, PrunableTensor, PruningContext
from tfprune.pruning.units import WEIGHT, Unit

Scores: TypeAlias = dict[str, Array]
Scorer: TypeAlias = Callable[[PruningContext, Sequence[PrunableTensor]], Scores]

NEEDS = frozenset(
    {
        "initial",
        "rewind",
        "gradients",
        "hessian_gradient",
        "synflow",
        "activations",
        "accumulated_movement",
        "norm_scales",
    }
)


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """One criterion. `score(context, tensors)` rates the units of those tensors: larger = kept.

    Scores have the kernel's shape (unit weight) or one value per unit, and are finite wherever a
    unit survives. `needs` names the optional fields of `PruningContext` that it reads. `rounds`
    above 1 removes in that many steps, scoring anew after each, with the density falling
    exponentially. `floor` and `protect` belong to patterns: how many units of a tensor can never
    go, and which they are. `scored` says of which state the paper takes its scores, and counts
    where the configuration leaves it at `auto`: 'trained', or 'rewound' for pruning before
    training (the state that survivors are set back to).
    """

    name: str
    score: Scorer
    paper: str
    unit: Unit = WEIGHT
    needs: frozenset[str] = frozenset()
    rounds: int = 1
    scored: Literal["trained", "rewound"] = "trained"
    floor: Callable[[PrunableTensor], int] | None = None
    protect: Callable[[Array, Mask, PrunableTensor], Mask] | None = None

    def __post_init__(self) -> None:
        unknown = self.needs - NEEDS
        if unknown:
            raise InputError(
                f"strategy {self.name!r} needs {sorted(unknown)}: expected names among "
                f"{', '.join(sorted(NEEDS))}."
            )
        if not isinstance(self.rounds, int) or self.rounds < 1:
            raise InputError(
                f"strategy {self.name!r}: rounds is a whole number from 1; got {self.rounds}."
            )
        if self.scored not in ("trained", "rewound"):
            raise InputError(
                f"strategy {self.name!r}: scored is 'trained' or 'rewound'; got {self.scored!r}."
            )
        if (self.floor is None) != (self.protect is None):
            raise InputError(f"strategy {self.name!r}: give floor and protect together.")


def load_strategy(spec: str) -> Strategy:
    """Return the strategy for a name, with options behind a colon: `n-m:n=1,m=4`.

    Raises InputError for an unknown name (with the nearest), an option that the strategy does not
    have, or a value that is not a number.
    """
    name, _, tail = spec.partition(":")
    factory = STRATEGIES.get(name)
    options: Mapping[str, Any] = dict(_option(name, item) for item in tail.split(",") if item)
    try:
        strategy = factory(**options)
    except TypeError as error:
        raise InputError(f"strategy {name!r} does not take {tail!r}: {error}.") from error
    if not isinstance(strategy, Strategy):
        raise InputError(
            f"strategy {name!r}: its entry point must be a function that returns a "
            f"tfprune.pruning.strategy.Strategy; it returned {type(strategy).__name__}."
        )
    return strategy


def _option(name: str, item: str) -> tuple[str, int | float]:
    key, _, value = item.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise InputError(f"strategy {name!r}: expected option=number, got {item!r}.") from None
    return key.strip(), int(number) if number.is_integer() else number
