"""Units against whole-image labels: how well a unit tells a class apart, how selective it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.dissection.concepts import Concept
from tfprune.errors import InputError

#: permutations of the images' labels: with 19, a unit beats all of them by chance once in 20
PERMUTATIONS = 19


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Images labelled with the concepts that they show, without masks of where.

    images: (n_images, height, width, channels), as the network's data set stores them.
    concepts: what images may show.
    members: (n_images, n_concepts), True where an image shows the concept; it may show several.

    Raises InputError where the shapes do not fit.

    >>> cats = LabelledImages(np.zeros((2, 4, 4, 3)), (Concept("cat", "animal"),),
    ...                       np.array([[True], [False]]))
    >>> cats.members[:, 0].tolist()
    [True, False]
    """

    images: NDArray[Any]
    concepts: tuple[Concept, ...]
    members: NDArray[np.bool_]

    def __post_init__(self) -> None:
        shape = len(self.images), len(self.concepts)
        if self.members.shape != shape or self.members.dtype != np.bool_:
            raise InputError(
                f"the labels of {shape[0]} images and {shape[1]} concepts are a boolean array "
                f"{shape}, got {self.members.dtype} {self.members.shape}."
            )


@dataclass(frozen=True, eq=False)
class Telling:
    """How well units tell the images with a concept from those without.

    auc: (n_units, n_concepts), see `label_auc`. floor_best: (n_units,), over permutations of the
        images' labels the largest AUC of any concept. selectivity: (n_units,), see
        `class_selectivity`; NaN where answers are negative. Of a single concept it compares the
        images with it and those without, and is negative where these have the larger mean.
        floor, selectivity_floor: (n_units,),
        the largest AUC of any concept and the selectivity with permuted labels, means over
        permutations: by chance, the best of many concepts looks told, and a unit that seldom
        answers looks selective.

    >>> told = tell_labels(np.arange(40.0)[:, None], (np.arange(40) >= 20)[:, None])
    >>> told.best_auc.tolist(), told.above_floor().tolist()
    ([1.0], [True])
    """

    auc: NDArray[np.float64]
    floor_best: NDArray[np.float64]
    selectivity: NDArray[np.float64]
    floor: NDArray[np.float64]
    selectivity_floor: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.intp]:
        """The concept (its place) of largest AUC, of equal ones the first: (n_units,)."""
        return np.asarray(np.where(np.isnan(self.auc), -1.0, self.auc).argmax(axis=1))

    @property
    def best_auc(self) -> NDArray[np.float64]:
        """Its AUC: (n_units,); NaN where no concept has one."""
        return np.asarray(np.take_along_axis(self.auc, self.best[:, None], axis=1)[:, 0])

    def above_floor(self) -> NDArray[np.bool_]:
        """Return which units tell their concept better than any with permuted labels."""
        return np.asarray(self.best_auc > self.floor_best)


