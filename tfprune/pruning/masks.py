"""The next level's masks: exactly so many of the smallest scores go, none of them sorted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tfprune.errors import InputError, RunError
from tfprune.pruning.amounts import Group, Rates, Stock, plan, unit_rates
from tfprune.pruning.kernels import Array, Mask, Masks, PrunableTensor, count_kept
from tfprune.pruning.strategy import PruningContext, Scores, Strategy, load_strategy


class EmptiedLayerError(InputError):
    """A layer would lose its last weights; `fact` says which and when, without the advice."""

    def __init__(self, fact: str, advice: str) -> None:
        self.fact = fact
        super().__init__(f"{fact} {advice}")


def prune(
    context: PruningContext,
    *,
    strategy: str | Strategy = "magnitude",
    scope: str = "global",
    rates: Rates | float = 0.2,
    allow_empty: bool = False,
) -> dict[str, Mask]:
    """Masks of the next level, layer -> bool array (True = kept), in model order.

    Of each ranked group (`amounts.plan`) exactly floor(rate * n_surviving) units go, those with
    the smallest scores; ties go in layer order, then by flat index. A unit is a weight, or the
    filter or block that a structured strategy removes whole. Masks only ever shrink. The output
    layer keeps all its filters, and a pattern strategy stops at its pattern. All arrays are new.

    Raises InputError when the strategy needs something that the context lacks, when the rates do
    not suit model or scope, and when a layer would lose its last weight (unless `allow_empty`);
    RunError when a score is not finite.

    >>> from tfprune.pruning.kernels import full_masks
    >>> tensors = (PrunableTensor("fc", "dense", (2, 3)),)
    >>> weights = {"fc": np.array([[0.1, -0.9, 0.5], [0.3, -0.2, 0.8]])}
    >>> context = PruningContext(tensors=tensors, weights=weights, masks=full_masks(tensors))
    >>> prune(context, rates=0.5)["fc"].astype(int)
    array([[0, 1, 1],
           [0, 0, 1]])
    """
    if isinstance(strategy, str):
        strategy = load_strategy(strategy)
    if not isinstance(rates, Rates):
        rates = Rates.uniform(rates)
    for need in sorted(strategy.needs):
        if getattr(context, need) is None:
            raise InputError(
                f"strategy {strategy.name!r} needs {need!r}, which the context does not hold: "
                f"pass PruningContext({need}=...), or choose another strategy."
            )
    by_layer = unit_rates(context.tensors, rates=rates, strategy=strategy)
    groups = plan(_stocks(context, strategy), rates=by_layer, scope=scope)
    pool = tuple(t for t in context.tensors if by_layer[t.name] > 0)
    masks: dict[str, Mask] = {t.name: context.masks[t.name] for t in context.tensors}
    for step in range(1, strategy.rounds + 1):
        current = replace(context, masks=masks)
        scores = _checked(strategy.score(current, pool), pool, masks, strategy)
        masks = masks | _remove(groups, scores, current, strategy, step=step, start=context.masks)
    if not allow_empty:
        _refuse_empty(context, masks, strategy, scope)
    untouched = {name for name, mask in masks.items() if mask is context.masks[name]}
    return {name: mask.copy() if name in untouched else mask for name, mask in masks.items()}


def _stocks(context: PruningContext, strategy: Strategy) -> list[Stock]:
    unit = strategy.unit
    return [
        Stock(t, unit.count(t), int(np.count_nonzero(unit.survivors(context.masks[t.name], t))))
        for t in context.tensors
    ]


def _remove(
    groups: Sequence[Group],
    scores: Scores,
    context: PruningContext,
    strategy: Strategy,
    *,
    step: int,
    start: Masks,
) -> dict[str, Mask]:
    """Masks of the groups' layers after round `step`, counted from the masks at the `start`."""
    tensors = {t.name: t for t in context.tensors}
    unit = strategy.unit
    result: dict[str, Mask] = {}
    for group in groups:
        members = [tensors[name] for name in group.names]
        eligible = [unit.survivors(context.masks[t.name], t) for t in members]
        n_now = sum(int(np.count_nonzero(flags)) for flags in eligible)
        n_start = sum(int(np.count_nonzero(unit.survivors(start[t.name], t))) for t in members)
        n_kept = _kept_after(n_start, group.n_remove, step=step, rounds=strategy.rounds)
        ranked = [scores[t.name] for t in members]
        if strategy.protect is not None:
            eligible = [
                flags & ~strategy.protect(score, flags, t)
                for score, flags, t in zip(ranked, eligible, members, strict=True)
            ]
        n_free = sum(int(np.count_nonzero(flags)) for flags in eligible)
        removed = smallest(ranked, eligible, count=min(n_now - n_kept, n_free))
        for tensor, flags in zip(members, removed, strict=True):
            np.logical_not(flags, out=flags)
            result[tensor.name] = context.masks[tensor.name] & unit.expand(flags, tensor)
    return result


def _kept_after(n_start: int, n_remove: int, *, step: int, rounds: int) -> int:
    """Units kept after a round: n * density^(step / rounds), exact at the last (Tanaka 2020)."""
    n_final = n_start - n_remove
    if step == rounds or n_remove == 0:
        return n_final
    return max(n_final, round(n_start * math.pow(n_final / n_start, step / rounds)))


