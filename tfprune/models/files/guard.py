"""A limit on the weights that a loader may create."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tfprune.errors import InputError
from tfprune.models.files.libraries import keras3

# Counters, random states and the like that a model makes but a file need not hold.
SLACK = 1 << 16


@contextmanager
def at_most(n_weights: int | None, *, file: str) -> Iterator[None]:
    """Within this context, no library creates more weights than the file holds.

    A few bytes of configuration can ask for terabytes (`Dense(10**12)`); the memory would be
    taken before anyone compares with the stored weights. Raises InputError from inside the
    loader when the limit is passed. `None` sets no limit. Counts what any thread creates
    meanwhile: models are loaded one at a time.
    """
    if n_weights is None:
        yield
        return
    import tensorflow as tf

    created = 0

    def count(shape: Any) -> None:
        nonlocal created
        size = 1
        for dimension in tuple(shape or ()):
            size *= int(dimension)
        created += size
        if created > n_weights + SLACK:
            raise InputError(
                f"model file {file!r}: its layers ask for more than {created:,} weights, "
                f"but it holds {n_weights:,}. Damaged or made to exhaust memory; refused."
            )

    def creator(next_creator: Any, **kwargs: Any) -> Any:
        if kwargs.get("shape") is not None:
            count(kwargs["shape"])
        return next_creator(**kwargs)

    variable = keras3().Variable
    original = variable.__init__

    def counted(self: Any, initializer: Any, shape: Any = None, *args: Any, **kwargs: Any) -> None:
        count(shape)
        original(self, initializer, shape, *args, **kwargs)

    variable.__init__ = counted
    try:
        with tf.variable_creator_scope(creator):
            yield
    finally:
        variable.__init__ = original
