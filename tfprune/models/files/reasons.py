"""What a library's error says, fit for one line."""

from __future__ import annotations

import re

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
LENGTH = 300


def reason(error: BaseException) -> str:
    """Return an error's message on one line, without terminal colours, at most 300 characters."""
    text = " ".join(_COLOURS.sub("", str(error)).split()).rstrip(".")
    if len(text) > LENGTH:
        text = f"{text[:LENGTH]}..."
    return text or type(error).__name__
