"""What a level's ticket is, beyond its accuracy: size, cost, dead ends, signs, neighbours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from tfprune.pruning.facts import (
    mask_overlap,
    mask_overlap_by_layer,
    sparsity,
)
from tfprune.pruning.kernels import full_masks
from tfprune.pruning.paths import effective_masks
from tfprune.results import OverlapResult

if TYPE_CHECKING:
    import tf_keras

    from tfprune.pruning.kernels import PrunableTensor


Masks = Mapping[str, np.ndarray]


def graph_facts(
    network: tf_keras.Model, tensors: Sequence[PrunableTensor], masks: Masks
) -> dict[str, float]:
    """Return the facts for which channels are followed through the network's graph."""
    from tfprune.models.shrink import flops
    from tfprune.models.topology import channel_graph

    cost = flops(network, masks)
    graph = channel_graph(network, set(masks))
    return {
        "flops_dense": float(sum(layer.dense for layer in cost.values())),
        "flops_sparse": float(sum(layer.sparse for layer in cost.values())),
        "effective_sparsity": sparsity(effective_masks(masks, tensors, graph)),
    }


def why_unfollowed(network: tf_keras.Model, tensors: Sequence[PrunableTensor]) -> str | None:
    """Return why channels can't be followed through a network, None where they can."""
    from tfprune.errors import InputError, reason

    try:
        graph_facts(network, tensors, full_masks(tuple(tensors)))
    # Reason for the breadth: a graph of users' layers may break any assumption of those who
    # follow it, and these facts must not cost a run that is otherwise sound.
    except Exception as error:
        said = reason(error)
        return said if isinstance(error, InputError) else f"{type(error).__name__}: {said}"
    return None


def overlaps_with(
    earlier: Mapping[int, Masks], masks: Masks, *, seed: int, level: int
) -> list[OverlapResult]:
    """Return the overlap of one seed's masks with those of each earlier seed, at one level."""
    found = []
    for other, theirs in earlier.items():
        whole, layers = mask_overlap(theirs, masks), mask_overlap_by_layer(theirs, masks)
        found.append(
            OverlapResult(
                seed_a=other,
                seed_b=seed,
                level=level,
                jaccard=whole.jaccard,
                chance=whole.by_chance,
                layer_jaccard={name: layer.jaccard for name, layer in layers.items()},
                layer_chance={name: layer.by_chance for name, layer in layers.items()},
            )
        )
    return found


UNEVEN = 1.5  # largest class, in multiples of an even share


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean over classes of the share of a class's images that are classified correctly.

    In [0, 1]; 1 / n_classes for a network that gives one answer to all images. Over the classes
    that have images (Brodersen et al. 2010, for any number of classes).

    >>> balanced_accuracy(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 0]))
    0.5
    """
    hits = [np.mean(predictions[labels == label] == label) for label in np.unique(labels)]
    return float(np.mean(hits))


def majority_share(labels: np.ndarray) -> float:
    """Return the share of the images that are of the largest class: accuracy without a network."""
    return float(np.unique(labels, return_counts=True)[1].max() / len(labels))


def balance_facts(labels: np.ndarray, predictions: np.ndarray, n_classes: int) -> dict[str, float]:
    """Return what accuracies stand beside: how many images, and what chance comes to.

    These are test_images, majority_share and, where classes are uneven, balanced_accuracy and its
    chance.

    Uneven are classes of which the largest has 1.5 times its even share and more.
    """
    share, n_images = majority_share(labels), float(len(labels))
    if share < UNEVEN / n_classes:
        return {"majority_share": share, "test_images": n_images}
    return {
        "balanced_accuracy": balanced_accuracy(labels, predictions),
        "balanced_chance": 1 / len(np.unique(labels)),
        "majority_share": share,
        "test_images": n_images,
    }
