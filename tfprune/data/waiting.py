"""A line on stderr for what takes long while data is read, where somebody looks at a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")

_QUIET, _EVERY = 2.0, 0.5  # seconds before the first word, and between two


def counted(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """Yield the items; after two seconds say on a terminal's stderr how many have passed."""
    if not sys.stderr.isatty():
        yield from items
        return
    due, shown = time.monotonic() + _QUIET, False
    whole = "" if total is None else f" of {total:,}"
    for number, item in enumerate(items, start=1):
        if time.monotonic() >= due:
            print(f"\r{number:,}{whole} {what}", end="", file=sys.stderr, flush=True)
            due, shown = time.monotonic() + _EVERY, True
        yield item
    if shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)