def _checked(
    scores: Scores, pool: Sequence[PrunableTensor], masks: Masks, strategy: Strategy
) -> Scores:
    unit = strategy.unit
    for tensor in pool:
        score = scores.get(tensor.name)
        flags = unit.survivors(masks[tensor.name], tensor)
        if score is None or score.shape != flags.shape:
            got = "nothing" if score is None else f"shape {score.shape}"
            raise InputError(
                f"strategy {strategy.name!r} must score every {unit.name} of {tensor.name!r}: "
                f"expected shape {flags.shape}, got {got}."
            )
        finite = np.isfinite(score)
        if not finite.all() and not finite[flags].all():
            n_bad = int(np.count_nonzero(~finite[flags]))
            raise RunError(
                f"strategy {strategy.name!r}: {n_bad} of {int(np.count_nonzero(flags))} scores of "
                f"{tensor.name!r} are not finite: the training has diverged, or "
                f"the criterion overflowed. Lower the learning rate, or choose another strategy."
            )
    return scores


def _refuse_empty(
    context: PruningContext, masks: Mapping[str, Mask], strategy: Strategy, scope: str
) -> None:
    before, after = count_kept(context.masks), count_kept(masks)
    emptied = [name for name, n in after.items() if n == 0 and before[name] > 0]
    if emptied:
        listed = ", ".join(f"{name!r} (its last {before[name]} weights)" for name in emptied)
        raise EmptiedLayerError(
            f"level {context.level} would empty {listed} with strategy {strategy.name!r} and scope "
            f"{scope!r}: no signal would pass.",
            "Use scope 'layer', lower the rate, or exclude the layer.",
        )


def first_emptied(
    context: PruningContext, *, levels: int, strategy: Strategy, scope: str, rates: Rates
) -> tuple[int, tuple[str, ...]] | None:
    """Return the first of `levels` at which layers would lose their last weights, and which do.

    If the weights stayed those of the context, that is; None where none would. Only strategies
    that look at weights alone can be asked. Where no layer is emptied it costs one pruning, of the
    shares of all levels together.

    >>> tensors = (PrunableTensor("a", "dense", (1, 2)), PrunableTensor("b", "dense", (1, 2)))
    >>> weights = {"a": np.array([[1.0, 2.0]]), "b": np.array([[0.1, 3.0]])}
    >>> kept = {name: np.ones((1, 2), bool) for name in "ab"}
    >>> context = PruningContext(tensors=tensors, weights=weights, masks=kept)
    >>> strategy, rates = load_strategy("magnitude"), Rates.uniform(0.5)
    >>> first_emptied(context, levels=2, strategy=strategy, scope="global", rates=rates)
    (2, ('a',))
    """
    before = count_kept(context.masks)

    def emptied(masks: Mapping[str, Mask]) -> tuple[str, ...]:
        return tuple(name for name, n in count_kept(masks).items() if n == 0 and before[name])

    def pruned(context: PruningContext, rates: Rates) -> dict[str, Mask]:
        return prune(context, strategy=strategy, scope=scope, rates=rates, allow_empty=True)

    by_layer = rates.resolve(context.tensors)
    together = Rates(
        layers={name: 1 - (1 - rate) ** levels for name, rate in by_layer.items()},
        exclude=rates.exclude,
    )
    if not emptied(pruned(context, together)):
        return None
    for level in range(1, levels + 1):
        masks = pruned(context, rates)
        if found := emptied(masks):
            return level, found
        context = replace(context, masks=masks, level=level + 1)
    return None


CHUNK = 1 << 20


def smallest(scores: Sequence[Array], eligible: Sequence[Mask], *, count: int) -> list[Mask]:
    """Return, per array, where the `count` smallest eligible scores of all arrays lie.

    Among equal scores the earlier array goes first, then the lower flat (C-order) index: the
    result of a stable argsort over the concatenated scores. It costs one partition of one copy of
    the eligible scores instead: time O(n), memory that copy and two booleans per score.
    `count` must not exceed the number of eligible scores; scores must not be NaN.
    """
    n_eligible = [int(np.count_nonzero(flags)) for flags in eligible]
    if not 0 <= count <= sum(n_eligible):
        raise ValueError(f"count={count} of {sum(n_eligible)} eligible scores")
    if count == 0:
        return [np.zeros(flags.shape, dtype=np.bool_) for flags in eligible]
    pool = np.empty(sum(n_eligible), dtype=np.result_type(*(score.dtype for score in scores)))
    start = 0
    for score, flags, n in zip(scores, eligible, n_eligible, strict=True):
        if score.dtype == pool.dtype:
            np.compress(flags.ravel(), score.ravel(), out=pool[start : start + n])
        else:  # compress does not convert
            pool[start : start + n] = score[flags]
        start += n
    pool.partition(count - 1)
    threshold = pool[count - 1]
    n_ties = count - int(np.count_nonzero(pool[:count] < threshold))
    del pool
    chosen = []
    for score, flags in zip(scores, eligible, strict=True):
        below = score < threshold
        below &= flags
        if n_ties:
            ties = np.equal(score, threshold, order="C")
            ties &= flags
            n_ties -= _keep_first(ties, n_ties)
            below |= ties
        chosen.append(below)
    return chosen


def _keep_first(flags: Mask, count: int) -> int:
    """Clear all but the first `count` True entries of `flags`; return how many are left."""
    flat = flags.reshape(-1)  # a view: flags is C-contiguous
    left = count
    for start in range(0, flat.size, CHUNK):
        chunk = flat[start : start + CHUNK]
        n_here = int(np.count_nonzero(chunk))
        if n_here > left:
            chunk[np.flatnonzero(chunk)[left:]] = False
            n_here = left
        left -= n_here
    return count - left
