"""Passwords, tokens and keys never leave the process: `masked` takes them out of any text.

In two ways, since libraries quote what they were given in forms of their own:

- by value, first: what `remember` was told and what the environment holds in variables such as
  `MLFLOW_TRACKING_TOKEN` or `AWS_SECRET_ACCESS_KEY`, wherever it stands: plain, quoted for a URI,
  escaped as Python, JSON or HTML do, or in base64 with its user;
- by form: what stands before the `@` of an address (`http://joe:pw@host`, `joe:pw@host:5000`), a
  port that is none, all behind its `?` or `#` but parameters known to be harmless, and elsewhere
  the values of parameters, keys and headers whose names speak of a secret (`sslpassword=pw`,
  `"password": "pw"`, `X-Api-Key: pw`).
"""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterator
from urllib.parse import quote, quote_plus, unquote

MASK = "***"

#: that nobody uses for anything but a secret
_SURE = (
    r"passw(?:or)?d|passphrase|passcode|pwd|secret|token|api[_.\-]?key|access[_.\-]?key"
    r"|private[_.\-]?key|account[_.\-]?key|shared[_.\-]?key"
)
_NAMES = (
    rf"{_SURE}|signature|credentials?|authorization|bearer"
    r"|(?<![A-Za-z])(?:pass|pgpass|pw|sig|auth)(?![A-Za-z])"
)
_VALUE = r"(?:\"[^\"\n]*\"?|'[^'\n]*'?|\{[^}\n]*\}?|(?:(?!%3B)[^\s&;,'\"#)}])+)"
# greedy up to the last @ before white space: a password may hold slashes, colons, quotes and @
_USER_AT = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://)\S*@")
_USER_AT_BARE = re.compile(
    r"(?<![\w/.\-])((?:[A-Za-z]*//)?)"
    r"[\w.+%\-]+(?::(?!//)\S*@(?=[\w\[])|(?:/[^\s@]*)?@(?!latest:)(?=[\w.\-]+:\d{1,5}\b))"
)
# ... but RUN@latest:LEVEL names a network
# a connection string may stand quoted for a URI, with %3B and %3D for ; and =
_PARAMETER = re.compile(
    rf"((?:^|[?&;\s,{{\"'(]|%3B)[\w.\-]*?(?:{_NAMES})\w*\\*[\"']?\s?(?:=|%3D)\s?){_VALUE}",
    re.IGNORECASE,
)
#: of a dictionary or JSON, where the name is quoted, and of a header or YAML
_KEY = re.compile(
    rf"([\"'][\w.\-]*?(?:{_NAMES})\w*\\*[\"']\s*:\s*)(?:\\\"[^\"]*\\\"|{_VALUE})", re.IGNORECASE
)
_LINE = re.compile(rf"((?<![\w/@.:])[\w\-]*(?:{_SURE}):[ \t]+){_VALUE}", re.IGNORECASE)
_AUTHORIZATION = re.compile(
    r"(\bauthorization\\*[\"']?\s*[:=]\s*\\*[\"']?"
    r"(?:(?:bearer|basic|token|digest|negotiate|apikey|key)\s+)?)[^\s\"',;\\]+",
    re.IGNORECASE,
)
_HEADER = re.compile(r"\b(Bearer|Basic)\s+[A-Za-z0-9+/=._~\-]{6,}")
# the first half of a password that another parser took for one, up to its slash or its newline
_PORT = re.compile(
    rf"(://(?:{re.escape(MASK)}@)?[^\s'\"<>/?#:@\[\]]*:)(?!\d{{1,5}}(?!\w)|PORT\b)[^\s/?#'\"<>]+"
)
_DATABRICKS = re.compile(r"(databricks(?:-uc)?://)[^\s'\"<>:/]+:[^\s'\"<>]*")
_BEHIND = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*://[^\s'\"<>?#]*)([?#][^\s'\"<>]*)")
#: parameters of database URIs that are shown; those of an address that has others are secrets
_SHOWN = frozenset(
    ("charset", "connect_timeout", "driver", "sslmode", "ssl_mode", "timeout", "user")
)
#: variables whose names end so hold a secret, and others that sound like one may
_SURE_VARIABLE = re.compile(rf"(?:{_SURE})$", re.IGNORECASE)
_VARIABLE = re.compile(rf"(?:{_NAMES})(?:$|_)", re.IGNORECASE)
_SWITCHES = frozenset(("true", "false", "none", "null", "auto", "require", "disable", "basic"))

#: a shorter value would also be found where it is no secret; the forms above find it in addresses
_SHORTEST = 4
#: variables that merely sound like one hold numbers, switches and paths
_SHORTEST_HELD = 8

_known: set[str] = set()
_WITH_PORT = re.compile(r"[\w.\-]+:\d{1,5}\b")
_BARE = ("file", "sqlite", "databricks", "databricks-uc", "uc")  # what may stand before a colon


