"""Names that Keras gives by itself, the same whatever a process has built before."""

from __future__ import annotations

import collections
import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_KERAS3_COUNTS = "object_name_uids"


@contextlib.contextmanager
def counted_from_zero() -> Iterator[None]:
    """Let both Keras libraries count automatic names from zero within the block, as at a start.

    `conv2d_7` of a function that is called a second time is `conv2d` then, as in the process of
    whoever wrote it. Afterwards both count on from where they were.
    """
    from tf_keras.src import backend

    graphs = backend.PER_GRAPH_OBJECT_NAME_UIDS
    counts = {graph: dict(found) for graph, found in graphs.items()}
    observed = set(backend.OBSERVED_NAMES)
    keras3_counts = _keras3_counts()
    backend.reset_uids()
    _set_keras3_counts({})
    try:
        yield
    finally:
        backend.reset_uids()
        for graph, found in counts.items():
            graphs[graph] = collections.defaultdict(int, found)
        backend.OBSERVED_NAMES.update(observed)
        _set_keras3_counts(keras3_counts)


def _keras3_state() -> Any:
    """Return Keras 3's module of global state; None where nothing has imported Keras 3 yet."""
    if "keras" not in sys.modules:
        return None
    from keras.src.backend.common import global_state

    return global_state


def _keras3_counts() -> dict[str, int]:
    state = _keras3_state()
    return dict(state.get_global_attribute(_KERAS3_COUNTS) or {}) if state else {}


def _set_keras3_counts(counts: dict[str, int]) -> None:
    state = _keras3_state()
    if state:
        state.set_global_attribute(_KERAS3_COUNTS, collections.defaultdict(int, counts))
