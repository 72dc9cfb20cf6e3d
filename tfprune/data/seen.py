"""Images and what is seen in them, where or at all, from whatever file or data set says so."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

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
    """Return images with the boxes of each as masks.

    A pixel is in a box where its centre is. A box without any pixel's centre, as of a thing that
    became small when the image did, takes the pixel of its own centre.
    """
    height, width = images[0].shape[:2]
    listed = [list(of_image) for of_image in boxes]
    names = tuple(sorted({name for of_image in listed for name, _ in of_image}))
    place = {name: index for index, name in enumerate(names)}
    masks = np.zeros((len(images), len(names), height, width), dtype=bool)
    for index, of_image in enumerate(listed):
        for name, (top, left, bottom, right) in of_image:
            rows, columns = _within(top, bottom, height), _within(left, right, width)
            masks[index, place[name], rows, columns] = True
    return Seen(np.stack(images), names, masks, np.asarray(masks.any(axis=(2, 3))))


def _within(low: float, high: float, n: int) -> slice:
    """Return the pixels of n whose centres lie in [low, high), at least one."""
    first, stop = (int(np.clip(np.ceil(end * n - 0.5), 0, n)) for end in (low, high))
    if first < stop:
        return slice(first, stop)
    middle = int(np.clip((low + high) / 2 * n, 0, n - 1))
    return slice(middle, middle + 1)


def seen_at_all(images: Sequence[np.ndarray], labels: Sequence[Iterable[Name]]) -> Seen:
    """Return images with what each shows somewhere."""
    listed = [set(of_image) for of_image in labels]
    names = tuple(sorted(set().union(*listed)))
    members = np.array([[name in of_image for name in names] for of_image in listed], dtype=bool)
    return Seen(np.stack(images), names, None, members.reshape(len(images), len(names)))
