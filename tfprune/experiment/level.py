"""A trained level: its record, and the facts of its ticket: size, cost, signs, barriers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.experiment.events import TrainedLevel
from tfprune.experiment.facts import balance_facts, graph_facts
from tfprune.experiment.plan import Plan
from tfprune.pruning.facts import (
    dead_filters,
    gzip_size,
    n_nonzero,
    n_parameters,
    sign_agreement,
)
from tfprune.pruning.kernels import count_kept
from tfprune.results import LevelResult, OverlapResult

if TYPE_CHECKING:
    from tfprune.data import Dataset, Examples, Normalization
    from tfprune.experiment.replicate import Replicate
    from tfprune.training.connectivity import Line
    from tfprune.training.evaluation import Evaluation


RECALIBRATION_IMAGES = 1024  # of the training images, for the statistics of batch norm
_FEW_CLASSES = 20  # up to so many, the first five answers are a quarter of all and more


def ticket_facts(replicate: Replicate, *, overlaps: Sequence[OverlapResult]) -> dict[str, float]:
    """Return fact name -> number for the replicate's present level.

    parameters, nonzero: of the whole network. flops_dense, flops_sparse: per image, multiply and
    add counted apart. gzip_bytes: the stripped network's variables, compressed. dead_filters:
    prunable filters and neurons without any incoming weight. effective_sparsity: share of
    prunable weights on no path from input to output (Vysogorets & Kempe 2023); with flops_dense and
    flops_sparse it is absent where channels can't be followed through the graph. sign_agreement:
    share of survivors whose sign is that of the state they were rewound to (Zhou et al. 2019).
    `overlaps` are those of this level's masks with the earlier replicates': jaccard and
    jaccard_chance are their means, absent for the first replicate.
    """
    prunable, masks = replicate.prunable, replicate.masks
    arrays = {f"{i:05d}": v.numpy() for i, v in enumerate(replicate.network.variables)}
    followed = replicate.plan.unfollowed is None
    graph = graph_facts(replicate.network, prunable.tensors, masks) if followed else {}
    facts = {
        "parameters": n_parameters(arrays),
        "nonzero": n_nonzero(arrays),
        **{name: graph[name] for name in ("flops_dense", "flops_sparse") if name in graph},
        "gzip_bytes": gzip_size(arrays, level=1),
        "dead_filters": sum(
            int(dead.sum()) for dead in dead_filters(masks, prunable.tensors).values()
        ),
        **{name: value for name, value in graph.items() if name == "effective_sparsity"},
        "sign_agreement": sign_agreement(
            prunable.weights(), replicate.kernels_of(replicate.start_state), masks
        ),
    }
    if overlaps:
        facts["jaccard"] = float(np.mean([overlap.jaccard for overlap in overlaps]))
        facts["jaccard_chance"] = float(np.mean([overlap.chance for overlap in overlaps]))
    return {name: float(value) for name, value in facts.items()}


def barriers(
    replicate: Replicate,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    *,
    of: str,
    first_normalization: Normalization | None = None,
) -> dict[str, float]:
    """Return the loss and error barriers on the line between two sets of weights.

    `of` says whose: 'dense' (the level and the dense network), 'previous' (the level and the one
    before it) or 'seed' (this level of two seeds). They are measured on images that neither end
    was trained on: within a seed the replicate's validation images (the test images where there
    are none), between seeds the test images, since each seed holds out other images and trains on
    nearly all of the other's.
    Nothing is chosen by them. `first_normalization` is what the other seed was trained with.

    A network with batch norm gets `..._recalibrated` too, with its statistics estimated anew at
    every point of the line (Jordan et al. 2023): see `line_between`.
    """
    examples = replicate.dataset.test if of == "seed" else _unseen(replicate)
    found: dict[str, float] = {}
    for ending, line in _lines(
        replicate, first, second, examples=examples, first_normalization=first_normalization
    ):
        found[f"barrier_loss_{of}{ending}"] = line.loss_barrier
        found[f"barrier_error_{of}{ending}"] = line.error_barrier
    return found


def instability(replicate: Replicate, second: Sequence[np.ndarray]) -> dict[str, float]:
    """Return the instability of the present level at the rewind step (Frankle et al. 2020).

    The loss and error barriers between the level's network and a second child of the same step
    k, whose values are `second` (see `controls.second_child`): on the replicate's validation
    images (the test images where there are none), which neither was trained on. With batch norm
    the `..._recalibrated` values too, as of `barriers`.
    """
    first = [variable.numpy() for variable in replicate.network.variables]
    found: dict[str, float] = {}
    for ending, line in _lines(replicate, first, second, examples=_unseen(replicate)):
        found[f"instability_loss{ending}"] = line.loss_barrier
        found[f"instability_error{ending}"] = line.error_barrier
    return found


def retrained_facts(data: Dataset, test: Evaluation) -> dict[str, float]:
    """Return how well the dense network does that was trained again (control same-init).

    One that failed to train is as far from the dense network as any, and no floor: a report can
    tell only by these.
    """
    balance = balance_facts(data.test.labels, test.predictions, data.n_classes)
    found = {"retrained_accuracy": test.accuracy}
    if "balanced_accuracy" in balance:
        found["retrained_balanced_accuracy"] = balance["balanced_accuracy"]
    return found


def _unseen(replicate: Replicate) -> Examples:
    """Return images that no training of the replicate's sees: validation, else test."""
    validation = replicate.dataset.validation
    return validation if len(validation) else replicate.dataset.test


def _lines(
    replicate: Replicate,
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    *,
    examples: Examples,
    first_normalization: Normalization | None = None,
) -> Iterator[tuple[str, Line]]:
    """Yield the line between two networks, with the ending that its facts' names have."""
    from tfprune.training.connectivity import has_norms, line_between

    trainer = replicate.trainer
    prepared = (first_normalization or trainer.normalization, trainer.normalization)
    for ending, images in (("", 0), ("_recalibrated", RECALIBRATION_IMAGES)):
        if images and not has_norms(replicate.network):
            continue
        yield (
            ending,
            line_between(
                trainer, first, second,
                examples=examples, recalibrate=images, normalizations=prepared,
            ),
        )  # fmt: skip


def level_result(plan: Plan, trained: TrainedLevel, *, facts: Mapping[str, float]) -> LevelResult:
    """Return the record of a trained level."""
    kept = count_kept(trained.masks)
    sizes = {tensor.name: tensor.size for tensor in plan.tensors}
    n_weights, n_kept = sum(sizes.values()), sum(kept.values())
    validation = trained.validation
    data = trained.dataset
    balance = balance_facts(data.test.labels, trained.test.predictions, data.n_classes)
    many = data.n_classes > _FEW_CLASSES
    top5 = {"accuracy_top5": trained.test.accuracy_top5} if many else {}
    return LevelResult(
        seed=trained.seed,
        level=trained.level,
        sparsity=1 - n_kept / n_weights,
        n_weights=n_weights,
        n_kept=n_kept,
        accuracy_validation=validation.accuracy if validation else None,
        accuracy_test=trained.test.accuracy,
        loss_validation=validation.loss if validation else None,
        loss_test=trained.test.loss,
        flips=float(np.mean(trained.test.predictions != trained.dense_predictions)),
        facts={**facts, **balance, **top5},
        layer_sparsity={name: 1 - kept[name] / sizes[name] for name in sizes},
    )
