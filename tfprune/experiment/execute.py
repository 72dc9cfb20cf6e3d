"""The experiment itself: every replicate, every level, compared as soon as it is trained."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from tfprune.experiment.checkpoint import CheckpointFolder, Position
from tfprune.experiment.comparing import Reference, compare_with_reference, reference_memory
from tfprune.experiment.controls import (
    RANDOM_CONTROL,
    SAME_INIT_CONTROL,
    same_init,
    second_child,
    train_controls,
)
from tfprune.experiment.facts import overlaps_with
from tfprune.experiment.level import barriers, instability, level_result, ticket_facts
from tfprune.experiment.observer import Observer, Observers
from tfprune.experiment.on_device import device_moments
from tfprune.experiment.plan import Plan, normalization_of
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.seed_floor import DenseNetworks
from tfprune.experiment.shelf import Shelf
from tfprune.pruning.kernels import count_kept, full_masks
from tfprune.results import SAME_INIT, ControlResult, EpochResult, Ledger

if TYPE_CHECKING:
    from tfprune.training.trainer import EpochReport

DURABLE_SECONDS = 5.0  # at most this much work is lost to a power cut, none to a kill


class _EpochKeeper(Observer):
    """Enters every epoch into the ledger, once."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known = {(row.seed, row.level, row.epoch) for row in ledger.epochs}

    def epoch_finished(self, seed: int, level: int, report: EpochReport) -> None:
        if (seed, level, report.epoch) not in self._known:
            self._known.add((seed, level, report.epoch))
            row = EpochResult(seed=seed, level=level, **dataclasses.asdict(report))
            self._ledger.epochs.append(row)