def remember(uri: str) -> None:
    """Take the secrets that a URI holds, so that `masked` finds them in other people's texts."""
    for given in (uri, unquote(uri)):
        scheme, has_scheme, rest = given.partition("://")
        address = rest if has_scheme else given
        if not has_scheme:
            scheme = ""
        _known.update(_of_user(scheme, address))
        for part in re.split(r"[?&;#]", address)[1:]:
            name, has_value, value = part.partition("=")
            named = re.search(_NAMES, name, re.IGNORECASE)
            harmless = name.lower() in _SHOWN or value.lower() in _SWITCHES
            if named or not harmless:
                _known.add(value if has_value else name)
    _known.discard("")


def _of_user(scheme: str, address: str) -> set[str]:
    """Return the secrets in what stands before an address's path: user, password, token."""
    user, at, host = address.rpartition("@")
    scheme, found = scheme.lower(), set()
    if at:
        name, colon, password = user.partition(":" if scheme or ":" in user else "/")
        if not colon and (scheme in ("http", "https") or (not scheme and _WITH_PORT.match(host))):
            password = name  # a token, or a user's name
        # a parser that stops at a slash or a quote repeats a part of the password only
        found = {password, *re.split(r"[/?#@:\s'\"<>\\]", password), _base64(user)}
    elif scheme.startswith("databricks") or not scheme:
        first, colon, last = address.partition(":")
        if colon and (scheme or (first not in _BARE and not last.isdigit())):
            found = {first, last} if scheme else {last}
    if scheme:  # a port that is none
        last = re.split(r"[/?#]", host)[0].rpartition(":")[2]
        found |= set() if last.isdigit() or ":" not in host or "]" in last else {last} - {"PORT"}
    return found


def _base64(text: str) -> str:
    return base64.b64encode(unquote(text).encode(errors="replace")).decode()


def _without_values(found: re.Match[str]) -> str:
    """Return an address with what stands behind its ? and # masked, but for what is harmless."""
    parts = []
    for part in re.split(r"([?#&;])", found[2]):
        name, given, _ = part.partition("=")
        if not part or part in "?#&;" or (given and name.lower() in _SHOWN):
            parts.append(part)
        else:
            parts.append(f"{name}={MASK}" if given else MASK)
    return found[1] + "".join(parts)


def _held() -> Iterator[str]:
    """Yield the secrets that the environment holds."""
    for name, value in os.environ.items():
        is_sure = _SURE_VARIABLE.search(name) and name not in ("PWD", "OLDPWD")
        may_be = len(value) >= _SHORTEST_HELD and not value.startswith("/")
        if value.lower() not in _SWITCHES and (is_sure or (may_be and _VARIABLE.search(name))):
            yield value
    user, password = (os.environ.get(f"MLFLOW_TRACKING_{n}") for n in ("USERNAME", "PASSWORD"))
    if user and password:
        yield base64.b64encode(f"{user}:{password}".encode(errors="replace")).decode()


def _forms(value: str) -> Iterator[str]:
    """Yield a secret as libraries quote it."""
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value))
    yield from (repr(value)[1:-1], json.dumps(value)[1:-1], html.escape(value))


def _values() -> list[str]:
    """Return every form in which a known secret may stand in a text, longest first."""
    plain = {form for value in {*_known, *_held()} for form in (value, unquote(value))}
    forms = {form for value in plain for form in _forms(value.encode(errors="replace").decode())}
    return sorted((f for f in forms | plain if len(f) >= _SHORTEST), key=len, reverse=True)


def masked_form(text: str) -> str:
    """Return `text` with secrets masked where their form tells them.

    >>> masked_form("http://joe:hunter2@host:5000")
    'http://***@host:5000'
    >>> masked_form("postgresql://host/db?user=joe&password=hunter2")
    'postgresql://host/db?user=joe&password=***'
    """
    text = _USER_AT.sub(rf"\1{MASK}@", text)
    text = _USER_AT_BARE.sub(rf"\1{MASK}@", text)
    text = _DATABRICKS.sub(rf"\1{MASK}", text)
    text = _PORT.sub(rf"\1{MASK}", text)
    text = _BEHIND.sub(_without_values, text)
    text = _AUTHORIZATION.sub(rf"\1{MASK}", text)
    text = _HEADER.sub(rf"\1 {MASK}", text)
    for pattern in (_PARAMETER, _KEY, _LINE):
        text = pattern.sub(_with_quotes, text)
    return text


def _with_quotes(found: re.Match[str]) -> str:
    """Return what stands before a value, and the mask in the value's own quotes."""
    value = found[0][len(found[1]) :]
    mark = re.match(r"\\?[\"']", value)
    return f"{found[1]}{mark[0]}{MASK}{mark[0]}" if mark else f"{found[1]}{MASK}"


def masked(text: str) -> str:
    """Return `text` with every secret masked, by its value and by its form.

    >>> remember("http://joe:hunter2@host:5000")
    >>> masked("login failed for joe with hunter2")
    'login failed for joe with ***'
    """
    for value in _values():
        text = text.replace(value, MASK)
    return masked_form(text)
