"""Names of layers: those that Keras gives by itself, and users' own, which graphs hold spelt.

A user's layer may be called 卷积 or `conv 1`. TensorFlow runs no graph with such a name, so the
networks that are trained hold it spelt in letters that it takes. That is a matter of `models` and
of who looks a layer up by its name there: all others know it as the user does (`called`).
"""

from __future__ import annotations

import collections
import contextlib
import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
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


# what a name in a graph's scope can't hold, and dots that would be read as the marks of a spelling
_REFUSED = re.compile(r"(?:[^A-Za-z0-9_./>-]|>(?![A-Za-z0-9.])|\.{2,})+")
_SPELLING = re.compile(r"\.\.([0-9a-f]+(?:\.[0-9a-f]+)*)\.\.")
_UNSHOWABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, line breaks
_JOINERS = "\u200c\u200d"  # which Persian, the scripts of India and emoji are written with


def spell(name: str) -> str:
    """Return `name` as TensorFlow takes it in its graphs; `shown` gives the name back.

    Letters of other scripts, spaces and most punctuation can't stand in the scopes that tf_keras
    makes of names. They are spelt by their code points, so that names stay apart. What
    nobody can see or type (control characters) becomes an underscore for good.

    >>> spell("卷积"), spell("conv 1"), spell("conv_1")
    ('..5377.79ef..', 'conv..20..1', 'conv_1')
    """
    name = "".join("_" if _is_unshowable(letter) else letter for letter in name) or "layer"
    if not (is_node_name(name) and re.match(r"[A-Za-z0-9.]", name)):
        name = _REFUSED.sub(lambda found: _code_points(found.group()), name)
        if not re.match(r"[A-Za-z0-9.]", name):
            name = _code_points(name[0]) + name[1:]
    return name


def shown(name: str) -> str:
    """Return the user's own name of a layer or model that is called `spell(name)` in a graph.

    >>> shown("..5377.79ef..")
    '卷积'
    """
    if ".." not in name:
        return name
    own = _SPELLING.sub(
        lambda found: "".join(chr(int(code, 16)) for code in found.group(1).split(".")), name
    )
    return own if spell(own) == name else name


def called(layer: Any) -> str:
    """Return what the user calls a layer or model: the name in tables, files and settings."""
    return shown(layer.name)


def _is_unshowable(letter: str) -> bool:
    kind = unicodedata.category(letter)
    return kind in _UNSHOWABLE or (kind == "Cf" and letter not in _JOINERS)


def _code_points(letters: str) -> str:
    return f"..{'.'.join(f'{ord(letter):x}' for letter in letters)}.."


# letters that Unicode does not take apart into a plain one and an accent
_SPELT = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})


def clean(name: str) -> str:
    """Return `name`, respelt to be read, as both libraries run it: for copies that leave tfprune.

    Keras 3 refuses `/`, and on TensorFlow runs what TensorFlow takes as a scope; see `spell`. What
    can't stand becomes an underscore; accents go, and other letters become their code point, as in
    `u5377`. There is no way back.
    """
    name = shown(name).translate(_SPELT)
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    name = "".join(c if c.isascii() or not c.isalnum() else f"u{ord(c):x}" for c in plain)
    name = re.sub(r"[^A-Za-z0-9_.>-]|>(?![A-Za-z0-9.])", "_", name)
    return name if re.match(r"[A-Za-z0-9.]", name) else f"layer{name}"


def unique(name: str, taken: set[str], spelt: Callable[[str], str] = spell) -> str:
    """Return `name`, spelt, with a number appended if it is in `taken`; adds it to `taken`."""
    base = candidate = spelt(name)
    number = 1
    while candidate in taken:
        candidate = f"{base}_{number}"
        number += 1
    taken.add(candidate)
    return candidate
