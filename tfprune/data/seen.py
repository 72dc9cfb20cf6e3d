"""Images and what is seen in them, where or at all, from whatever file or data set says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tfprune.data.outlines import BoxOutline, Outline

Name = tuple[str, str]  # category, concept
#: top, left, bottom and right as shares of height and width, from the upper left corner
Box = tuple[float, float, float, float]


class Seen(NamedTuple):
    """Images (n, height, width, 3) in [0, 255], and what is seen in them.

    masks: (n, n_names, height, width), where; None where only `members` (n, n_names) is known:
    whether it is seen at all.
    """

    images: np.ndarray
    names: tuple[Name, ...]
    masks: np.ndarray | None
    members: np.ndarray


def seen_in_boxes(
    images: Sequence[np.ndarray], boxes: Sequence[Iterable[tuple[Name, Box]]]
) -> Seen:
    """Return images with the boxes of each as masks, see `seen_in_outlines`."""
    return seen_in_outlines(
        images, [[(name, BoxOutline(*box)) for name, box in of_image] for of_image in boxes]
    )


def seen_in_outlines(
    images: Sequence[np.ndarray], outlines: Sequence[Iterable[tuple[Name, Outline]]]
) -> Seen:
    """Return images with what each outline holds as masks.

    A pixel is in an outline where its centre is. One without any pixel's centre, as of a thing that
    became small when the image did, takes the pixel of its own middle.
    """
    height, width = images[0].shape[:2]
    listed = [list(of_image) for of_image in outlines]
    names = tuple(sorted({name for of_image in listed for name, _ in of_image}))
    place = {name: index for index, name in enumerate(names)}
    masks = np.zeros((len(images), len(names), height, width), dtype=bool)
    for index, of_image in enumerate(listed):
        for name, outline in of_image:
            masks[index, place[name]] |= outline.within(height, width)
    return Seen(np.stack(images), names, masks, np.asarray(masks.any(axis=(2, 3))))


def seen_at_all(images: Sequence[np.ndarray], labels: Sequence[Iterable[Name]]) -> Seen:
    """Return images with what each shows somewhere."""
    listed = [set(of_image) for of_image in labels]
    names = tuple(sorted(set().union(*listed)))
    members = np.array([[name in of_image for name in names] for of_image in listed], dtype=bool)
    return Seen(np.stack(images), names, None, members.reshape(len(images), len(names)))