def tell_labels(
    answers: NDArray[Any],
    members: NDArray[np.bool_],
    *,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Telling:
    """Return how well units tell which images show which concept.

    answers: (n_images, n_units), such as a map's maximum. members: (n_images, n_concepts).
    permutations: how often the images' labels are permuted for the floors; with 0, floors are 0.
    seed: of the permutations.

    Raises InputError for other shapes.

    >>> rng = np.random.default_rng(0)
    >>> shows_cat = rng.random(200) < 0.5
    >>> answers = np.stack([shows_cat + 0.1 * rng.random(200), rng.random(200)], axis=1)
    >>> told = tell_labels(answers, shows_cat[:, None])
    >>> told.best_auc.round(1).tolist(), told.above_floor().tolist()
    ([1.0, 0.5], [True, False])
    """
    if np.ndim(answers) != 2 or np.shape(members)[:1] != np.shape(answers)[:1]:
        raise InputError(
            "labels are rows of (n_images, n_concepts), one for each row of answers (n_images, "
            f"n_units); got answers {np.shape(answers)} and labels {np.shape(members)}."
        )
    ranks = _ranks(answers)
    rng = np.random.default_rng(seed)
    best, selective = np.zeros((2, max(permutations, 1), answers.shape[1]))
    for draw in range(permutations):
        permuted = members[rng.permutation(len(members))]
        auc = _auc(ranks, permuted)
        best[draw] = np.where(np.isnan(auc), 0.0, auc).max(axis=1)
        selective[draw] = _selectivity(answers, permuted)
    return Telling(
        auc=_auc(ranks, members),
        floor_best=best.max(axis=0),
        selectivity=_selectivity(answers, members),
        floor=best.mean(axis=0),
        selectivity_floor=selective.mean(axis=0),
    )


def label_auc(answers: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return how well each unit tells each class from all others: (n_units, n_classes), in [0, 1].

    answers: (n_images, n_units), such as a map's maximum. labels: (n_images,), whole numbers.
    The area under the ROC curve: the share of pairs of an image of the class and one of another of
    which the first has the larger answer, ties counted half. NaN for a class without images, or
    with all of them. Raises InputError for other shapes, and for labels that are no whole numbers.

    >>> label_auc(np.array([[0.0], [1.0], [2.0]]), np.array([0, 0, 1])).tolist()
    [[0.0, 1.0]]
    """
    return _auc(_ranks(answers), _members(answers, labels))


def class_selectivity(answers: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.float64]:
    """Return each unit's class selectivity, (n_units,), in [0, 1] for answers of at least 0.

    answers: (n_images, n_units), such as a map's mean. labels: (n_images,), whole numbers.
    (m - r) / (m + r), m being the largest of the means over a class's images and r the mean
    of those of the other classes (Morcos et al. 2018, "On the importance of single directions").
    NaN where both are 0, as for a dead unit, where an answer is negative, and where all images are
    of one class. Raises InputError for other shapes, and for labels that are no whole numbers.

    >>> class_selectivity(np.array([[3.0, 1.0], [1.0, 1.0]]), np.array([0, 1])).tolist()
    [0.5, 0.0]
    """
    return _selectivity(answers, _members(answers, labels))


def _ranks(answers: NDArray[Any]) -> NDArray[np.float64]:
    from scipy.stats import rankdata

    return np.asarray(rankdata(answers, axis=0), dtype=np.float64)


def _auc(ranks: NDArray[np.float64], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    n = members.sum(axis=0)
    above = ranks.T @ members - n * (n + 1) / 2
    pairs = n * (len(members) - n)
    found = np.divide(above, pairs, out=np.full(above.shape, np.nan), where=pairs > 0)
    return np.asarray(found, dtype=np.float64)


def _selectivity(answers: NDArray[Any], members: NDArray[np.bool_]) -> NDArray[np.float64]:
    answers = np.asarray(answers, dtype=np.float64)
    shown = members[:, members.any(axis=0)]
    n_others = shown.shape[1] - 1
    if n_others < 0 or (n_others == 0 and shown.all()):
        return np.full(answers.shape[1], np.nan)
    means = (shown / shown.sum(axis=0)).T @ answers
    best = means.max(axis=0)
    rest = (means.sum(axis=0) - best) / n_others if n_others else answers[~shown[:, 0]].mean(axis=0)
    whole = best + rest
    told = (whole != 0) & (answers.min(axis=0) >= 0)
    found = np.divide(best - rest, whole, out=np.full(whole.shape, np.nan), where=told)
    return np.asarray(found, dtype=np.float64)


def _members(answers: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which row is of which class, (n_images, n_classes)."""
    labels = np.asarray(labels)
    if np.ndim(answers) != 2 or labels.shape != (len(answers),) or labels.dtype.kind not in "iu":
        raise InputError(
            "labels are whole numbers, one for each row of answers (n_images, n_units); got "
            f"answers {np.shape(answers)} and {labels.dtype} labels {labels.shape}."
        )
    return np.asarray(labels[:, None] == np.arange(int(labels.max()) + 1))
