"""Layer names that both libraries accept."""

from __future__ import annotations

import re


def clean(name: str) -> str:
    """Return `name` with what one of the libraries refuses replaced by an underscore.

    Keras 3 refuses `/`; tf_keras makes TensorFlow scopes of names, which hold neither spaces
    nor most punctuation and start with a letter, a digit or a dot.
    """
    name = re.sub(r"[^A-Za-z0-9_.>-]", "_", name)
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
