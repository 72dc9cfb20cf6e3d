"""What one seed works with: its data, network, normalisation and trainer, put together here.

Which order of the images a network is trained in stands here too: the noise of training, apart
from its start. An order seed decides the order of the images in every epoch, their augmentation
and what random layers drop: all that Frankle et al. (2020) call SGD noise. It decides neither
initialisation nor what is held out for validation; the replicate's seed does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.config import RunConfig
from tfprune.experiment.plan import Plan, build_network, data_of, normalization_of

if TYPE_CHECKING:
    import tf_keras

    from tfprune.activations import ActivationReader
    from tfprune.config import RunConfig
    from tfprune.data import Dataset, Normalization
    from tfprune.training.optimizer import Pull
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.trainer import Trainer


@dataclass(frozen=True, eq=False)
class Workbench:
    """A seed's data and its untrained network, ready to be trained, pruned and read.

    `ticket_masks` are those of the plan's ticket as they lie on this network, `pull` is what ADMM
    draws weights by; None where the plan has neither.
    """

    seed: int
    dataset: Dataset
    normalization: Normalization
    prunable: PrunableNetwork
    trainer: Trainer
    pull: Pull | None
    ticket_masks: Mapping[str, np.ndarray] | None

    @property
    def network(self) -> tf_keras.Model:
        """The network that is trained, within tfmot's wrappers' reach."""
        return self.prunable.network

    def reader(self, network: tf_keras.Model) -> ActivationReader:
        """Return what reads a network's activations on images prepared as this seed's are."""
        from tfprune.activations import ActivationReader

        return ActivationReader(network, normalization=self.normalization)


def open_seed(plan: Plan, seed: int) -> Workbench:
    """Put together what a seed of a plan works with, at step 0 of its first training."""
    from tfprune.data import Augmentation
    from tfprune.experiment.tickets import fit_ticket
    from tfprune.models import MODELS
    from tfprune.training.optimizer import Pull
    from tfprune.training.prunable import PrunableNetwork
    from tfprune.training.state import fresh_variables
    from tfprune.training.trainer import Trainer

    config = plan.config
    dataset = data_of(plan, seed)
    scale = normalization_of(plan, seed, dataset=dataset)
    prunable = PrunableNetwork(
        build_network(config, dataset, seed=seed, layer_names=plan.layer_names),
        precision=config.training.precision,
    )
    network, masks = prunable.network, None
    if plan.ticket is not None:
        values, masks = fit_ticket(plan.ticket, network)
        assign_all(network.variables, values)
    elif plan.start == "init" and config.model.name not in MODELS:
        assign_all(network.variables, fresh_variables(network, seed=seed))
    pull = Pull(prunable, rho=config.pruning.admm) if config.pruning.admm else None
    trainer = Trainer(
        prunable,
        dataset,
        config.training,
        seed=order_seed(config, seed=seed, level=0),
        normalization=scale,
        augmentation=(
            Augmentation(resized=config.data.crop == "resized") if config.data.augment else None
        ),
        from_logits=plan.output == "logits",
        sigmoid=plan.output == "sigmoid",
        track_movement="accumulated_movement" in plan.strategy.needs,
        pull=pull,
        total_steps=plan.total_steps,
    )
    return Workbench(seed, dataset, scale, prunable, trainer, pull, masks)


def network_with(
    plan: Plan, values: Sequence[np.ndarray], *, into: tf_keras.Model | None = None
) -> tf_keras.Model:
    """Return a plain network of the plan that holds `values`, in the order of its variables.

    The network `into`, of an earlier call, takes them where it is given.
    """
    network = into or build_network(
        plan.config, plan.dataset, seed=plan.config.seed, layer_names=plan.layer_names
    )
    assign_all(network.variables, values)
    return network


def assign_all(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    """Assign values to variables, in their order."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


_LEVEL, _SAME_INIT, _SECOND_CHILD = 1, 2, 3  # one stream of seeds for each purpose


def order_seed(config: RunConfig, *, seed: int, level: int) -> int:
    """Return the order seed of a level of the replicate `seed`; the controls of a level share it.

    Level 0 has the replicate's own, and with `data_order` 'same' so has every other level. With
    'level' each level has another: the default of OpenLTH, where a pruned network then differs
    from the dense one by the noise of training too.
    """
    own = _own(config, seed)
    return own if level == 0 or config.training.data_order == "same" else _drawn(own, _LEVEL, level)


def same_init_order(config: RunConfig, *, seed: int) -> int:
    """Return the order seed of the dense network's second training, the control same-init."""
    return _drawn(_own(config, seed), _SAME_INIT)


def second_child_order(config: RunConfig, *, seed: int, level: int) -> int:
    """Return the order seed of the second child that a level's instability is taken of.

    The first child is the level's own network, trained in the order that `order_seed` says.
    """
    return _drawn(_own(config, seed), _SECOND_CHILD, level)


def _own(config: RunConfig, seed: int) -> int:
    given = config.training.data_order_seed
    return seed if given is None else given + seed - config.seed


def _drawn(own: int, *purpose: int) -> int:
    """Return a seed in [2^31, 2^32), beyond all that a user can give."""
    sequence = np.random.SeedSequence(own, spawn_key=purpose)
    return int(sequence.generate_state(1)[0] | np.uint32(2**31))


TIMED_STEPS = 8


@dataclass(frozen=True, eq=False)
class DryRun:
    """A checked plan with the time that its training would take.

    `first_step` holds the tracing of the training function, once for all levels; `per_step` is
    the mean of a few further steps; `describing` is the time that `describe` takes, of all levels.
    Evaluation, comparison and logging come on top.
    """

    plan: Plan
    first_step: float  # seconds
    per_step: float  # seconds
    n_traces: int
    describing: float = 0.0  # seconds

    @property
    def training_seconds(self) -> float:
        """Estimated seconds of training, for all levels, replicates and controls."""
        return self.config.replicates * self.first_step + self.plan.total_steps * self.per_step

    @property
    def config(self) -> RunConfig:
        """The configuration looked at."""
        return self.plan.config


def timed(plan: Plan) -> DryRun:
    """Return a plan with its time, after a few steps of the first seed's training.

    Nothing is written.
    """
    from tfprune.experiment.describing import seconds_to_describe

    bench = open_seed(plan, plan.config.seed)
    trainer = bench.trainer
    started = time.perf_counter()
    trainer.train(until=1)
    first = time.perf_counter() - started
    last = min(1 + TIMED_STEPS, plan.n_steps)
    started = time.perf_counter()
    trainer.train(until=last)
    per_step = (time.perf_counter() - started) / max(last - 1, 1)
    asked = plan.config.comparison.describe
    return DryRun(
        plan,
        first_step=first,
        per_step=per_step,
        n_traces=trainer.n_traces,
        describing=seconds_to_describe(plan, bench.reader(bench.network)) if asked else 0.0,
    )
