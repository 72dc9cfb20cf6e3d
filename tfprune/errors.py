"""The errors that a user can meet, the wording they share, and the secrets masked in all of it.

A message says what was expected, what arrived and what to do. The command line prints it
without a traceback and ends with the class's exit status.

Passwords, tokens and keys never leave the process: `masked` takes them out of any text, in two
ways, since libraries quote what they were given in forms of their own:

- by form: what stands before the `@` of an address (`http://joe:pw@host`, `joe:pw@host:5000`),
  and the values of parameters whose names speak of a secret (`?password=pw`, `sslpassword=pw`);
- by value: what `remember` was told and what the environment holds in variables such as
  `MLFLOW_TRACKING_TOKEN` or `AWS_SECRET_ACCESS_KEY`, wherever it stands, plain or quoted for a URI.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus, unquote

MASK = "***"

_NAMES = (
    r"passw(?:or)?d|passphrase|pwd|secret|token|api[_.\-]?key|access[_.\-]?key|private[_.\-]?key"
    r"|account[_.\-]?key|shared[_.\-]?key|signature|credentials?|authorization|bearer"
    r"|(?<![A-Za-z])(?:pass|sig|auth)(?![A-Za-z])"
)
# greedy up to the last @ before white space: a password may hold slashes, colons and @ itself
_USER_AT = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)[^\s'\"<>]*@")
_USER_AT_BARE = re.compile(r"(?<![\w/.\-])[\w.+%\-]+:(?!//)[^\s'\"<>]*@(?=[\w\[])")
_PARAMETER = re.compile(
    rf"((?:^|[?&;\s,{{\"'(])[\w.\-]*?(?:{_NAMES})\w*[\"']?=)[\"']?[^\s&;,'\"#)}}]+", re.IGNORECASE
)
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~\-]{6,}")
_VARIABLE = re.compile(rf"(?:{_NAMES})(?:$|_)", re.IGNORECASE)

#: a shorter value would also be found where it is no secret; the forms above find it in addresses
_SHORTEST = 4
#: variables that merely sound like one hold numbers, switches and paths
_SHORTEST_HELD = 8

_known: set[str] = set()


def remember(uri: str) -> None:
    """Take the secrets that a URI holds, so that `masked` finds them in other people's texts."""
    address = uri.partition("://")[2] or uri
    user, at, _ = address.rpartition("@")
    if at and ":" in user:
        password = user.partition(":")[2]
        # a parser that stops at the first slash quotes a part of the password only
        _known.update({password, *re.split(r"[/?#@:]", password)})
    for name, value in re.findall(r"[?&;]([^=&;]+)=([^&;#]*)", address):
        if re.search(_NAMES, unquote(name), re.IGNORECASE):
            _known.add(value)


def _values() -> list[str]:
    """Return every form in which a known secret may stand in a text, longest first."""
    held = {value for name, value in os.environ.items() if _VARIABLE.search(name)}
    secrets = _known | {v for v in held if len(v) >= _SHORTEST_HELD and not v.startswith("/")}
    plain = {form for value in secrets for form in (value, unquote(value))}
    forms = plain | {f for v in plain for f in (quote(v), quote(v, safe=""), quote_plus(v))}
    return sorted((f for f in forms if len(f) >= _SHORTEST), key=len, reverse=True)


def masked_form(text: str) -> str:
    """Return `text` with secrets masked where their form tells them, for values of a user's own.

    >>> masked_form("http://joe:hunter2@host:5000")
    'http://***@host:5000'
    >>> masked_form("postgresql://host/db?user=joe&password=hunter2")
    'postgresql://host/db?user=joe&password=***'
    """
    text = _USER_AT.sub(rf"\1{MASK}@", text)
    text = _USER_AT_BARE.sub(f"{MASK}@", text)
    text = _PARAMETER.sub(rf"\1{MASK}", text)
    return _HEADER.sub(rf"\1 {MASK}", text)


def masked(text: str) -> str:
    """Return `text` with every secret masked, by its form and by its value: for all messages.

    >>> remember("http://joe:hunter2@host:5000")
    >>> masked("login failed for joe with hunter2")
    'login failed for joe with ***'
    """
    text = masked_form(text)
    for value in _values():
        text = text.replace(value, MASK)
    return text


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


class DamagedError(InputError):
    """A file of tfprune's own is not what was written; the message names it."""

    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"{path} is damaged: {reason}. It was left as it is.")
        self.path, self.reason = path, reason


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
    text = " ".join(_COLOURS.sub("", str(error)).split()).rstrip(".")
    if len(text) > _LONGEST:
        text = f"{text[:_LONGEST]}..."
    return text or type(error).__name__
