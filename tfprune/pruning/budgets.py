"""Where a level's removals fall: ranked across layers, per layer, or by a layer budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tfprune.errors import InputError, unknown_name
from tfprune.pruning.rates import removal_count
from tfprune.pruning.tensors import PrunableTensor

SCOPES = {
    "global": "all weights ranked together, one rate",
    "layer": "each layer ranked alone, at its own rate",
    "uniform": "one rate overall, every layer brought to the same density",
    "erk": "one rate overall, densities by Erdős-Rényi-Kernel (Evci et al. 2020)",
}


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
