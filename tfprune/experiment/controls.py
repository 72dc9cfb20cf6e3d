"""Siblings of a ticket at its sparsity, without which no claim about tickets stands.

Each trains as the ticket did, from other weights or under another mask, and is compared with
the same dense network (Frankle & Carbin 2019; Frankle et al. 2021; Su et al. 2020). Together they
take a ticket apart: shuffled-mask has its layers' sparsities but not the places, random-mask
neither, reinitialised its mask but not the weights, and sparse-scratch of all that the layers'
sparsities alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tfprune.config import CONTROLS
from tfprune.experiment.workbench import same_init_order, second_child_order
from tfprune.pruning.checks import check_counts, check_total
from tfprune.pruning.controls import (
    global_random_masks,
    random_masks,
    shuffled_filters,
    shuffled_masks,
)
from tfprune.pruning.kernels import count_kept, full_masks
from tfprune.training.state import TrainingState

if TYPE_CHECKING:
    from tfprune.experiment.replicate import Replicate
    from tfprune.training.evaluation import Evaluation

Masks = Mapping[str, np.ndarray]
_FRESH = 1_000_003  # offsets the seed of re-initialised weights from those of replicates


@dataclass(frozen=True, eq=False)
class TrainedControl:
    """A control after its training; the replicate holds its network until the next step."""

    control: str
    masks: Masks
    test: Evaluation
    validation: Evaluation | None


def _whole_filters(replicate: Replicate) -> bool:
    """Whether scattered zeros would be another pattern than the ticket's."""
    return replicate.plan.strategy.unit.name == "filter"


def _random(replicate: Replicate) -> Masks:
    if _whole_filters(replicate):  # filters differ in size: as many weights only within layers
        return _random_within_layers(replicate)
    return global_random_masks(replicate.masks, seed=replicate.seed)


def _random_within_layers(replicate: Replicate) -> Masks:
    if _whole_filters(replicate):
        return shuffled_filters(replicate.masks, replicate.prunable.tensors, seed=replicate.seed)
    return random_masks(replicate.masks, seed=replicate.seed)


def _shuffled(replicate: Replicate) -> Masks:
    return shuffled_masks(replicate.masks, seed=replicate.seed)


def _same(replicate: Replicate) -> Masks:
    return replicate.masks


RANDOM_CONTROL = "random-mask"
# control -> (its masks, whether its weights are drawn anew)
_MAKERS: dict[str, tuple[Callable[[Replicate], Masks], bool]] = {
    RANDOM_CONTROL: (_random, False),
    "shuffled-mask": (_shuffled, False),
    "reinitialised": (_same, True),
    "sparse-scratch": (_random_within_layers, True),
}
SAME_INIT_CONTROL = "same-init"  # of the dense network, not of a ticket
assert (*_MAKERS, SAME_INIT_CONTROL) == CONTROLS


def train_controls(
    replicate: Replicate, *, random_within_layers: bool = False
) -> Iterator[TrainedControl]:
    """Train the present level's controls one after the other, then put the ticket back.

    A control with the ticket's kind of start begins at the rewind state (at theta_0 when
    fine-tuning, which has none); a re-initialised one at newly drawn weights and step 0. Each
    trains to the same last step, and has exactly the ticket's number of weights: in every layer,
    or for random-mask in all of them together. `random_within_layers` draws that one within
    layers too, as runs of before did.
    """
    trainer, prunable = replicate.trainer, replicate.prunable
    kept = count_kept(replicate.masks)
    with set_aside(replicate):
        for control in replicate.plan.config.pruning.controls:
            if control == SAME_INIT_CONTROL:
                continue
            make, fresh = _MAKERS[control]
            if control == RANDOM_CONTROL and random_within_layers:
                make = _random_within_layers
            masks = make(replicate)
            if make is _random:
                check_total(masks, sum(kept.values()))
            else:
                check_counts(masks, kept)
            prunable.set_masks(masks)
            trainer.restore(_fresh(replicate) if fresh else replicate.start_state)
            trainer.train(on_steps=replicate.on_steps)
            yield _evaluated(replicate, control, masks)


@contextlib.contextmanager
def same_init(replicate: Replicate) -> Iterator[TrainedControl]:
    """Train the dense network again in another order, and lend it until the block ends.

    It has the dense network's initialisation (or given weights), validation split and schedule;
    order, augmentation and dropout differ from the first step on. What then differs between the
    two is the noise of training alone, which a pruned network must exceed before pruning is said
    to have changed it.
    """
    trainer, masks = replicate.trainer, full_masks(replicate.prunable.tensors)
    with set_aside(replicate):
        replicate.prunable.set_masks(masks)
        trainer.order_by(same_init_order(replicate.plan.config, seed=replicate.seed))
        trainer.restore(replicate.initial)
        trainer.train(on_steps=replicate.on_steps)
        yield _evaluated(replicate, SAME_INIT_CONTROL, masks)


def second_child(replicate: Replicate) -> list[np.ndarray]:
    """Train the present level again from the rewind step on, in another order; return its values.

    The state of step k, the masks and the schedule are the level's own; the order of the images,
    their augmentation and dropout differ from step k on: the second of the two children of
    Frankle et al. (2020, section 2), whose first is the level's network. Values are those of
    `network.variables`, in its order, pruned weights at 0. Where k lies within an epoch, the
    child goes on at that place of its own order of the images.
    """
    trainer, level = replicate.trainer, replicate.level
    with set_aside(replicate):
        trainer.order_by(
            second_child_order(replicate.plan.config, seed=replicate.seed, level=level)
        )
        trainer.restore(replicate.start_state)
        trainer.train(on_steps=replicate.on_steps)
        return [variable.numpy() for variable in replicate.network.variables]


@contextlib.contextmanager
def set_aside(replicate: Replicate) -> Iterator[None]:
    """Let others be trained in the replicate's place, by the whole schedule; then put it back."""
    trainer = replicate.trainer
    state, movement = trainer.state(), trainer.movement()
    trainer.hold_rate(None)
    try:
        yield
    finally:
        replicate.prunable.set_masks(replicate.masks)
        trainer.restore(state)
        trainer.set_movement(movement)
        replicate.hold_level()


def _evaluated(replicate: Replicate, control: str, masks: Masks) -> TrainedControl:
    trainer, validation = replicate.trainer, replicate.dataset.validation
    return TrainedControl(
        control=control,
        masks=masks,
        test=trainer.evaluate(replicate.dataset.test),
        validation=trainer.evaluate(validation) if len(validation) else None,
    )


def _fresh(replicate: Replicate) -> TrainingState:
    """Newly drawn weights with an untouched optimizer, other than those of any replicate."""
    from tfprune.training.state import fresh_variables

    values = fresh_variables(replicate.network, seed=replicate.seed + _FRESH)
    return TrainingState(0, values, replicate.initial.slots)
