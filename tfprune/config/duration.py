"""One type for lengths of training: epochs or iterations (`'2ep'`, `'500it'`)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PATTERN = re.compile(r"^\s*(\d+)\s*(ep|it)?\s*$")


@dataclass(frozen=True)
class Duration:
    """A length of training: `count` epochs (`unit='ep'`) or iterations (`unit='it'`)."""

    count: int
    unit: str = "ep"

    def __post_init__(self) -> None:
        if self.unit not in ("ep", "it"):
            raise ValueError(f"unit must be 'ep' or 'it'; got {self.unit!r}")
        if self.count < 0:
            raise ValueError(f"count must be at least 0; got {self.count}")

    @classmethod
    def parse(cls, text: str | int | Duration) -> Duration:
        """Return the duration that `text` writes: `3` or `'3ep'` (epochs), `'500it'` (iterations).

        Raises ValueError, whose text says what was expected, for anything else.
        """
        if isinstance(text, Duration):
            return text
        match = _PATTERN.match(str(text)) if not isinstance(text, bool) else None
        if match is None:
            raise ValueError(
                "expected a number of epochs ('3' or '3ep') or of iterations ('500it'); "
                f"got {text!r}"
            )
        return cls(int(match[1]), match[2] or "ep")

    def steps(self, steps_per_epoch: int) -> int:
        """Return the number of optimizer steps that this is, given the steps in one epoch."""
        return self.count * steps_per_epoch if self.unit == "ep" else self.count

    def __str__(self) -> str:
        return f"{self.count}{self.unit}"
