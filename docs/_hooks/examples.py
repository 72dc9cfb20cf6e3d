"""Examples in docstrings (`>>>`, run by the tests) as blocks of code in the Python reference."""

from __future__ import annotations

import re
from typing import Any

from griffe import Extension, Object

# from the first prompt to the next empty line: what is printed follows its prompt directly
_EXAMPLE = re.compile(r"(?:^|(?<=\n\n))((?:>>> )[^\n]*(?:\n(?!\n)[^\n]+)*)", re.MULTILINE)


def fenced(text: str) -> str:
    """Return a docstring with a fence around every example that has none."""
    return _EXAMPLE.sub(lambda found: f"```pycon\n{found[1]}\n```", text)


class Examples(Extension):
    """Fences the examples of every docstring when it has been read."""

    def on_object(self, *, obj: Object, **_: Any) -> None:
        """Rewrite the docstring of one module, class or function."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)
