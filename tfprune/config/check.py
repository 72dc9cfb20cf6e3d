"""Checks of single settings, and the type of lengths of training (`'2ep'`, `'500it'`).

Each check raises ConfigError naming the setting and the remedy.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import Field, dataclass, field, fields
from importlib import import_module
from numbers import Integral, Real
from typing import Any, NoReturn

from tfprune.errors import InputError, check_writable

_SECTION = {
    "DataConfig": "data",
    "ModelConfig": "model",
    "TrainingConfig": "training",
    "PruningConfig": "pruning",
    "ComparisonConfig": "comparison",
}


class ConfigError(InputError):
    """A setting is wrong. `field` is its dotted name, `reason` the text without it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


def setting(default: Any, help: str, option: str = "", *, unit: str = "", **extra: Any) -> Any:
    """Return a dataclass field with its default, help text, command-line option and unit."""
    metadata = {"help": help, "option": option, "unit": unit, **extra}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


def _field(config: Any, name: str) -> Field[Any]:
    return next(item for item in fields(config) if item.name == name)


def fail(config: Any, name: str, reason: str) -> NoReturn:
    """Raise ConfigError for the setting `name` of `config`."""
    section = _SECTION.get(type(config).__name__)
    raise ConfigError(f"{section}.{name}" if section else name, reason)


_LONGEST = 120  # characters of a value that a message quotes


def shown(value: object) -> str:
    """Return a value as messages quote it: of long ones, such as arrays, the beginning and kind.

    >>> shown("2ep")
    "'2ep'"
    >>> shown(list(range(1000)))
    '[0, 1, 2, 3, ... (list)'
    """
    text = " ".join(repr(value).split())
    if len(text) <= _LONGEST:
        return text
    return f"{text[: _LONGEST // 10]}... ({type(value).__name__})"


def _range(low: float | None, high: float | None, low_open: bool, high_open: bool) -> str:
    if high is None:
        return f"greater than {low}" if low_open else f"at least {low}"
    return f"in {'(' if low_open else '['}{low}, {high}{')' if high_open else ']'}"


LEAST_RATE = 1e-12  # a learning rate below it moves no float32 weight of ordinary size


def number(
    config: Any,
    name: str,
    *,
    low: float | None = None,
    high: float | None = None,
    low_open: bool = False,
    high_open: bool = False,
    optional: bool = False,
) -> None:
    """Check a real number; an int counts, a bool or a string does not."""
    value = getattr(config, name)
    if value is None and optional:
        return
    expected = f"expected a number {_range(low, high, low_open, high_open)}"
    if isinstance(value, bool) or not isinstance(value, Real) or not math.isfinite(value):
        fail(config, name, f"{expected}; got {shown(value)}.")
    found = float(value)
    below = low is not None and (found <= low if low_open else found < low)
    above = high is not None and (found >= high if high_open else found > high)
    if below or above:
        fail(config, name, f"{expected}; got {value}.")
    object.__setattr__(config, name, found)


def integer(
    config: Any,
    name: str,
    *,
    low: int | None = None,
    high: int | None = None,
    optional: bool = False,
) -> None:
    """Check a whole number."""
    value = getattr(config, name)
    if value is None and optional:
        return
    expected = f"expected a whole number {_range(low, high, False, False)}"
    wrong = isinstance(value, bool) or not isinstance(value, Integral)
    if wrong or (low is not None and value < low) or (high is not None and value > high):
        fail(config, name, f"{expected}; got {shown(value)}.")
    object.__setattr__(config, name, int(value))


def boolean(config: Any, name: str) -> None:
    """Check a truth value."""
    value = getattr(config, name)
    if not isinstance(value, bool):
        fail(config, name, f"expected true or false; got {shown(value)}.")


def text(config: Any, name: str) -> None:
    """Check a non-empty string."""
    value = getattr(config, name)
    if not isinstance(value, str) or not value.strip():
        fail(config, name, f"expected a name; got {shown(value)}.")
    _writable(config, name, value)


def _writable(config: Any, name: str, value: str) -> None:
    try:
        check_writable(value, "the text")
    except InputError as error:
        fail(config, name, str(error))


def texts(config: Any, name: str, *, needed: bool = False) -> None:
    """Check a list of distinct non-empty strings; lists become tuples."""
    value = getattr(config, name)
    if isinstance(value, str) or not isinstance(value, (list, tuple)):
        fail(config, name, f"expected a list of names; got {shown(value)}.")
    bad = [item for item in value if not isinstance(item, str) or not item.strip()]
    if bad:
        fail(config, name, f"expected a list of names; it holds {shown(bad[0])}.")
    for item in value:
        _writable(config, name, item)
    twice = sorted({item for item in value if list(value).count(item) > 1})
    if twice:
        fail(config, name, f"{twice[0]!r} is given twice; give it once.")
    if needed and not value:
        fail(config, name, "expected at least one name; got none.")
    object.__setattr__(config, name, tuple(value))


