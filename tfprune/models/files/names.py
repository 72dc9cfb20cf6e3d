"""Layer names that both libraries accept."""

from __future__ import annotations

import re
import unicodedata

# letters that Unicode does not take apart into a plain one and an accent
_SPELT = str.maketrans({"ß": "ss", "æ": "ae", "Æ": "Ae", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"})


def clean(name: str) -> str:
    """Return `name` with what one of the libraries refuses replaced.

    Keras 3 refuses `/`; tf_keras makes TensorFlow scopes of names, which hold neither spaces
    nor most punctuation and start with a letter, a digit or a dot: these become underscores.
    Accents go, and other letters become their code point, as in `u5377`, so that names stay apart.
    """
    name = name.translate(_SPELT)
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    name = "".join(c if c.isascii() or not c.isalnum() else f"u{ord(c):x}" for c in plain)
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
