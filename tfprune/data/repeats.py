"""Images that occur twice: in train and in test, or with two labels.

A test on images that were trained on is no test. Images are told apart by the bytes of their files,
or by their pixels where they came as arrays.
"""

from __future__ import annotations

import hashlib

import numpy as np

from tfprune.data.dataset import Examples
from tfprune.data.lazy import LazyImages, chunks

_DIGEST = 16  # bytes


def note_repeats(train: Examples, test: Examples, where: str) -> str | None:
    """Return what to say of images of `where` that occur more than once; None where none does.

    >>> images = np.arange(8, dtype=np.uint8).reshape(8, 1, 1, 1) // 2
    >>> one = Examples(images[:6], np.array([0, 0, 1, 0, 2, 2]), np.arange(6))
    >>> note_repeats(one, Examples(images[5:], np.array([2, 3, 3]), np.arange(3)), "mine")
    'In mine 3 of the 6 training images repeat another; 1 of the 3 test images is a training image \
too: accuracy on it is no test; 1 image occurs with two labels.'
    """
    ours, theirs = _digests(train, test)
    names, first, counts = np.unique(ours, return_index=True, return_counts=True)
    said = []
    again = int((counts - 1).sum())
    if again:
        said.append(f"{again} of the {len(ours)} training images {_verb(again, 'repeat')} another")
    shared = int(np.isin(theirs, names).sum())
    if shared:
        what, it = ("is a training image", "it") if shared == 1 else ("are training images", "them")
        said.append(
            f"{shared} of the {len(theirs)} test images {what} too: accuracy on {it} is no test"
        )
    everything = np.concatenate([ours, theirs])
    labels = np.concatenate([train.labels, test.labels])
    _, first, members = np.unique(everything, return_index=True, return_inverse=True)
    odd = len(np.unique(members[labels != labels[first[members]]]))
    if odd:
        said.append(f"{odd} {'image occurs' if odd == 1 else 'images occur'} with two labels")
    return f"In {where} {'; '.join(said)}." if said else None


def trained_on(test: Examples, *trained: Examples) -> str | None:
    """Return what to say of a test set's images that a network is trained or validated on."""
    shared = 0
    for part in trained:
        ours, theirs = _digests(part, test)
        shared += int(np.isin(theirs, ours).sum())
    if not shared:
        return None
    return (
        f"{shared} of its {len(test)} images {_verb(shared, 'belong')} to those that the network "
        "is trained or validated on: accuracy on them is no test."
    )


def _verb(n: int, word: str) -> str:
    return f"{word}s" if n == 1 else word


def _digests(one: Examples, other: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Return what tells the images of two sets apart, (n,) each; nothing where they can't be held
    against each other: files beside arrays of which one is not in memory."""
    stored = [_of_files(part) for part in (one, other)]
    if stored[0] is not None and stored[1] is not None:
        return stored[0], stored[1]
    if any(isinstance(part.images, LazyImages) for part in (one, other)):
        nothing = np.empty(0, f"V{_DIGEST}")
        return nothing, nothing
    return _of_pixels(one), _of_pixels(other)


def _of_files(examples: Examples) -> np.ndarray | None:
    content = examples.content
    if content is None and isinstance(examples.images, LazyImages):
        content = examples.images.content()
    if content is None:
        return None
    return np.ascontiguousarray(content).view(f"V{content.shape[1]}")[:, 0]


def _of_pixels(examples: Examples) -> np.ndarray:
    found = bytearray()
    for some in chunks(examples.images):
        for image in some:
            whole = np.ascontiguousarray(image)
            found += hashlib.blake2b(whole.data, digest_size=_DIGEST).digest()
    return np.frombuffer(found, f"V{_DIGEST}")
