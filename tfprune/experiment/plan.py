"""Whatever can be wrong is found here, before training and before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from tfprune.config import (
    ComparisonConfig,
    ConfigError,
    RunConfig,
)
from tfprune.errors import InputError
from tfprune.experiment.data_identity import identity
from tfprune.experiment.moments import (
    check_fine_tuning,
    check_moments,
    check_schedule,
    rewind_step,
)
from tfprune.experiment.projecting import projected, rates_of
from tfprune.experiment.reading import load_data, load_further_tests
from tfprune.models.layer_names import called
from tfprune.pruning.kernels import count_kept
from tfprune.pruning.strategy import load_strategy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tf_keras

    from tfprune.activations import HiddenLayer
    from tfprune.data import Dataset, LoadedExamples, Normalization
    from tfprune.data.also import AlsoTest
    from tfprune.data.dataset import Examples
    from tfprune.experiment.tickets import Ticket
    from tfprune.models.files.leaving import Leaving
    from tfprune.models.identity import ModelIdentity
    from tfprune.pruning.kernels import PrunableTensor
    from tfprune.pruning.projection import Projection
    from tfprune.pruning.strategy import Strategy

_ANSWERS = 64  # images that tell what kind of numbers the network puts out
_LEAST_PROBE = 500
_PER_DIRECTION = 10  # images; below, unrelated layers look alike by the CCA family


@dataclass(frozen=True, eq=False)
class Plan:
    """A checked experiment: what will be trained, pruned and compared."""

    config: RunConfig
    dataset: Dataset  # of the first seed
    probe: LoadedExamples  # the fixed inputs on which layers are compared, the same for all seeds
    n_probe: Mapping[str, int]  # layer -> how many of the first of them it is compared on
    tensors: tuple[PrunableTensor, ...]
    hidden: tuple[HiddenLayer, ...]
    n_parameters: int
    steps_per_epoch: int
    n_steps: int
    rewind_step: int | None  # None: nothing goes back (fine-tuning)
    output: str  # what the network's output numbers are: logits, softmax or sigmoid
    start: str  # of training: init, fine-tune, or trained (level 0 is the model as it came)
    strategy: Strategy
    projection: Projection
    left_out: tuple[str, ...]  # layers with kernels that can't be pruned
    layer_names: tuple[str, ...]  # of all layers by place in the graph, the same for all seeds
    leaving: Leaving  # the forms in which the networks can be stored
    unfollowed: str | None = None  # why channels can't be followed through the graph
    notes: tuple[str, ...] = ()  # what a user should know before training begins
    also: tuple[AlsoTest, ...] = ()  # further test sets, for every level
    ticket: Ticket | None = None
    ticket_sparsity: float | None = None  # of its masks as laid on this network
    model: ModelIdentity | None = None  # what tells the user's model from others; None: built in

    @cached_property
    def data_digest(self) -> dict[str, str]:
        """SHA-256 of the data, by split: what a resumed run must find unchanged.

        That of image files is the same wherever images are kept: see `data_identity`.
        """
        return {name: identity(part) for name, part in self._splits.items()}

    @cached_property
    def data_digest_of_pixels(self) -> dict[str, str]:
        """The same as runs kept it before files were told by their bytes in memory too."""
        return {name: identity(part, of_pixels=True) for name, part in self._splits.items()}

    @property
    def _splits(self) -> dict[str, Examples]:
        return {"train": self.dataset.train, "validation": self.dataset.validation,
                "test": self.dataset.test, **{one.name: one.examples for one in self.also},
                }  # fmt: skip

    def has_data(self, digests: Mapping[str, str] | None) -> bool:
        """Whether these are the digests that a run of this data keeps, in either form."""
        return digests in (self.data_digest, self.data_digest_of_pixels)

    def sparsity_at(self, level: int) -> float | None:
        """Share of the prunable weights that are zero at a level, in [0, 1], before training.

        None where it depends on the trained weights: filters or blocks ranked over all layers.
        """
        if level == 0:
            return 0.0
        if self.ticket_sparsity is not None:
            return self.ticket_sparsity
        density = self.projection.weight_density(level)
        return None if density is None else 1 - density

    def has_children(self, level: int) -> bool:
        """Whether a level's instability is taken; a network that comes trained has no level 0's."""
        return self.config.pruning.instability and (level > 0 or self.start != "trained")

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the whole experiment."""
        later = self.n_steps - (self.rewind_step or 0)
        pruning = self.config.pruning
        siblings = [name for name in pruning.controls if name != "same-init"]
        fresh = sum(name in ("reinitialised", "sparse-scratch") for name in siblings)
        level = later * (1 + len(siblings) - fresh) + self.n_steps * fresh
        first = 0 if self.start == "trained" else self.n_steps
        if "same-init" in pruning.controls:
            first += self.n_steps
        if pruning.admm:
            level += self.n_steps
        first += later * self.has_children(0)
        level += later * self.has_children(1)
        return self.config.replicates * (first + pruning.levels * level)


