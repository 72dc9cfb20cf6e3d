"""Names of layers: what Keras gives by itself, counted anew, and what both libraries take."""

from __future__ import annotations

import collections
import contextlib
import re
import sys
import unicodedata
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


# letters that Unicode does not take apart into a plain one and an accent
_SPELT = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})


_PART = r"[A-Za-z0-9_./-]*"
_NODE = re.compile(rf"{_PART}(>[A-Za-z0-9.]{_PART})*")  # of a name within another's scope


def is_node_name(name: str) -> bool:
    """Whether TensorFlow takes a layer's or model's name as a part of its nodes' names.

    tf_keras builds more than TensorFlow runs: a `>` must have a letter, a digit or a dot behind
    it (`IsValidNodeName` of tensorflow/core/framework/node_def_util.cc).

    >>> is_node_name("block>conv"), is_node_name("conv>")
    (True, False)
    """
    return _NODE.fullmatch(name) is not None


def clean(name: str) -> str:
    """Return `name` with what one of the libraries refuses replaced.

    Keras 3 refuses `/`; tf_keras makes TensorFlow scopes of names, which hold neither spaces
    nor most punctuation and start with a letter, a digit or a dot: these become underscores, and
    so does a `>` that is not followed by one of the three.
    Accents go, and other letters become their code point, as in `u5377`, so that names stay apart.
    """
    name = name.translate(_SPELT)
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    name = "".join(c if c.isascii() or not c.isalnum() else f"u{ord(c):x}" for c in plain)
    name = re.sub(r"[^A-Za-z0-9_.>-]|>(?![A-Za-z0-9.])", "_", name)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"layer{name}"


def unique(name: str, taken: set[str]) -> str:
    """Return `name`, cleaned, with a number appended if it is in `taken`; adds it to `taken`."""
    base = candidate = clean(name)
    number = 1
    while candidate in taken:
        candidate = f"{base}_{number}"
        number += 1
    taken.add(candidate)
    return candidate
