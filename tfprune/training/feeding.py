"""The calls in which an epoch takes its steps, and the images of each that are not in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from tfprune.data import Augmentation, augment, enlarge
from tfprune.data.lazy import Images, LazyImages, bounded

STEPS_PER_CALL = 16  # bounds how long an interrupt waits; has no influence on the arithmetic


def calls(
    images: Images, order: np.ndarray, *, first: int, batch_size: int
) -> Iterator[tuple[int, int, Any]]:
    """Yield the calls that show a network images in the order given: start, stop, block.

    images: those of training. order: their positions, from step `first` on. start, stop: the steps
        that a call takes. block: a tensor of the images of these steps, in order, with room for as
        many as any call takes, so that its shape stays the same; None for images in memory.

    The blocks of the next calls are read by other threads meanwhile.
    """
    import tensorflow as tf

    last = first + -(-len(order) // batch_size)
    n_steps = STEPS_PER_CALL
    if isinstance(images, LazyImages):
        n_steps = max(1, bounded(images, STEPS_PER_CALL * batch_size) // batch_size)
    spans = [(start, min(start + n_steps, last)) for start in range(first, last, n_steps)]
    if not isinstance(images, LazyImages):
        for start, stop in spans:
            yield start, stop, None
        return
    parts = [order[(a - first) * batch_size : (b - first) * batch_size] for a, b in spans]
    blocks = images.blocks(parts, room=n_steps * batch_size)
    for (start, stop), block in zip(spans, blocks, strict=True):
        yield start, stop, tf.constant(block)


def prepared(x: Any, varied: Augmentation | None, chosen: Any, shift: Any, flip: Any) -> Any:
    """Return the normalised images x of a batch as they are varied, in a graph.

    chosen: the positions (b,) at which `shift`, or the boxes that are enlarged, and `flip` hold
    what is done with each image of the training set.
    """
    import tensorflow as tf

    if varied is None:
        return x
    if varied.resized:
        x = enlarge(x, tf.gather(shift, chosen))
    return augment(
        x,
        None if shift is None or varied.resized else tf.gather(shift, chosen),
        None if flip is None else tf.gather(flip, chosen),
        padding=varied.padding,
    )
