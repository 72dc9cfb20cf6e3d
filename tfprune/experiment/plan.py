"""Whatever can be wrong is found here, before training and before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tfprune.config import (
    ComparisonConfig,
    ConfigError,
    Duration,
    PruningConfig,
    RunConfig,
    TrainingConfig,
)
from tfprune.errors import InputError
from tfprune.pruning.kernels import count_kept
from tfprune.pruning.projection import project
from tfprune.pruning.strategy import load_strategy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import tf_keras

    from tfprune.activations import HiddenLayer
    from tfprune.data import Dataset, LoadedExamples, Normalization
    from tfprune.data.also import AlsoTest
    from tfprune.data.lazy import Images
    from tfprune.experiment.tickets import Ticket
    from tfprune.models.files.export import Leaving
    from tfprune.pruning.amounts import Rates
    from tfprune.pruning.kernels import PrunableTensor
    from tfprune.pruning.projection import Projection
    from tfprune.pruning.strategy import Strategy

_ANSWERS = 64  # images that tell what kind of numbers the network puts out
_LEAST_PROBE = 500
_LEAST_SHARE = 1e-2  # of the first rate: the last one, at which levels are fine-tuned
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

    @cached_property
    def data_digest(self) -> dict[str, str]:
        """SHA-256 of the data as read, by split: what a resumed run must find unchanged.

        Of images that stay on the disk, that of their files.
        """
        from tfprune.data.lazy import LazyImages
        from tfprune.pruning.checks import digest

        def identity(images: Images) -> np.ndarray:
            if isinstance(images, LazyImages):
                return np.frombuffer(bytes.fromhex(images.digest()), np.uint8)
            return images[:]

        splits = {"train": self.dataset.train, "validation": self.dataset.validation,
                  "test": self.dataset.test, **{one.name: one.examples for one in self.also},
                  }  # fmt: skip
        return {
            name: digest({"images": identity(part.images), "labels": part.labels})[:16]
            for name, part in splits.items()
        }

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


def load_data(config: RunConfig, *, seed: int) -> Dataset:
    """Return the data set of one replicate: `seed` decides what is held out for validation."""
    from tfprune.data import load_dataset

    data = config.data
    return load_dataset(
        data.dataset,
        data_dir=data.data_dir,
        train_split=data.train_split,
        test_split=data.test_split,
        test_fraction=data.test_fraction,
        stream=data.stream,
        validation_fraction=data.validation_fraction,
        image_size=data.image_size,
        resize=data.resize,
        seed=seed,
    )


def _also(config: RunConfig, dataset: Dataset) -> tuple[AlsoTest, ...]:
    from tfprune.data.also import load_also

    data = config.data
    folder = None if data.data_dir is None else Path(data.data_dir)
    found: list[AlsoTest] = []
    for reference in data.also_test:
        known = [one.key for one in found]
        found.append(
            load_also(
                reference,
                dataset,
                known=known,
                data_dir=folder,
                resize=data.resize,
                stream=data.stream,
            )
        )
    return tuple(found)


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
        layer_names=layer_names,
    )


def rates_of(pruning: PruningConfig) -> Rates:
    """Return the share of surviving weights that each layer loses at every level."""
    from tfprune.pruning.amounts import Rates

    def share(given: float | None) -> float:
        return pruning.fraction if given is None else given

    return Rates(
        conv=share(pruning.conv_fraction),
        dense=share(pruning.dense_fraction),
        output=pruning.output_fraction,
        layers=pruning.layer_fractions,
        exclude=pruning.exclude,
    )


def rewind_step(config: RunConfig, *, steps_per_epoch: int, n_steps: int) -> int | None:
    """Return the optimizer step that survivors are set back to; None for fine-tuning.

    Raises ConfigError when it lies past the end of training.
    """
    text = config.pruning.rewind_to
    if text == "final":
        return None
    step = 0 if text == "init" else Duration.parse(text).steps(steps_per_epoch)
    if step >= n_steps:
        raise ConfigError(
            "pruning.rewind_to",
            f"{text} is past the end of training ({n_steps} steps); nothing would be trained "
            "after it. Give an earlier moment, or final to fine-tune.",
        )
    return step


def check_fine_tuning(config: RunConfig, *, steps_per_epoch: int) -> None:
    """Refuse to fine-tune at a rate that trains nothing; see `PruningConfig.fine_tune_rate`.

    Raises ConfigError when none is given and the schedule's last is less than a hundredth of
    its `learning_rate` (two decays of a step schedule by 0.1 are just a hundredth, the rate at
    which Renda et al. 2020 fine-tune).
    """
    from tfprune.training.optimizer import learning_rates

    first = config.training.learning_rate
    last = float(learning_rates(config.training, steps_per_epoch=steps_per_epoch)[-1])
    if config.pruning.fine_tune_rate is None and last < first * _LEAST_SHARE * (1 - 1e-5):
        raise ConfigError(
            "pruning.fine_tune_rate",
            "--rewind-to final trains every level at the schedule's last rate, which is "
            f"{last:.2g} here, less than {_LEAST_SHARE:g} of {first:g}: nothing would be learned. "
            "Give --fine-tune-rate RATE, or --schedule step or constant.",
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

    _check_moments(config)
    try:
        strategy = load_strategy(config.pruning.strategy)
    except InputError as error:
        raise ConfigError("pruning.strategy", str(error)) from error
    if config.pruning.admm and (strategy.needs or strategy.name == "random"):
        raise ConfigError(
            "pruning.admm",
            f"it draws weights toward what the strategy keeps of them, and {strategy.name!r} looks "
            "at more than the weights. Use magnitude, filter-l1 or filter-l2.",
        )
    start_tensorflow()
    from tfprune.activations import hidden_layers
    from tfprune.data import normalization, probe_set
    from tfprune.experiment.comparing import check_comparison
    from tfprune.experiment.facts import why_unfollowed
    from tfprune.experiment.given_inputs import settle_inputs
    from tfprune.experiment.notes import check_trainable, foresee_empty, leaving_of, notes_on
    from tfprune.experiment.tickets import fit_ticket
    from tfprune.models.build import build
    from tfprune.models.build import layer_names as names_of_layers
    from tfprune.models.files import output_kind
    from tfprune.training.prunable import PrunableNetwork, left_out

    dataset = load_data(config, seed=config.seed)
    also = _also(config, dataset)
    batch = config.training.batch_size
    if batch > len(dataset.train):
        raise ConfigError(
            "training.batch_size",
            f"{batch} is more than the {len(dataset.train)} training images. Lower it, or give a "
            "larger --train-split.",
        )
    steps_per_epoch = -(-len(dataset.train) // batch)
    n_steps = config.training.epochs.steps(steps_per_epoch)
    _check_schedule(config.training, steps_per_epoch=steps_per_epoch, n_steps=n_steps)
    step = rewind_step(config, steps_per_epoch=steps_per_epoch, n_steps=n_steps)
    if step is None:
        check_fine_tuning(config, steps_per_epoch=steps_per_epoch)
    built = build(
        config.model.name,
        input_shape=dataset.input_shape,
        n_classes=dataset.n_classes,
        seed=config.seed,
        trust=config.model.trust,
        layer_names=layer_names,
    )
    network = built.model
    check_trainable(network)
    hidden = hidden_layers(network)
    if not hidden:
        raise ConfigError(
            "model.name", f"model {network.name!r} has no hidden layer, so nothing to compare."
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
    check_comparison(comparison, hidden, n_images=counts)
    start = _start(config)
    config, input_notes = settle_inputs(config, network, dataset, start=start)
    scale = normalization(dataset.train.images, config.data.normalization)
    prunable = PrunableNetwork(network)
    ticket_sparsity = None
    if ticket is not None:
        _, masks = fit_ticket(ticket, network)
        sizes = sum(tensor.size for tensor in prunable.tensors)
        ticket_sparsity = 1 - sum(count_kept(masks).values()) / sizes
    projection = _projection(config.pruning, strategy, prunable.tensors)
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
    )


def _start(config: RunConfig) -> str:
    """Return where level 0 begins; refuse what the model or the rewind point rules out."""
    from tfprune.models import MODELS
    from tfprune.models.build import is_file

    name, start = config.model.name, config.model.start
    if start == "trained" and "same-init" in config.pruning.controls:
        raise ConfigError(
            "pruning.controls",
            "same-init trains the dense network once more, and with --start trained it was not "
            "trained here. Leave that control out, or give --start fine-tune.",
        )
    if start == "auto":
        return "fine-tune" if is_file(name) else "init"
    if start == "trained":
        if name in MODELS:
            raise ConfigError(
                "model.start", f"the built-in {name!r} comes untrained. Give a model file, or init."
            )
        if config.pruning.rewind_to not in ("init", "final"):
            raise ConfigError(
                "pruning.rewind_to",
                f"{config.pruning.rewind_to} is a moment of the first training, and with --start "
                "trained there is none. Give init or final.",
            )
    return start


def _projection(
    pruning: PruningConfig, strategy: Strategy, tensors: Sequence[PrunableTensor]
) -> Projection:
    """Return what every level will keep; refuse rates that would empty a layer."""
    projection = project(
        tensors,
        levels=pruning.levels,
        strategy=strategy,
        scope=pruning.scope,
        rates=rates_of(pruning),
    )
    if projection.emptied:
        named = ", ".join(f"{layer!r} at level {level}" for layer, level in projection.emptied)
        raise ConfigError(
            "pruning.levels",
            f"{pruning.levels} levels would leave nothing of {named}. Prune fewer levels or a "
            "smaller share, or --exclude the layer.",
        )
    kept, unit = projection.n_kept, projection.unit.name
    if kept[1] == kept[0]:
        raise ConfigError(
            "pruning.exclude" if pruning.exclude else "pruning.fraction",
            f"level 1 would remove nothing of the {kept[0]} {unit}s. Raise --fraction, or exclude "
            "fewer layers.",
        )
    idle = next((n for n in range(1, len(kept)) if kept[n] == kept[n - 1]), None)
    if idle is not None and strategy.floor is None:
        raise ConfigError(
            "pruning.levels",
            f"level {idle} of {pruning.levels} would remove nothing: {kept[idle]} {unit}s are "
            f"left. Prune at most {idle - 1} levels, or a smaller share.",
        )
    return projection


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


def _check_schedule(training: TrainingConfig, *, steps_per_epoch: int, n_steps: int) -> None:
    """Raise ConfigError for a decay or warm-up that training ends before."""
    for moment in training.decay_at:
        if moment.steps(steps_per_epoch) >= n_steps:
            raise ConfigError(
                "training.decay_at",
                f"{moment} is past the end of training ({n_steps} steps, {steps_per_epoch} to the "
                "epoch); the rate would never fall there. Give an earlier moment, or train longer "
                "with --epochs.",
            )
    if training.warmup.steps(steps_per_epoch) > n_steps:
        raise ConfigError(
            "training.warmup",
            f"{training.warmup} is past the end of training ({n_steps} steps, {steps_per_epoch} to "
            "the epoch); the learning rate would never be reached. Give a shorter warm-up, or "
            "train longer with --epochs.",
        )


def _check_moments(config: RunConfig) -> None:
    """Refuse what is past the end of training where that is known without the data."""
    epochs, text = config.training.epochs, config.pruning.rewind_to
    if text in ("init", "final"):
        return
    moment = Duration.parse(text)
    if moment.unit == epochs.unit and moment.count >= epochs.count:
        raise ConfigError(
            "pruning.rewind_to",
            f"{text} is past the end of training ({epochs}); nothing would be trained after it. "
            "Give an earlier moment, or final to fine-tune.",
        )
