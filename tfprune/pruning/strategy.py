"""What a pruning strategy is: scores, the unit that they score, and what it may look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

import numpy as np

from tfprune.config.words import SCORED, Scored
from tfprune.errors import InputError, check_kind
from tfprune.pruning.kernels import (
    WEIGHT,
    Array,
    Arrays,
    Mask,
    Masks,
    PrunableTensor,
    Unit,
    check_shapes,
)
from tfprune.pruning.strategies import STRATEGIES

MaskHook: TypeAlias = Callable[[Masks], Arrays]


@dataclass(frozen=True, kw_only=True)
class PruningContext:
    """What a strategy may look at when a level ends. Arrays are keyed by layer, never written to.

    `weights` are the trained values, `masks` the current ones (True = kept), `initial` the values
    at initialisation (theta_0), `rewind` those at the rewind step (theta_k). The hooks evaluate at
    `weights` under the masks that they are given and return arrays shaped like the kernels:

    - `gradients(masks)`: dL/dw of the training loss
    - `hessian_gradient(masks)`: H g, the Hessian of the loss times its gradient
    - `synflow(masks)`: w * dR/dw of the data-free objective R of Tanaka et al. (2020)

    `accumulated_movement` is -sum_t w_t * dL/dw_t over the level's steps (Sanh et al. 2020).
    `activations()` and `norm_scales` give one value per filter: the mean absolute activation and
    the batch-norm scale |gamma| (depthwise: channel `in * multiplier + m`).

    Raises InputError when weights, masks and tensors do not name the same layers and shapes.

    >>> tensor = PrunableTensor("fc", "dense", (2, 3))
    >>> zeros, kept = np.zeros((2, 3)), np.ones((2, 3), bool)
    >>> context = PruningContext(tensors=(tensor,), weights={"fc": zeros}, masks={"fc": kept})
    >>> context.level, context.initial
    (1, None)
    """

    tensors: tuple[PrunableTensor, ...]
    weights: Arrays
    masks: Masks
    seed: int = 0
    level: int = 1
    initial: Arrays | None = None
    rewind: Arrays | None = None
    gradients: MaskHook | None = None
    hessian_gradient: MaskHook | None = None
    synflow: MaskHook | None = None
    activations: Callable[[], Arrays] | None = None
    accumulated_movement: Arrays | None = None
    norm_scales: Arrays | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", tuple(self.tensors))
        if not self.tensors:
            raise InputError(
                "the model has no prunable layer: expected at least one conv or dense."
            )
        check_shapes(self.weights, self.tensors, what="weights")
        check_shapes(self.masks, self.tensors, what="masks")
        for name, mask in self.masks.items():
            if mask.dtype != np.bool_:
                raise InputError(
                    f"mask of {name!r}: expected dtype bool (True = kept), got {mask.dtype}."
                )

    @property
    def rng(self) -> np.random.Generator:
        """A fresh generator that depends on seed and level only: the same at every access."""
        return np.random.default_rng([self.seed, self.level])


#: the optional fields of a context
NEEDS = frozenset(f.name for f in fields(PruningContext) if f.default is None)

Scores: TypeAlias = dict[str, Array]
Scorer: TypeAlias = Callable[[PruningContext, Sequence[PrunableTensor]], Scores]


@dataclass(frozen=True, kw_only=True)
class Strategy:
    """One criterion. `score(context, tensors)` rates the units of those tensors: larger = kept.

    Scores have the kernel's shape (unit weight) or one value per unit, and are finite wherever a
    unit survives. `needs` names the optional fields of `PruningContext` that it reads. `rounds`
    above 1 removes in that many steps, scoring anew after each, with the density falling
    exponentially. `floor` and `protect` belong to patterns: how many units of a tensor can never
    go, and which they are. `scored` says of which state the paper takes its scores, and counts
    where the configuration leaves it at `auto`: 'trained', or 'rewound' for pruning before
    training (the state that survivors are set back to). A package offers its own through the entry
    point group `tfprune.strategies`, as a function that returns it.

    >>> def distance(context, tensors):
    ...     return {t.name: abs(context.weights[t.name] - context.initial[t.name]) for t in tensors}
    >>> strategy = Strategy(
    ...     name="distance", score=distance, paper="an example", needs=frozenset({"initial"})
    ... )
    >>> strategy.unit.name, strategy.scored
    ('weight', 'trained')
    """

    name: str
    score: Scorer
    paper: str
    unit: Unit = WEIGHT
    needs: frozenset[str] = frozenset()
    rounds: int = 1
    scored: Scored = "trained"
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
        if self.scored not in SCORED:
            raise InputError(
                f"strategy {self.name!r}: scored is 'trained' or 'rewound'; got {self.scored!r}."
            )
        if (self.floor is None) != (self.protect is None):
            raise InputError(f"strategy {self.name!r}: give floor and protect together.")


def load_strategy(spec: str) -> Strategy:
    """Return the strategy for a name, with options behind a colon: `n-m:n=1,m=4`.

    Raises InputError for an unknown name (with the nearest), an option that the strategy does not
    have, or a value that is not a number.

    >>> snip = load_strategy("snip:rounds=10")
    >>> snip.rounds, snip.scored, sorted(snip.needs)
    (10, 'rewound', ['gradients'])
    """
    check_kind(spec, str, "a strategy's name, with options as in 'n-m:n=2,m=4'")
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
