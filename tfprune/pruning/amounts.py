"""How much goes per level, and where: rates by kind or name, and how a scope shares them out.

Imports no NumPy.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING

from tfprune.config.words import SCOPES
from tfprune.errors import InputError, nearest, unknown_name

if TYPE_CHECKING:
    from tfprune.pruning.kernels import PrunableTensor
    from tfprune.pruning.strategy import Strategy


@dataclass(frozen=True)
class Rates:
    """Share of the *surviving* weights that one level removes, each in [0, 1).

    `conv` holds for convolutions of all kinds, `dense` for dense layers, `output` for the output
    layer (None: as its kind; Frankle & Carbin 2019 take half the fully-connected rate). `layers`
    overrides by layer name, `exclude` names layers that are never pruned; both take shell patterns
    (`stage1_*`), and an exact name wins over a pattern, a later pattern over an earlier one.
    Raises InputError when a share is outside [0, 1).

    >>> from tfprune.pruning.kernels import PrunableTensor
    >>> layers = [PrunableTensor("c1", "conv", (3, 3, 1, 8)), PrunableTensor("fc", "dense", (8, 9))]
    >>> Rates(conv=0.1, layers={"fc*": 0.5}).resolve(layers)
    {'c1': 0.1, 'fc': 0.5}
    """

    conv: float = 0.2
    dense: float = 0.2
    output: float | None = None
    layers: Mapping[str, float] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", dict(self.layers))
        object.__setattr__(self, "exclude", tuple(self.exclude))
        shares = {"conv": self.conv, "dense": self.dense}
        if self.output is not None:
            shares["output"] = self.output
        shares |= {f"layer {name!r}": share for name, share in self.layers.items()}
        for where, share in shares.items():
            if not 0 <= share < 1:  # false for NaN too
                raise InputError(
                    f"pruning rate for {where}: expected a share of the surviving weights "
                    f"in [0, 1), got {share}."
                )

    @classmethod
    def uniform(cls, fraction: float) -> Rates:
        """Return the rates that remove the same share from every layer."""
        return cls(conv=fraction, dense=fraction)

    def resolve(self, tensors: Sequence[PrunableTensor]) -> dict[str, float]:
        """Return layer -> rate in model order; an excluded layer has rate 0.

        Raises InputError when `layers` or `exclude` names a layer that the model does not prune.
        """
        names = [tensor.name for tensor in tensors]
        chosen: dict[str, float] = {}
        exact = {_composed(name) for name in names}
        for pattern in sorted(self.layers, key=lambda key: _composed(key) in exact):  # these last
            for name in _matches(pattern, names):
                chosen[name] = self.layers[pattern]
        for pattern in self.exclude:
            for name in _matches(pattern, names):
                chosen[name] = 0.0
        return {t.name: chosen.get(t.name, self._by_kind(t)) for t in tensors}

    def _by_kind(self, tensor: PrunableTensor) -> float:
        if tensor.is_output and self.output is not None:
            return self.output
        return self.dense if tensor.kind == "dense" else self.conv


def removal_count(n: int, fraction: float) -> int:
    """Return floor(fraction * n), with the fraction read as the decimal that it prints as.

    In binary floating point 0.29 * 100 is 28.999999999999996; here it is 29.

    >>> removal_count(100, 0.29)
    29
    """
    return int(Fraction(repr(float(fraction))) * n)


def _matches(pattern: str, names: Sequence[str]) -> list[str]:
    asked = _composed(pattern)
    same = [name for name in names if _composed(name) == asked]
    found = same or [name for name in names if fnmatchcase(_composed(name), asked)]
    if found:
        return found
    close = nearest(pattern, names)
    hint = f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else "."
    listed = f" Prunable layers: {', '.join(names)}." if len(names) <= 40 else ""
    raise InputError(f"model has no prunable layer {pattern!r}{hint}{listed}")


def _composed(name: str) -> str:
    """Return a name with letters and their accents as one: keyboards and files differ in that."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True)
