"""The errors that a user can meet, and the wording they share.

A message says what was expected, what arrived and what to do. The command line prints it
without a traceback and ends with the class's exit status.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from tfprune.secrets import masked


class TfpruneError(Exception):
    """Base of all errors raised on purpose; `exit_status` is what the command line returns.

    Texts of other libraries go into its messages, so secrets are masked here, once.
    """

    exit_status = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(masked(str(message)))


class InputError(TfpruneError, ValueError):
    """The command line, a configuration or a file is wrong: nothing was done, nothing written."""

    exit_status = 2


class RunError(TfpruneError, RuntimeError):
    """Something failed while running (training diverged, disk full, ...); what was logged stays."""


class InvariantError(RunError):
    """A promise that tfprune checks after every level was broken; the message names the tensor."""


def nearest(name: str, known: Iterable[str], *, n: int = 3) -> list[str]:
    """Return at most `n` of the `known` names that look most like `name`, best first."""
    return difflib.get_close_matches(name, list(known), n=n, cutoff=0.5)


def unknown_name(kind: str, name: str, known: Iterable[str], *, where: str = "") -> InputError:
    """Return the error for a `name` that is not among the `known` ones of this `kind`.

    `where` follows the list: what to do when none of the known names will serve.
    """
    names = list(known)
    close = nearest(name, names)
    hint = f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else "."
    listed = f" Known: {', '.join(names)}." if names and len(names) <= 40 else ""
    tail = f" {where}" if where else ""
    return InputError(f"unknown {kind} {name!r}{hint}{listed}{tail}")


def check_unmasked(values: object, label: str) -> None:
    """Raise InputError for a masked array, whose mask would be lost without a word.

    Also where nothing is masked: what becomes of masked values is for the caller to say.
    """
    import numpy as np

    if isinstance(values, np.ma.MaskedArray):
        n_masked = int(np.ma.getmaskarray(values).sum())
        raise InputError(
            f"{label} is a masked array ({n_masked} of {values.size} values masked), and its mask "
            "would be ignored. Leave out the rows that hold masked values, or fill them with "
            ".filled(value)."
        )
