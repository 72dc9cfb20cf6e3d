"""How a level answers beside its dense network: divergence, agreement, classes, lost images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.results import ClassResult, ForgottenImage
from tfprune.similarity.functional import (
    cohen_kappa,
    js_divergence,
    modal_answers,
    pruning_identified,
)

if TYPE_CHECKING:
    from tfprune.experiment.events import TrainedLevel
    from tfprune.experiment.replicate import Replicate

POPULATION = 3  # seeds from which on most of them may be spoken of


def functional_facts(replicate: Replicate, trained: TrainedLevel) -> dict[str, float]:
    """Return how alike the level and its dense network answer the test images.

    js_divergence: the mean Jensen-Shannon divergence of their probabilities, in nats. kappa:
    Cohen's, of their answers; absent where it is not defined. See `similarity.functional`.
    """
    facts = {"js_divergence": _divergence(replicate, trained)}
    kappa = cohen_kappa(trained.dense_predictions, trained.test.predictions)
    return facts | ({"kappa": kappa} if np.isfinite(kappa) else {})


def _divergence(replicate: Replicate, trained: TrainedLevel, *, batch_size: int = 500) -> float:
    import tensorflow as tf

    from tfprune.data.lazy import chunks

    found = [
        js_divergence(*(side.numpy() for side in replicate.both(
            replicate.normalization.apply(tf.constant(images)))))
        for images in chunks(trained.dataset.test.images, batch_size)
    ]  # fmt: skip
    return float(np.concatenate(found).mean())


def class_result(trained: TrainedLevel) -> ClassResult:
    """Return what became of each class's test images since the dense network."""
    labels, n_classes = trained.dataset.test.labels, trained.dataset.n_classes
    before, after = trained.dense_predictions == labels, trained.test.predictions == labels

    def counts(chosen: np.ndarray) -> tuple[int, ...]:
        return tuple(np.bincount(labels[chosen], minlength=n_classes).tolist())

    return ClassResult(
        seed=trained.seed,
        level=trained.level,
        images=counts(np.ones(len(labels), dtype=bool)),
        right=counts(before),
        lost=counts(before & ~after),
        won=counts(after & ~before),
    )


def forgotten(
    trained: TrainedLevel, earlier: Sequence[tuple[np.ndarray | None, np.ndarray | None]]
) -> tuple[dict[str, float], tuple[ForgottenImage, ...]]:
    """Return the facts of images that most pruned networks classify differently, and these images.

    `earlier`: the dense network's answers and the level's, of each earlier seed; None where a run
    begun by an older version did not keep them. Nothing for fewer than three seeds.

    forgotten: share of the test images (PIEs of Hooker et al. 2019). forgotten_by_chance: the share
    between two halves of the dense networks. forgotten_p: of no difference between the two kinds of
    networks, see `pruning_identified`. accuracy_dense_forgotten and accuracy_dense_others: the
    dense networks' accuracy on these images, and on all others.
    """
    if len(earlier) + 1 < POPULATION or any(a is None or b is None for a, b in earlier):
        return {}, ()
    dense = np.stack([*(a for a, _ in earlier if a is not None), trained.dense_predictions])
    pruned = np.stack([*(b for _, b in earlier if b is not None), trained.test.predictions])
    dense, pruned = dense.astype(np.int64), pruned.astype(np.int64)
    found = pruning_identified(dense, pruned, seed=trained.level)
    labels, chosen = trained.dataset.test.labels, found.identified
    right = (dense == labels).mean(axis=0)
    facts = {
        "forgotten": float(chosen.mean()),
        "forgotten_by_chance": found.by_chance,
        "forgotten_p": found.p,
    }
    if chosen.any() and not chosen.all():
        facts["accuracy_dense_forgotten"] = float(right[chosen].mean())
        facts["accuracy_dense_others"] = float(right[~chosen].mean())
    before, after = modal_answers(dense), modal_answers(pruned)
    agreed, agree = (dense == before).mean(axis=0), (pruned == after).mean(axis=0)
    images = tuple(
        ForgottenImage(
            level=trained.level,
            index=int(index),
            label=int(labels[index]),
            dense=int(before[index]),
            pruned=int(after[index]),
            dense_share=float(agreed[index]),
            pruned_share=float(agree[index]),
        )
        for index in np.flatnonzero(chosen)
    )
    return facts, images