def execute(
    plan: Plan,
    observer: Observer,
    *,
    checkpoints: CheckpointFolder | None = None,
    checkpoint_every: int = 1,
    before_checkpoint: Callable[[], object] = lambda: None,
) -> Ledger:
    """Run a checked experiment; return the records of all epochs, levels and layers.

    Side a of every comparison is the dense network. With several replicates the dense network
    of each seed is compared with those of all earlier ones too: the seed floor. With `checkpoints`
    the experiment goes on from the last one, and writes one every `checkpoint_every` epochs and
    at every level's end. `before_checkpoint` puts on the disk what a resumed run will not say
    again.
    """
    position, ledger = (checkpoints.load() if checkpoints else None) or (None, Ledger())
    watched = Observers(_EpochKeeper(ledger), observer)

    due = [0.0]  # when the next checkpoint waits for the disk

    def save(moment: Position) -> None:
        if checkpoints is None:
            return
        epoch = -(-moment.state.step // plan.steps_per_epoch)
        at_end = moment.state.step == plan.n_steps
        if epoch % checkpoint_every and not at_end:
            return
        durable = at_end or time.monotonic() >= due[0]
        if durable:
            before_checkpoint()
        checkpoints.save(moment, ledger, durable=durable)
        if durable:
            due[0] = time.monotonic() + DURABLE_SECONDS

    shelf = Shelf(checkpoints.folder if checkpoints is not None else None)
    watched.run_started(plan, ledger)
    earlier = DenseNetworks(plan, checkpoints)
    for seed in plan.config.seeds:
        if position is not None and seed < position.seed:
            continue
        here = position if position is not None and seed == position.seed else None
        replicate = Replicate(plan, seed=seed, observer=watched, position=here, save=save)
        _run_levels(plan, replicate, earlier, ledger, watched, shelf)
        earlier.add(replicate)
    return ledger


def _run_levels(
    plan: Plan,
    replicate: Replicate,
    earlier: DenseNetworks,
    ledger: Ledger,
    observer: Observer,
    shelf: Shelf,
) -> None:
    """Train and compare all levels of a replicate that are left."""
    seed, comparison, images = replicate.seed, plan.config.comparison, plan.probe.images
    reader = replicate.reader
    reference: Reference | None = None
    for trained in replicate.levels():
        if reference is None:
            reference = Reference(
                replicate.dense_reader,
                images,
                n_images=plan.n_probe,
                memory=reference_memory(plan.config.comparison),
                moments=device_moments(plan.config.comparison),
            )
        found = compare_with_reference(
            reference, reader, images, comparison,
            tensors=plan.tensors, masks=trained.masks, seed=seed, level=trained.level,
        )  # fmt: skip
        result = level_result(plan, trained, facts=_facts(plan, replicate, ledger, shelf))
        ledger.levels.append(result)
        ledger.similarities += found
        _run_controls(plan, replicate, reference, ledger, observer)
        observer.level_finished(result, found, trained)
        if trained.level == 0:
            for floor in earlier.compare(replicate):
                ledger.similarities += floor
                observer.floor_measured(floor)
            if SAME_INIT_CONTROL in plan.config.pruning.controls:
                with same_init(replicate):
                    _measure_training_floor(plan, replicate, reference, ledger, observer)


def _measure_training_floor(
    plan: Plan, replicate: Replicate, reference: Reference, ledger: Ledger, observer: Observer
) -> None:
    """Compare the dense network with the one that the replicate holds, trained again."""
    floor = compare_with_reference(
        reference, replicate.reader, plan.probe.images, plan.config.comparison,
        tensors=plan.tensors, masks=full_masks(plan.tensors), seed=replicate.seed, level=0,
        against=SAME_INIT,
    )  # fmt: skip
    ledger.similarities += floor
    observer.floor_measured(floor)


def _facts(plan: Plan, replicate: Replicate, ledger: Ledger, shelf: Shelf) -> dict[str, float]:
    """Return the ticket facts of the present level; the level is shelved for later replicates.

    Masks are compared with those of all earlier replicates, weights with the first one's.
    """
    seed, level, seeds = replicate.seed, replicate.level, plan.config.seeds
    connectivity = plan.config.pruning.connectivity
    earlier = {other: shelf.get(other, level) for other in seeds if other < seed}
    overlaps = overlaps_with(
        {other: masks for other, (masks, _) in earlier.items()},
        replicate.masks, seed=seed, level=level,
    )  # fmt: skip
    ledger.overlaps += overlaps
    facts = ticket_facts(replicate, overlaps=overlaps)
    if connectivity:
        values = [variable.numpy() for variable in replicate.network.variables]
        facts |= barriers(replicate, replicate.dense_values, values, of="dense")
        if earlier:
            facts |= barriers(
                replicate, earlier[seeds[0]][1], values,
                of="seed", first_normalization=normalization_of(plan, seeds[0]),
            )  # fmt: skip
    if plan.has_children(level):
        facts |= instability(replicate, second_child(replicate))
    if seed < seeds[-1]:
        kept = values if connectivity and seed == seeds[0] else ()
        shelf.put(seed, level, replicate.masks, kept)
    return facts


def _run_controls(
    plan: Plan, replicate: Replicate, reference: Reference, ledger: Ledger, observer: Observer
) -> None:
    """Train and compare the present level's controls; the dense level has none."""
    if replicate.level == 0 or not plan.config.pruning.controls:
        return
    as_before = random_within_layers(ledger)
    for trained in train_controls(replicate, random_within_layers=as_before):
        scores = compare_with_reference(
            reference, replicate.reader, plan.probe.images,
            dataclasses.replace(plan.config.comparison, bootstrap=0),
            tensors=plan.tensors, masks=trained.masks, seed=replicate.seed,
            level=replicate.level, null=False,
        )  # fmt: skip
        similarity: dict[str, dict[str, float]] = {}
        for row in scores:
            similarity.setdefault(row.measure, {})[row.layer] = row.similarity
        kept = count_kept(trained.masks)
        sizes = {tensor.name: tensor.size for tensor in plan.tensors}
        result = ControlResult(
            control=trained.control,
            seed=replicate.seed,
            level=replicate.level,
            sparsity=1 - sum(kept.values()) / sum(sizes.values()),
            accuracy_validation=trained.validation.accuracy if trained.validation else None,
            accuracy_test=trained.test.accuracy,
            loss_test=trained.test.loss,
            similarity=similarity,
            layer_sparsity=(
                {} if as_before else {name: 1 - kept[name] / sizes[name] for name in sizes}
            ),
        )
        ledger.controls.append(result)
        observer.control_finished(result)


def random_within_layers(ledger: Ledger) -> bool:
    """Whether the control random-mask goes on to be drawn within layers, as the run began."""
    return any(row.control == RANDOM_CONTROL and not row.layer_sparsity for row in ledger.controls)
