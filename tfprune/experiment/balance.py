"""What accuracy hides where one class has most of the images."""

from __future__ import annotations

import numpy as np

UNEVEN = 1.5  # largest class, in multiples of an even share


def balanced_accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Return the mean over classes of the share of a class's images that are told right.

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
    """Return the facts balanced_accuracy and majority_share; {} where classes are even.

    Uneven are classes of which the largest has 1.5 times its even share and more.
    """
    share = majority_share(labels)
    if share < UNEVEN / n_classes:
        return {}
    return {"balanced_accuracy": balanced_accuracy(labels, predictions), "majority_share": share}