def choice(config: Any, name: str) -> None:
    """Check that a string is one of the field's `choices`; see `word` for truth values."""
    choices = _field(config, name).metadata["choices"]
    value = word(getattr(config, name), choices)
    if value not in choices:
        fail(config, name, f"expected one of {', '.join(choices)}; got {shown(value)}.")
    object.__setattr__(config, name, value)


def word(value: Any, choices: Collection[str]) -> Any:
    """Return `on` or `off`, which YAML reads as truth values, where it is one of the choices.

    >>> word(True, ("auto", "on", "off")), word(True, ("a", "b"))
    ('on', True)
    """
    if not isinstance(value, bool):
        return value
    meant = "on" if value else "off"
    return meant if meant in choices else value


def device(config: Any, name: str) -> None:
    """Check the name of a device: auto, cpu, gpu or gpu:N."""
    value = getattr(config, name)
    if not isinstance(value, str) or not re.fullmatch(r"auto|cpu|gpu(:\d+)?", value):
        fail(config, name, f"expected auto, cpu, gpu or gpu:N, such as gpu:1; got {shown(value)}.")


def choices(config: Any, name: str) -> None:
    """Check a list of distinct strings, each one of the field's `choices`."""
    texts(config, name)
    allowed = _field(config, name).metadata["choices"]
    for value in getattr(config, name):
        if value not in allowed:
            fail(config, name, f"expected some of {', '.join(allowed)}; got {shown(value)}.")


def duration(config: Any, name: str, *, positive: bool = False) -> None:
    """Check a length of training; what Duration.parse understands becomes a Duration."""
    try:
        parsed = Duration.parse(getattr(config, name))
    except ValueError as error:
        fail(config, name, f"{error}.")
    if positive and parsed.count == 0:
        fail(config, name, f"expected at least 1; got {parsed}.")
    object.__setattr__(config, name, parsed)


def durations(config: Any, name: str) -> None:
    """Check a list of lengths of training."""
    value = getattr(config, name)
    if isinstance(value, (str, int, Duration)):
        value = (value,)
    try:
        parsed = tuple(Duration.parse(item) for item in value)
    except (ValueError, TypeError) as error:
        fail(config, name, f"{error}.")
    object.__setattr__(config, name, parsed)


def fractions(config: Any, name: str) -> None:
    """Check a mapping of layer name -> share in [0, 1)."""
    value = getattr(config, name)
    if not isinstance(value, Mapping):
        fail(config, name, f"expected layer names with shares; got {shown(value)}.")
    for layer, share in value.items():
        is_number = isinstance(share, Real) and not isinstance(share, bool)
        ok = is_number and 0 <= float(share) < 1
        if not isinstance(layer, str) or not ok:
            fail(config, name, f"expected a share in [0, 1) for {layer!r}; got {share!r}.")
        _writable(config, name, layer)
    object.__setattr__(config, name, {k: float(v) for k, v in sorted(value.items())})


def rewind(config: Any, name: str) -> None:
    """Check a rewind point: init, final, or a moment of training with its unit."""
    value = getattr(config, name)
    if value in ("init", "final"):
        return
    try:
        if str(value).strip().isdigit():
            raise ValueError
        object.__setattr__(config, name, str(Duration.parse(value)))
    except ValueError:
        fail(
            config, name,
            f"expected init, final, or a step such as '2ep' or '500it'; got {shown(value)}.",
        )  # fmt: skip


def registered(config: Any, name: str, module: str, registry: str) -> None:
    """Check that the setting is a name in a registry; the error gives the nearest ones."""
    text(config, name)
    registered_name(config, name, getattr(config, name), module, registry)


def registered_name(config: Any, name: str, value: str, module: str, registry: str) -> None:
    """Check that `value` is a name in a registry, in the name of the setting `name`."""
    try:
        getattr(import_module(module), registry).check(value)
    except InputError as error:
        fail(config, name, str(error))


def registered_names(config: Any, name: str, module: str, registry: str) -> None:
    """Check the names of the setting `name`, and put names in the place of their aliases."""
    for value in getattr(config, name):
        registered_name(config, name, value, module, registry)
    known = getattr(import_module(module), registry)
    meant = dict.fromkeys(known.check(value) for value in getattr(config, name))
    object.__setattr__(config, name, tuple(meant))  # frozen, but not yet in use


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
