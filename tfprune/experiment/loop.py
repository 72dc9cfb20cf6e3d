"""The experiment itself: every replicate, every level, compared as soon as it is trained."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tfprune.experiment.checkpoint import DURABLE_SECONDS, CheckpointFolder, Position, Shelf
from tfprune.experiment.comparing import Reference, compare_with_reference
from tfprune.experiment.controls import (
    RANDOM_CONTROL,
    SAME_INIT_CONTROL,
    same_init,
    second_child,
    train_controls,
)
from tfprune.experiment.dense_phase import DensePhases
from tfprune.experiment.describing import curvature_facts, describe_level
from tfprune.experiment.events import (
    ControlFinished,
    Describing,
    EpochFinished,
    Event,
    FloorMeasured,
    LevelFinished,
    RunStarted,
    StepsTaken,
    TrainedLevel,
    Watch,
    enter,
)
from tfprune.experiment.facts import overlaps_with
from tfprune.experiment.functional import (
    POPULATION,
    class_result,
    forgotten,
    functional_facts,
)
from tfprune.experiment.level import (
    barriers,
    instability,
    level_result,
    retrained_facts,
    ticket_facts,
)
from tfprune.experiment.memory import reference_memory
from tfprune.experiment.on_device import device_moments
from tfprune.experiment.output_similarity import output_facts
from tfprune.experiment.plan import Plan, normalization_of
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.seed_floor import DenseNetworks
from tfprune.experiment.shift import shift_facts
from tfprune.pruning.kernels import count_kept, full_masks
from tfprune.results import SAME_INIT, ControlResult, Ledger, OverlapResult, SimilarityResult


def execute(
    plan: Plan,
    *watching: Watch,
    checkpoints: CheckpointFolder | None = None,
    checkpoint_every: int = 1,
    before_checkpoint: Callable[[], object] = lambda: None,
    dense: DensePhases | None = None,
) -> Ledger:
    """Run a checked experiment; return the records of all epochs, levels and layers.

    What happens is entered into the ledger, told to who is `watching`, in the order given, and
    then kept: with `checkpoints` the experiment goes on from the last one, and writes one every
    `checkpoint_every` epochs and at every level's end. `before_checkpoint` puts on the disk what
    a resumed run will not say again. A seed that has a phase in `dense` begins at its end.
    """
    position, ledger = (checkpoints.load() if checkpoints else None) or (None, Ledger())

    def tell(event: Event) -> None:
        for watch in watching:
            watch(event)

    due = 0.0  # when the next checkpoint waits for the disk
    for event in experiment(
        plan, ledger, position, checkpoints=checkpoints, tell=tell, dense=dense
    ):
        enter(event, ledger)
        tell(event)
        if not isinstance(event, EpochFinished) or checkpoints is None:
            continue
        n_epochs = -(-plan.n_steps // plan.steps_per_epoch)
        epoch = event.result.epoch + 1
        at_end = epoch == n_epochs
        if epoch % checkpoint_every and not at_end:
            continue
        durable = at_end or time.monotonic() >= due
        if durable:
            before_checkpoint()
        checkpoints.save(event.position(), ledger, durable=durable)
        if durable:
            due = time.monotonic() + DURABLE_SECONDS
    return ledger


def experiment(
    plan: Plan,
    ledger: Ledger,
    position: Position | None = None,
    *,
    checkpoints: CheckpointFolder | None = None,
    tell: Callable[[Event], None] = lambda event: None,
    dense: DensePhases | None = None,
) -> Iterator[Event]:
    """Yield what happens, from the start or from a position on; `tell` hears of single steps.

    Side a of every comparison is the dense network. With several replicates the dense network
    of each seed is compared with those of all earlier ones too: the seed floor. Who takes the
    events enters them into the ledger before asking for the next one.
    """
    shelf = Shelf(checkpoints.folder if checkpoints is not None else None)
    earlier = DenseNetworks(plan, checkpoints)
    yield RunStarted(plan, ledger)
    for seed in plan.config.seeds:
        if position is not None and seed < position.seed:
            continue
        here = position if position is not None and seed == position.seed else None
        phase = dense.of(plan, seed) if dense is not None and here is None else None
        if phase is not None:
            here = phase.position
            ledger.epochs += phase.epochs  # what the seed's own training would have entered
            tell(StepsTaken(here.state.step))
        replicate = Replicate(
            plan, seed=seed, position=here, on_steps=lambda n: tell(StepsTaken(n))
        )
        yield from _levels(plan, replicate, earlier, ledger, shelf, tell)
        earlier.add(replicate)


def _levels(
    plan: Plan,
    replicate: Replicate,
    earlier: DenseNetworks,
    ledger: Ledger,
    shelf: Shelf,
    tell: Callable[[Event], None],
) -> Iterator[Event]:
    """Train and compare all levels of a replicate that are left."""
    seed, comparison, images = replicate.seed, plan.config.comparison, plan.probe.images
    reference: Reference | None = None
    dense_units: dict[str, Any] = {}
    dimensions: dict[str, int] = {}
    for event in replicate.events():
        if not isinstance(event, TrainedLevel):
            yield event
            continue
        if reference is None:
            reference = Reference(
                replicate.dense_reader,
                images,
                n_images=plan.n_probe,
                memory=reference_memory(plan.config.comparison),
                moments=device_moments(plan.config.comparison),
            )
        found = compare_with_reference(
            reference, event.reader, images, comparison,
            tensors=plan.tensors, masks=event.masks, seed=seed, level=event.level,
        )  # fmt: skip
        facts, overlaps = _facts(plan, replicate, event, shelf)
        facts |= shift_facts(plan, replicate, event, ledger) | functional_facts(replicate, event)
        facts |= output_facts(plan, replicate, event, earlier)
        of_images, lost = forgotten(event, _earlier_answers(plan, event, shelf))
        facts |= of_images
        described = describe_level(
            plan,
            event,
            dense=dense_units,
            dimensions=dimensions,
            on_layer=lambda layer, kind: tell(Describing(layer, kind)),
        )
        facts |= curvature_facts(ledger, described.rows)
        again: tuple[SimilarityResult, ...] = ()
        if event.level == 0 and SAME_INIT_CONTROL in plan.config.pruning.controls:
            with same_init(replicate) as trained:
                again = _training_floor(plan, replicate, reference)
            facts |= retrained_facts(event.dataset, trained.test)
        result = level_result(plan, event, facts=facts)
        yield from _controls(plan, replicate, reference, ledger)
        classes = (class_result(event),) if event.level else ()
        yield LevelFinished(
            result, found, tuple(overlaps), event, classes, lost, described.rows, described.units
        )
        if event.level == 0:
            for floor in earlier.compare(replicate):
                yield FloorMeasured(floor)
            if again:
                yield FloorMeasured(again)


def _training_floor(
    plan: Plan, replicate: Replicate, reference: Reference
) -> tuple[SimilarityResult, ...]:
    """Compare the dense network with the one that the replicate holds, trained again."""
    return compare_with_reference(
        reference, replicate.reader, plan.probe.images, plan.config.comparison,
        tensors=plan.tensors, masks=full_masks(plan.tensors), seed=replicate.seed, level=0,
        against=SAME_INIT,
    )  # fmt: skip


def _earlier_answers(
    plan: Plan, trained: TrainedLevel, shelf: Shelf
) -> list[tuple[np.ndarray | None, np.ndarray | None]]:
    """Return the answers of each earlier seed, dense and of this level, at the last seed."""
    seeds = plan.config.seeds
    if trained.level == 0 or trained.seed != seeds[-1] or len(seeds) < POPULATION:
        return []
    return [
        (shelf.get(other, 0).answers, shelf.get(other, trained.level).answers)
        for other in seeds[:-1]
    ]


def _facts(
    plan: Plan, replicate: Replicate, trained: TrainedLevel, shelf: Shelf
) -> tuple[dict[str, float], list[OverlapResult]]:
    """Return facts and overlaps of the present level; it is shelved for later levels and seeds.

    Masks are compared with those of all earlier replicates; weights with the dense network's,
    the level's before, and the first replicate's.
    """
    seed, level, seeds = replicate.seed, replicate.level, plan.config.seeds
    connectivity = plan.config.pruning.connectivity
    earlier = {other: shelf.get(other, level) for other in seeds if other < seed}
    overlaps = overlaps_with(
        {other: kept.masks for other, kept in earlier.items()},
        replicate.masks, seed=seed, level=level,
    )  # fmt: skip
    facts = ticket_facts(replicate, overlaps=overlaps)
    if connectivity:
        values = [variable.numpy() for variable in replicate.network.variables]
        facts |= barriers(replicate, replicate.dense_values, values, of="dense")
        before = shelf.find(seed, level - 1) if level else None
        if before is not None and before.values:
            facts |= barriers(replicate, before.values, values, of="previous")
        if earlier:
            facts |= barriers(
                replicate, earlier[seeds[0]].values, values,
                of="seed", first_normalization=normalization_of(plan, seeds[0]),
            )  # fmt: skip
    if plan.has_children(level):
        facts |= instability(replicate, second_child(replicate))
    if connectivity or seed < seeds[-1]:
        kept = values if connectivity else ()
        shelf.put(seed, level, replicate.masks, kept, trained.test.predictions)
        if connectivity and (seed > seeds[0] or len(seeds) == 1):
            shelf.drop_values(seed, level - 2)  # a resumed run may still ask for the one before
    return facts, overlaps


def _controls(
    plan: Plan, replicate: Replicate, reference: Reference, ledger: Ledger
) -> Iterator[ControlFinished]:
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
        kinds = ("similarity", "dense_share", "rank_a", "rank_b")
        taken: dict[str, dict[str, dict[str, Any]]] = {kind: {} for kind in kinds}
        for row in scores:
            for kind in kinds:
                if getattr(row, kind) is not None:
                    taken[kind].setdefault(row.measure, {})[row.layer] = getattr(row, kind)
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
            layer_sparsity=(
                {} if as_before else {name: 1 - kept[name] / sizes[name] for name in sizes}
            ),
            **taken,
        )
        yield ControlFinished(result)


def random_within_layers(ledger: Ledger) -> bool:
    """Whether the control random-mask goes on to be drawn within layers, as the run began."""
    return any(row.control == RANDOM_CONTROL and not row.layer_sparsity for row in ledger.controls)
