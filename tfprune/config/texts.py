"""What a setting's value means that was written as text, as on the command line."""

from __future__ import annotations

from typing import Any

from tfprune.config.check import ConfigError
from tfprune.config.schema import settings

_TRUE, _FALSE = ("true", "on", "yes"), ("false", "off", "no")
_NONE = ("null", "none", "~")


def value_of(name: str, text: str) -> Any:
    """Return the value of the setting `name` (dotted) that a text stands for.

    A number where the setting is one, or None where it may be ('none'); true or false of a switch;
    a list of one name, or a mapping of one NAME=FRACTION, where the option may be repeated; else
    the text. What the setting can't be stays a text, which the configuration refuses.

    >>> value_of("training.xla", "on"), value_of("data.augment", "on")
    ('on', True)
    >>> value_of("training.learning_rate", "1e-3"), value_of("comparison.measures", "cka")
    (0.001, ['cka'])
    >>> value_of("pruning.layer_fractions", "conv1=0.5")
    {'conv1': 0.5}
    """
    kind = str(settings()[name].type)
    plain = kind.removesuffix(" | None")
    if plain != kind and text.strip().lower() in _NONE:
        return None
    if plain == "bool":
        low = text.strip().lower()
        return True if low in _TRUE else False if low in _FALSE else text
    if plain.startswith("Mapping"):
        return dict([share_of_layer(name, text)])
    if plain.startswith("tuple"):
        return [text]
    if plain in ("int", "float", "Duration"):
        return _number(text, whole=plain != "float")
    return text


def share_of_layer(name: str, text: str) -> tuple[str, float]:
    """Return layer and share of a text NAME=FRACTION; raises ConfigError for anything else."""
    key, _, number = text.rpartition("=")
    try:
        return key, float(number)
    except ValueError:
        raise ConfigError(
            name, f"expected NAME=FRACTION such as conv1=0.1; got {text!r}."
        ) from None


def _number(text: str, *, whole: bool) -> int | float | str:
    """Return a number; a text that is none, or no whole one where it should be, as it is."""
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return text if whole else float(text)
    except ValueError:
        return text
