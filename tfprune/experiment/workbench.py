"""What one seed works with: its data, network, normalisation and trainer, put together here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tfprune.experiment.orders import order_seed
from tfprune.experiment.plan import Plan, build_network, data_of, normalization_of

if TYPE_CHECKING:
    import tf_keras

    from tfprune.activations import ActivationReader
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
        augmentation=Augmentation() if config.data.augment else None,
        from_logits=plan.output == "logits",
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
