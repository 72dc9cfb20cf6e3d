"""The dense network of a seed beside those of all earlier seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.comparing import Reference, compare_with_reference
from tfprune.experiment.plan import Plan, normalization_of
from tfprune.experiment.replicate import Replicate
from tfprune.experiment.workbench import network_with
from tfprune.pruning.kernels import full_masks
from tfprune.results import SEED_FLOOR, SimilarityResult

if TYPE_CHECKING:
    import tf_keras

    from tfprune.data import Normalization
    from tfprune.experiment.checkpoint import CheckpointFolder


class DenseNetworks:
    """The trained dense networks of finished replicates.

    Their values are read from the checkpoints, or held in memory where there are none (once a
    network's size for each seed). Their activations are not held: each later seed reads the probe
    set through each of them once more, R(R - 1)/2 passes in all for R seeds.
    """

    def __init__(self, plan: Plan, checkpoints: CheckpointFolder | None) -> None:
        self._plan = plan
        self._checkpoints = checkpoints
        self._held: dict[int, Sequence[np.ndarray]] = {}
        self._normalizations: dict[int, Normalization] = {}

    def add(self, replicate: Replicate) -> None:
        """Keep the dense network of a replicate that has finished."""
        self._normalizations[replicate.seed] = replicate.normalization
        if self._checkpoints is None:
            self._held[replicate.seed] = replicate.dense_values

    def _values(self, seed: int) -> Sequence[np.ndarray]:
        return self._checkpoints.dense_of(seed) if self._checkpoints else self._held[seed]

    def _normalization(self, seed: int) -> Normalization:
        if seed not in self._normalizations:  # an earlier process has finished it
            self._normalizations[seed] = normalization_of(self._plan, seed)
        return self._normalizations[seed]

    def before(self, seed: int) -> Iterator[tuple[int, tf_keras.Model, Normalization]]:
        """Yield seed, dense network and normalization of every seed before this one.

        It is the same network each time, with the next seed's weights.
        """
        network = None
        for other in (s for s in self._plan.config.seeds if s < seed):
            network = network_with(self._plan, self._values(other), into=network)
            yield other, network, self._normalization(other)

    def compare(self, replicate: Replicate) -> Iterator[tuple[SimilarityResult, ...]]:
        """Yield the records of a replicate's dense network against each earlier seed's.

        Side a is the earlier seed. Intervals and nulls, which take most of the time, are taken of
        the pair with the first seed alone: the others are there for the test over seeds.
        """
        from tfprune.activations import ActivationReader

        plan = self._plan
        for seed, network, normalization in self.before(replicate.seed):
            reference = Reference(
                ActivationReader(network, normalization=normalization),
                plan.probe.images,
                n_images=plan.n_probe,
                memory=0,
            )
            first = seed == plan.config.seed
            comparison = plan.config.comparison
            found = compare_with_reference(
                reference,
                replicate.dense_reader,
                plan.probe.images,
                comparison if first else dataclasses.replace(comparison, bootstrap=0),
                tensors=plan.tensors,
                masks=full_masks(plan.tensors),
                seed=replicate.seed,
                level=0,
                against=SEED_FLOOR,
                against_seed=seed,
                null=first,
            )
            yield found if first else tuple(_with_note(row, plan.config.seed) for row in found)


def _with_note(row: SimilarityResult, first: int) -> SimilarityResult:
    note = f"no interval and no null: of dense networks, only taken of pairs with seed {first}"
    return dataclasses.replace(row, warnings="; ".join(filter(None, (row.warnings, note))))
