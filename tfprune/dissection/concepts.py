"""What a unit may stand for: concepts, each with the places where it is seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tfprune.errors import InputError


@dataclass(frozen=True)
class Concept:
    """A concept and its category.

    name, category: such as 'red' and 'colour'. Names are unique within a category.

    >>> Concept("red", "colour").category
    'colour'
    """

    name: str
    category: str


@dataclass(frozen=True, eq=False)
class ConceptSet:
    """Images, and where each concept is seen in them.

    images: (n_images, height, width, channels), as the network's data set stores them.
    concepts: what the masks show.
    masks: (n_images, n_concepts, height, width), True where the concept is seen; their resolution
        need not be that of the images.

    Raises InputError where the shapes do not fit, or a concept is named twice in its category.

    >>> images = np.zeros((2, 4, 4, 1))
    >>> masks = np.zeros((2, 1, 4, 4), bool)
    >>> masks[0, 0, :, :2] = True
    >>> bars = ConceptSet(images, (Concept("bar", "shape"),), masks)
    >>> bars.categories, bars.carries().tolist()
    (('shape',), [[True], [False]])
    """

    images: NDArray[Any]
    concepts: tuple[Concept, ...]
    masks: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n, k = len(self.images), len(self.concepts)
        shape = self.masks.shape
        if len(shape) != 4 or shape[:2] != (n, k) or self.masks.dtype != np.bool_:
            raise InputError(
                f"the masks of {n} images and {k} concepts are a boolean array ({n}, {k}, height, "
                f"width), got {self.masks.dtype} {shape}."
            )
        if len(set(self.concepts)) < len(self.concepts):
            twice = next(one for one in self.concepts if self.concepts.count(one) > 1)
            raise InputError(
                f"the {twice.category} {twice.name!r} is given twice. Join its masks into one."
            )

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories, in the order of their first concepts."""
        return tuple(dict.fromkeys(concept.category for concept in self.concepts))

    def of_category(self) -> NDArray[np.bool_]:
        """Return which concepts are of which category: (n_concepts, n_categories)."""
        return np.array(
            [[one.category == category for category in self.categories] for one in self.concepts]
        )

    def carries(self) -> NDArray[np.bool_]:
        """Return which images show a concept of which category: (n_images, n_categories)."""
        seen = self.masks.any(axis=(2, 3))
        return np.asarray(seen.astype(np.int64) @ self.of_category().astype(np.int64) > 0)


def reduced(concepts: ConceptSet, n_images: int, most: int) -> ConceptSet:
    """Return the first images of a set, with masks of at most `most` pixels in height and width.

    Of larger masks every second, third, ... pixel is kept.
    """
    step = -(-max(concepts.masks.shape[2:]) // most)
    masks = concepts.masks[:n_images, :, step // 2 :: step, step // 2 :: step]
    return ConceptSet(concepts.images[:n_images], concepts.concepts, masks)


def joined(sets: Sequence[ConceptSet]) -> ConceptSet:
    """Return concept sets of the same images as one, their concepts side by side."""
    return ConceptSet(
        sets[0].images,
        tuple(concept for one in sets for concept in one.concepts),
        np.concatenate([one.masks for one in sets], axis=1),
    )
