"""The errors that a user can meet, the wording they share, and the secrets masked in all of it.

A message says what was expected, what arrived and what to do. The command line prints it
without a traceback and ends with the class's exit status.

Texts of other libraries and of servers go into messages, so secrets are masked in all of them (see
`tfprune.masking`), and what would steer a terminal is shown as an escape.
"""

from __future__ import annotations

import difflib
import os
import re
import reprlib
import unicodedata
from collections.abc import Iterable

from tfprune.masking import masked


def legible(text: str) -> str:
    """Return `text` with control characters as escapes, but for new lines and tabs.

    >>> legible("not\x1b[31m found")
    'not\\x1b[31m found'
    """
    return "".join(
        letter.encode("unicode_escape").decode()
        if unicodedata.category(letter) in ("Cc", "Cs") and letter not in "\n\t"
        else letter
        for letter in text
    )


class TfpruneError(Exception):
    """Base of all errors raised on purpose; `exit_status` is what the command line returns.

    Texts of other libraries go into its messages, so secrets are masked here, once.
    """

    exit_status = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(legible(masked(str(message))))


class InputError(TfpruneError, ValueError):
    """The command line, a configuration or a file is wrong: nothing was done, nothing written."""

    exit_status = 2


class DamagedError(InputError):
    """A file of tfprune's own is not what was written; the message names it."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}. It was left unchanged.")
        self.path, self.reason = path, reason


class RunError(TfpruneError, RuntimeError):
    """Something failed while running (training diverged, disk full, ...); what was logged stays."""


class InvariantError(RunError):
    """A promise that tfprune checks after every level was broken; the message names the tensor."""


def nearest(name: str, known: Iterable[str], *, n: int = 3) -> list[str]:
    """Return at most `n` of the `known` names that look most like `name`, best first."""
    return difflib.get_close_matches(name, list(known), n=n, cutoff=0.5)


def check_kind(value: object, kind: type | tuple[type, ...], expected: str) -> None:
    """Raise InputError where a value is of no such type; `expected` says what is, for a sentence.

    >>> check_kind(3, str, "the name of a run")
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: expected the name of a run; got 3 (int).
    """
    if not isinstance(value, kind):
        raise InputError(
            f"expected {expected}; got {reprlib.repr(value)} ({type(value).__name__})."
        )


def check_path(value: object, expected: str) -> None:
    """Raise InputError where a value is neither text nor a path object."""
    check_kind(value, (str, os.PathLike), f"{expected}, as text or a path object")


def unknown_name(kind: str, name: object, known: Iterable[str], *, where: str = "") -> InputError:
    """Return the error for a `name` that is not among the `known` ones of this `kind`.

    `where` follows the list: what to do when none of the known names will serve.
    """
    names = list(dict.fromkeys(known))
    close = nearest(name, names) if isinstance(name, str) else []
    hint = f"; did you mean {' or '.join(repr(c) for c in close)}?" if close else "."
    listed = f" Known: {', '.join(names)}." if names and len(names) <= 40 else ""
    tail = f" {where}" if where else ""
    return InputError(f"unknown {kind} {name!r}{hint}{listed}{tail}")


def check_writable(text: str, what: str) -> None:
    """Raise InputError where a text can't be written: to a file in UTF-8, or to a database.

    Python reads bytes that are no UTF-8 as lone surrogates, and would fail over them where they
    are written, after the training.

    >>> check_writable("a" + chr(0xDCFF), "the name of the run")
    Traceback (most recent call last):
        ...
    tfprune.errors.InputError: the name of the run is 'a\\udcff', which UTF-8 can't hold: ...
    """
    if "\0" in text:
        raise InputError(f"{what} is {text!r}, and a NUL can't be stored. Leave it out.")
    if any(0xD800 <= ord(letter) <= 0xDFFF for letter in text):
        raise InputError(
            f"{what} is {text!a}, which UTF-8 can't hold: it came as bytes of another "
            "encoding. Rename it, or type it in a UTF-8 locale such as LANG=C.UTF-8."
        )


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


_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_LONGEST = 300


def reason(error: BaseException) -> str:
    """Return an error's message on one line, without terminal colours, at most 300 characters."""
    # masked before it is cut: half a secret can't be told
    text = " ".join(masked(_COLOURS.sub("", str(error))).split()).rstrip(".")
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return text or type(error).__name__
