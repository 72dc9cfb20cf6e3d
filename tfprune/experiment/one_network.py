"""One trained network, pruned and fine-tuned level by level by its own `fit`: no experiment.

Iterative magnitude pruning with fine-tuning (Han et al. 2015), or by any other strategy: a level
removes its share, trains on with the optimizer, loss and metrics that the model was compiled with,
and is checked. Nothing goes back: there is no rewinding, since a trained model holds no state to
go back to.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.data.feed import Feed
from tfprune.errors import InputError, RunError, reason
from tfprune.pruning.checks import (
    check_counts,
    check_monotone,
    check_pruned_are_zero,
    check_total,
)
from tfprune.pruning.kernels import count_kept
from tfprune.pruning.masks import EmptiedLayerError, prune
from tfprune.pruning.strategy import PruningContext, Strategy
from tfprune.results import SimilarityResult

if TYPE_CHECKING:
    from tfprune.experiment.followed import Comparer
    from tfprune.pruning.toward import Way
    from tfprune.training.masked import MaskedModel

_DIVERGED = "Give optimizer= with a lower learning rate, or look for nan in the examples."
_LESS = "Lower the sparsity, use scope 'layer', or exclude the layer"
_NOT_HELD = "which a trained model does not hold"
#: needs of strategies that can't be met here, and why
UNMET = {
    "initial": f"needs the weights at initialisation, {_NOT_HELD}",
    "rewind": f"needs the weights at a rewind step, {_NOT_HELD}",
    "accumulated_movement": f"accumulates movement from the start of training, {_NOT_HELD}",
    "hessian_gradient": "is defined by the cross-entropy of logits divided by a temperature, and "
    "the loss here is the model's own",
}


@dataclass(frozen=True)
class PrunedLevel:
    """One level of a network: what is left, and how it does; level 0 is the model as it came.

    sparsity: share of the prunable weights that are 0 by their masks, in [0, 1].
    metrics: loss and metrics by the names that the model gives them, on `split`.
    epochs: the same of every epoch of the level's training, with `val_` for validation.
    """

    level: int
    sparsity: float
    n_weights: int
    n_kept: int
    split: str
    metrics: Mapping[str, float]
    epochs: tuple[Mapping[str, float], ...] = ()
    layer_sparsity: Mapping[str, float] = field(default_factory=dict)
    similarities: tuple[SimilarityResult, ...] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Course:
    """How a network is taken through its levels.

    strategy, scope, way: what goes at each level. epochs: of `fit` at each. validation: what is
    evaluated; the training examples where there is none. context: returns what the strategy may
    look at, at a level. comparer: None compares nothing. tell: hears of a level before it trains.
    fit_arguments: what else `fit` is given.
    """

    strategy: Strategy
    scope: str
    way: Way
    train: Feed
    validation: Feed | None
    epochs: int
    batch_size: int
    context: Callable[[int], PruningContext]
    comparer: Comparer | None = None
    tell: Callable[[str], None] = lambda message: None
    fit_arguments: Mapping[str, Any] = field(default_factory=dict)


def levels_of(masked: MaskedModel, course: Course) -> Iterator[PrunedLevel]:
    """Yield every level of a network, the model as it came first.

    Raises InputError for what the strategy can't do at level 1, before anything is trained;
    RunError when a later level would empty a layer, when training diverges or fails, and where it
    moves pruned weights; InvariantError when a promise is broken.
    """
    yield _level(masked, course, 0, ())
    for level, rates in enumerate(course.way.rates, 1):
        before = masked.masks()
        try:
            masks = prune(
                course.context(level), strategy=course.strategy, scope=course.scope, rates=rates
            )
        except EmptiedLayerError as error:  # known only now
            if level == 1:  # nothing was trained
                raise InputError(f"{error.fact} {_LESS}.") from error
            reached = 1 - sum(count_kept(before).values()) / _n_weights(masked)
            raise RunError(
                f"{error.fact} {_LESS}. Level {level - 1} was reached, at sparsity {reached:.4f}: "
                f"sparsity={math.floor(1e4 * reached) / 1e4:g} with levels={level - 1} ends there."
            ) from error
        check_monotone(before, masks)
        _check_way(masked, course, masks, level)
        masked.set_masks(masks)
        n_kept, n_weights = sum(count_kept(masks).values()), _n_weights(masked)
        course.tell(
            f"Level {level} of {len(course.way.rates)}: {n_kept:,} of {n_weights:,} weights kept, "
            f"sparsity {1 - n_kept / n_weights:.1%}"
        )
        epochs = _fine_tuned(masked, course, level)
        masked.check_held()
        masked.apply_masks()
        check_counts(masked.masks(), count_kept(masks))
        check_pruned_are_zero(masked.weights(), masks)
        yield _level(masked, course, level, epochs)


def _n_weights(masked: MaskedModel) -> int:
    return sum(tensor.size for tensor in masked.tensors)


def _check_way(
    masked: MaskedModel, course: Course, masks: Mapping[str, np.ndarray], level: int
) -> None:
    """Raise InvariantError unless the masks keep what was foreseen, in the strategy's units."""
    unit, pruned = course.strategy.unit, course.way.rates[0].layers
    if unit.name == "weight":
        check_total(
            {name: mask for name, mask in masks.items() if name in pruned},
            course.way.n_kept[level],
        )
        return
    flags = {
        tensor.name: unit.survivors(masks[tensor.name], tensor)
        for tensor in masked.tensors
        if tensor.name in pruned
    }
    check_total(flags, course.way.n_kept[level])


