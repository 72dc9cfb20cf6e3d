"""The experiment itself: every replicate, every level, compared as soon as it is trained."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator

from tfprune.experiment.checkpoint import CheckpointFolder, Position, Shelf
from tfprune.experiment.comparing import Reference, compare_with_reference, reference_memory
from tfprune.experiment.controls import (
    RANDOM_CONTROL,
    SAME_INIT_CONTROL,
    same_init,
    second_child,
    train_controls,
)
from tfprune.experiment.events import (
    ControlFinished,
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
from tfprune.experiment.level import barriers, instability, level_result, ticket_facts
from tfprune.experiment.on_device import device_moments
from tfprune.experiment.plan import Plan, normalization_of
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.seed_floor import DenseNetworks
from tfprune.experiment.shift import shift_facts
from tfprune.pruning.kernels import count_kept, full_masks
from tfprune.results import SAME_INIT, ControlResult, Ledger, OverlapResult, SimilarityResult

DURABLE_SECONDS = 5.0  # at most this much work is lost to a power cut, none to a kill


def execute(
    plan: Plan,
    *watching: Watch,
    checkpoints: CheckpointFolder | None = None,
    checkpoint_every: int = 1,
    before_checkpoint: Callable[[], object] = lambda: None,
) -> Ledger:
    """Run a checked experiment; return the records of all epochs, levels and layers.

    What happens is entered into the ledger, told to who is `watching`, in the order given, and
    then kept: with `checkpoints` the experiment goes on from the last one, and writes one every
    `checkpoint_every` epochs and at every level's end. `before_checkpoint` puts on the disk what
    a resumed run will not say again.
    """
    position, ledger = (checkpoints.load() if checkpoints else None) or (None, Ledger())

    def tell(event: Event) -> None:
        for watch in watching:
            watch(event)

    due = 0.0  # when the next checkpoint waits for the disk
    for event in experiment(plan, ledger, position, checkpoints=checkpoints, tell=tell):
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
        replicate = Replicate(
            plan, seed=seed, position=here, on_steps=lambda n: tell(StepsTaken(n))
        )
        yield from _levels(plan, replicate, earlier, ledger, shelf)
        earlier.add(replicate)


def _levels(
    plan: Plan, replicate: Replicate, earlier: DenseNetworks, ledger: Ledger, shelf: Shelf
) -> Iterator[Event]:
    """Train and compare all levels of a replicate that are left."""
    seed, comparison, images = replicate.seed, plan.config.comparison, plan.probe.images
    reference: Reference | None = None
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
        facts, overlaps = _facts(plan, replicate, shelf)
        facts |= shift_facts(plan, replicate, event, ledger)
        result = level_result(plan, event, facts=facts)
        yield from _controls(plan, replicate, reference, ledger)
        yield LevelFinished(result, found, tuple(overlaps), event)
        if event.level == 0:
            for floor in earlier.compare(replicate):
                yield FloorMeasured(floor)
            if SAME_INIT_CONTROL in plan.config.pruning.controls:
                with same_init(replicate):
                    floor = _training_floor(plan, replicate, reference)
                yield FloorMeasured(floor)


def _training_floor(
    plan: Plan, replicate: Replicate, reference: Reference
) -> tuple[SimilarityResult, ...]:
    """Compare the dense network with the one that the replicate holds, trained again."""
    return compare_with_reference(
        reference, replicate.reader, plan.probe.images, plan.config.comparison,
        tensors=plan.tensors, masks=full_masks(plan.tensors), seed=replicate.seed, level=0,
        against=SAME_INIT,
    )  # fmt: skip


def _facts(
    plan: Plan, replicate: Replicate, shelf: Shelf
) -> tuple[dict[str, float], list[OverlapResult]]:
    """Return facts and overlaps of the present level; it is shelved for later replicates.

    Masks are compared with those of all earlier replicates, weights with the first one's.
    """
    seed, level, seeds = replicate.seed, replicate.level, plan.config.seeds
    connectivity = plan.config.pruning.connectivity
    earlier = {other: shelf.get(other, level) for other in seeds if other < seed}
    overlaps = overlaps_with(
        {other: masks for other, (masks, _) in earlier.items()},
        replicate.masks, seed=seed, level=level,
    )  # fmt: skip
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
        yield ControlFinished(result)


def random_within_layers(ledger: Ledger) -> bool:
    """Whether the control random-mask goes on to be drawn within layers, as the run began."""
    return any(row.control == RANDOM_CONTROL and not row.layer_sparsity for row in ledger.controls)