def data_of(plan: Plan, seed: int) -> Dataset:
    """Return the data set of one of the plan's seeds."""
    return plan.dataset if seed == plan.config.seed else load_data(plan.config, seed=seed)


def normalization_of(plan: Plan, seed: int, *, dataset: Dataset | None = None) -> Normalization:
    """Return how the images of one replicate are prepared: by those that it trains on.

    `dataset` is that seed's data, where it has been read already.
    """
    from tfprune.data import normalization

    data = data_of(plan, seed) if dataset is None else dataset
    return normalization(data.train.images, plan.config.data.normalization)


def build_network(
    config: RunConfig, dataset: Dataset, *, seed: int, layer_names: Sequence[str] | None = None
) -> tf_keras.Model:
    """Return the network of one replicate, freshly initialised by `seed`.

    Its layers are called `layer_names`, by place in the graph: those of the plan, if there is one.
    """
    from tfprune.models import build_model

    return build_model(
        config.model.name,
        input_shape=dataset.input_shape,
        n_classes=dataset.n_classes,
        seed=seed,
        trust=config.model.trust,
        head=config.model.head,
        layer_names=layer_names,
    )


def make_plan(
    config: RunConfig,
    *,
    ticket: Ticket | None = None,
    layer_names: Sequence[str] | None = None,
) -> Plan:
    """Return the checked plan of an experiment; raises InputError for whatever can't be done.

    With a `ticket` its masks and values take the place of pruning and initialisation. An
    experiment that goes on gives the `layer_names` that it began with.
    """
    from tfprune.training.backend import start_tensorflow

    check_moments(config)
    try:
        strategy = load_strategy(config.pruning.strategy)
    except InputError as error:
        raise ConfigError("pruning.strategy", str(error)) from error
    if config.pruning.admm and (strategy.needs or strategy.name == "random"):
        raise ConfigError(
            "pruning.admm",
            f"it pulls weights toward those that the strategy keeps, and {strategy.name!r} looks "
            "at more than the weights. Use magnitude, filter-l1 or filter-l2.",
        )
    start_tensorflow()
    from tfprune.activations import hidden_layers
    from tfprune.data import normalization, probe_set
    from tfprune.experiment.comparing import check_comparison, check_outputs
    from tfprune.experiment.facts import why_unfollowed
    from tfprune.experiment.given_inputs import settle_inputs
    from tfprune.experiment.memory import note_on_memory
    from tfprune.experiment.notes import check_trainable, foresee_empty, leaving_of, notes_on
    from tfprune.experiment.tickets import check_same_model, fit_ticket
    from tfprune.models import MODELS
    from tfprune.models.build import build, is_file
    from tfprune.models.build import layer_names as names_of_layers
    from tfprune.models.copying import check_copies
    from tfprune.models.files import output_kind
    from tfprune.models.identity import identity_of
    from tfprune.training.prunable import PrunableNetwork, left_out

    dataset = load_data(config, seed=config.seed)
    also = load_further_tests(config, dataset)
    batch = config.training.batch_size
    if batch > len(dataset.train):
        raise ConfigError(
            "training.batch_size",
            f"{batch} is more than the {len(dataset.train)} training images. Lower it, or give a "
            "larger --train-split.",
        )
    steps_per_epoch = -(-len(dataset.train) // batch)
    n_steps = config.training.epochs.steps(steps_per_epoch)
    check_schedule(config.training, steps_per_epoch=steps_per_epoch, n_steps=n_steps)
    step = rewind_step(config, steps_per_epoch=steps_per_epoch, n_steps=n_steps)
    if step is None:
        check_fine_tuning(config, steps_per_epoch=steps_per_epoch)
    built = build(
        config.model.name,
        input_shape=dataset.input_shape,
        n_classes=dataset.n_classes,
        seed=config.seed,
        trust=config.model.trust,
        head=config.model.head,
        layer_names=layer_names,
    )
    network = built.model
    check_trainable(network)
    check_copies(network)
    hidden = hidden_layers(network)
    if not hidden:
        raise ConfigError(
            "model.name",
            f"model {called(network)!r} has no hidden layer, so there is nothing to compare.",
        )
    comparison = config.comparison
    counts = _probe_counts(dataset, comparison, hidden)
    probe = probe_set(
        dataset,
        size=max(counts.values()),
        split=comparison.probe_split,
        balanced=comparison.probe_balanced,
    )
    # in random order: the bootstrap draws blocks of consecutive images
    probe = probe.take(np.random.default_rng(0).permutation(len(probe)))
    available = len(getattr(dataset, comparison.probe_split))
    check_comparison(comparison, hidden, n_images=counts, available=available)
    check_outputs(comparison, n_classes=dataset.n_classes, n_images=len(dataset.test))
    start = _start(config)
    config, input_notes = settle_inputs(config, network, dataset, start=start)
    scale = normalization(dataset.train.images, config.data.normalization)
    identity = None
    if config.model.name not in MODELS:
        kept = start != "init" and ticket is None
        file = config.model.name if is_file(config.model.name) else None
        identity = identity_of(network, file=file, keeps_weights=kept)
    prunable = PrunableNetwork(network)
    ticket_sparsity = None
    if ticket is not None:
        check_same_model(ticket, network)
        _, masks = fit_ticket(ticket, network)
        sizes = sum(tensor.size for tensor in prunable.tensors)
        ticket_sparsity = 1 - sum(count_kept(masks).values()) / sizes
    projection = projected(config.pruning, strategy, prunable.tensors)
    leaving = leaving_of(network, config.model.name)
    unfollowed = why_unfollowed(network, prunable.tensors)
    return Plan(
        config=config,
        dataset=dataset,
        probe=probe,
        n_probe=counts,
        tensors=prunable.tensors,
        hidden=hidden,
        n_parameters=int(network.count_params()),
        steps_per_epoch=steps_per_epoch,
        n_steps=n_steps,
        rewind_step=step,
        output=output_kind(network, scale.apply(probe.images[:_ANSWERS])),
        start=start,
        strategy=strategy,
        projection=projection,
        left_out=left_out(network),
        leaving=leaving,
        unfollowed=unfollowed,
        notes=(
            *dataset.notes,
            *(note for one in also for note in one.notes),
            *input_notes,
            *notes_on(config, network, leaving, precision=built.precision, unfollowed=unfollowed),
            *note_on_memory(comparison, hidden, counts),
            *(
                foresee_empty(config, strategy, prunable, rates_of(config.pruning))
                if ticket is None
                else ()
            ),
        ),
        layer_names=names_of_layers(network),
        also=also,
        ticket=ticket,
        ticket_sparsity=ticket_sparsity,
        model=identity,
    )


def _start(config: RunConfig) -> str:
    """Return where level 0 begins; refuse what the model or the rewind point rules out."""
    from tfprune.models import MODELS
    from tfprune.models.build import is_file

    name, start = config.model.name, config.model.start
    if start == "trained" and "same-init" in config.pruning.controls:
        raise ConfigError(
            "pruning.controls",
            "same-init trains the dense network again, and with --start trained it was not "
            "trained here. Leave that control out, or give --start fine-tune.",
        )
    if start == "auto":
        return "fine-tune" if is_file(name) else "init"
    if start == "trained":
        if name in MODELS:
            raise ConfigError(
                "model.start", f"the built-in {name!r} is not trained. Give a model file, or init."
            )
        if config.pruning.rewind_to not in ("init", "final"):
            raise ConfigError(
                "pruning.rewind_to",
                f"{config.pruning.rewind_to} is a step of the first training, and with --start "
                "trained there is none. Give init or final.",
            )
    return start


def _probe_counts(
    dataset: Dataset, comparison: ComparisonConfig, hidden: Sequence[HiddenLayer]
) -> dict[str, int]:
    """Return layer -> images it is compared on: as given, or 10 for each direction compared."""
    available = len(getattr(dataset, comparison.probe_split))
    if comparison.probe_size is not None:
        return {layer.name: comparison.probe_size for layer in hidden}
    return {
        layer.name: min(max(_LEAST_PROBE, _PER_DIRECTION * 2 * layer.width), available)
        for layer in hidden
    }