class Group:
    """Layers whose units are ranked together, and how many of them go."""

    names: tuple[str, ...]
    n_remove: int


@dataclass(frozen=True)
class Stock:
    """A layer's prunable units: how many it was built with, and how many survive."""

    tensor: PrunableTensor
    n_units: int
    n_surviving: int


def plan(stocks: Sequence[Stock], *, rates: Mapping[str, float], scope: str) -> list[Group]:
    """Return the groups to rank and how many units each loses, for one level.

    - `layer`: floor(rate * surviving) per layer.
    - `global`: floor(rate * surviving) over all layers with a rate above 0, which must agree.
    - `uniform`, `erk`: the same total as `global`, split so that each layer *keeps* a share of the
      total in proportion to its size (uniform) or to the sum of its shape (ERK: density is in
      proportion to (in + out + h + w) / (in * out * h * w), Evci et al. 2020, section 3). A layer
      never gets more than its survivors; what it can't take the others share. Remainders go to
      the largest fractional parts, ties in layer order.

    Raises InputError for an unknown scope, and for unequal rates where one rate is ranked.
    """
    if scope not in SCOPES:
        raise unknown_name("scope", scope, SCOPES)
    pool = [stock for stock in stocks if rates[stock.tensor.name] > 0]
    if scope == "layer":
        return [
            Group((s.tensor.name,), removal_count(s.n_surviving, rates[s.tensor.name]))
            for s in pool
        ]
    if not pool:
        return []
    different = {rates[stock.tensor.name] for stock in pool}
    if len(different) > 1:
        listed = ", ".join(f"{s.tensor.name}={rates[s.tensor.name]:g}" for s in pool)
        raise InputError(
            f"scope {scope!r} takes one rate for all layers that it prunes (0 leaves a layer out); "
            f"got {listed}. Use scope 'layer', or give all layers one rate."
        )
    n_surviving = sum(stock.n_surviving for stock in pool)
    n_remove = removal_count(n_surviving, different.pop())
    if scope == "global":
        return [Group(tuple(s.tensor.name for s in pool), n_remove)]
    kept = share_out(
        n_surviving - n_remove,
        weights=[_share(stock, scope) for stock in pool],
        caps=[stock.n_surviving for stock in pool],
    )
    return [Group((s.tensor.name,), s.n_surviving - n) for s, n in zip(pool, kept, strict=True)]


def _share(stock: Stock, scope: str) -> Fraction:
    if scope == "uniform":
        return Fraction(stock.n_units)
    return Fraction(sum(stock.tensor.shape) * stock.n_units, stock.tensor.size)


def share_out(total: int, *, weights: Sequence[Fraction], caps: Sequence[int]) -> list[int]:
    """Return integers that sum to `total`, in proportion to `weights`, none above its cap.

    Exact rational arithmetic. `total` must not exceed the sum of the caps.
    """
    shares = [Fraction(0)] * len(caps)
    free = set(range(len(caps)))
    left = total
    while free:
        scale = Fraction(left) / sum(weights[i] for i in free)
        capped = [i for i in free if scale * weights[i] >= caps[i]]
        if not capped:
            for i in free:
                shares[i] = scale * weights[i]
            break
        for i in capped:
            shares[i] = Fraction(caps[i])
            left -= caps[i]
            free.remove(i)
    counts = [int(share) for share in shares]
    by_remainder = sorted(range(len(caps)), key=lambda i: (counts[i] - shares[i], i))
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def unit_rates(
    tensors: Sequence[PrunableTensor], *, rates: Rates, strategy: Strategy
) -> dict[str, float]:
    """Return layer -> rate for this strategy: 0 for an output layer that it spares."""
    resolved = rates.resolve(tensors)
    if strategy.unit.spares_output:
        resolved |= {t.name: 0.0 for t in tensors if t.is_output}
    return resolved