def _fine_tuned(masked: MaskedModel, course: Course, level: int) -> tuple[dict[str, float], ...]:
    """Train the level; return loss and metrics of every epoch."""
    if course.epochs == 0:
        return ()
    import tensorflow as tf

    validation = course.validation
    given = dict(course.fit_arguments)
    if course.train.is_dataset:
        given["shuffle"] = False  # it has an order of its own, and Keras warns where it is not said
    if validation is not None:
        given["validation_data"] = validation.as_validation()
    try:
        with course.train.read(), nullcontext() if validation is None else validation.read():
            history = masked.model.fit(
                **course.train.arguments(course.batch_size), epochs=course.epochs, **given
            ).history
    except (ValueError, tf.errors.OpError) as error:
        raise RunError(f"fine-tuning at level {level} failed: {reason(error)}.") from error
    n_epochs = len(history.get("loss", ()))
    epochs = tuple(
        {name: float(np.asarray(values[place])) for name, values in history.items()
         if place < len(values)}
        for place in range(n_epochs)
    )  # fmt: skip
    bad = next((n for n, epoch in enumerate(epochs, 1) if not np.isfinite(epoch["loss"])), None)
    if bad is not None:
        raise RunError(
            f"fine-tuning diverged: the loss is {epochs[bad - 1]['loss']} in epoch {bad} of level "
            f"{level}. {_DIVERGED}"
        )
    if (name := masked.not_finite()) is not None:  # which a ReLU of oneDNN hides from the loss
        raise RunError(
            f"fine-tuning diverged: weight {name!r} is not finite (nan or infinite) after level "
            f"{level}. {_DIVERGED}"
        )
    return epochs


def _level(
    masked: MaskedModel, course: Course, level: int, epochs: Sequence[Mapping[str, float]]
) -> PrunedLevel:
    shown = course.validation if course.validation is not None else course.train
    masks = masked.masks()
    kept, sizes = count_kept(masks), {tensor.name: tensor.size for tensor in masked.tensors}
    n_kept, n_weights = sum(kept.values()), sum(sizes.values())
    return PrunedLevel(
        level=level,
        sparsity=1 - n_kept / n_weights,
        n_weights=n_weights,
        n_kept=n_kept,
        split="train" if course.validation is None else "validation",
        metrics=evaluated(masked.model, shown, batch_size=course.batch_size),
        epochs=tuple(epochs),
        layer_sparsity={name: 1 - kept[name] / sizes[name] for name in sizes},
        similarities=(
            ()
            if course.comparer is None
            else course.comparer.compare(level, tensors=masked.tensors, masks=masks)
        ),
    )


def evaluated(model: Any, shown: Feed, *, batch_size: int) -> dict[str, float]:
    """Return a model's loss and metrics on examples, by the names that it gives them."""
    with shown.read():
        found = model.evaluate(**shown.arguments(batch_size), verbose=0, return_dict=True)
    return {name: float(np.asarray(value)) for name, value in found.items() if np.ndim(value) == 0}
