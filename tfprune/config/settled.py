"""A run's configuration in whatever form a Python user has it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tfprune.config.check import ConfigError, shown
from tfprune.config.files import from_dict, load_preset, override, read_mapping, to_dict
from tfprune.config.schema import SECTIONS, RunConfig, settings
from tfprune.errors import InputError, nearest


def settled(
    config: RunConfig | Mapping[str, Any] | str | Path | None = None,
    changes: Mapping[str, Any] | None = None,
    *,
    beside: tuple[str, ...] = (),
) -> RunConfig:
    """Return the configuration that a user means, with `changes` laid over it.

    `config` is a RunConfig, a preset's name, a YAML file's path, a mapping by section or by
    dotted names, or None for the default. A change is called as in the YAML file (`levels`,
    `measures`), as on the command line (`rewind_to`, `model`, `measure`), by its dotted name, or is
    a section with a mapping. `beside` are further keywords of the caller's, for the hint at a
    misspelt one.

    Raises InputError for anything else, ConfigError (one of them) for an unknown or wrong setting.

    >>> settled("digits-quick", {"levels": 1}).pruning.levels
    1
    """
    if config is None:
        nested: dict[str, Any] = {}
    elif isinstance(config, RunConfig):
        nested = to_dict(config)
    elif isinstance(config, str):
        nested = load_preset(config)
    elif isinstance(config, Path):
        nested = read_mapping(config)
    elif isinstance(config, Mapping):
        nested = dict(config)
    else:
        raise InputError(
            "a configuration is a preset's name, the path of a YAML file, a mapping of settings or "
            f"a RunConfig; got {shown(config)} ({type(config).__name__})."
        )
    dotted = {name: value for name, value in nested.items() if "." in str(name)}
    nested = {name: value for name, value in nested.items() if name not in dotted}
    return from_dict(override(nested, dotted | _laid_over(changes or {}, beside)))


def _laid_over(changes: Mapping[str, Any], beside: tuple[str, ...]) -> dict[str, Any]:
    """Return dotted setting -> value of changes; raises ConfigError where one is given twice."""
    found: dict[str, Any] = {}
    for keyword, value in changes.items():
        if keyword in SECTIONS and isinstance(value, Mapping):
            named = {f"{keyword}.{part}": item for part, item in value.items()}
        else:
            named = dict([named_setting(keyword, value, beside)])
        for name in named.keys() & found.keys():
            raise ConfigError(name, f"it is given twice, as {keyword!r} too; give it once.")
        found |= named
    return found


def named_setting(keyword: str, value: Any, beside: tuple[str, ...] = ()) -> tuple[str, Any]:
    """Return the dotted setting that a keyword means, and its value.

    A setting is called as in the YAML file (whole, or its last part) or as on the command line.
    Raises ConfigError, which names the nearest of these and of `beside`, for anything else.

    >>> named_setting("rewind_to", "2ep")
    ('pruning.rewind_to', '2ep')
    """
    known = settings()
    if keyword in known:
        return keyword, value
    by_option = {
        item.metadata["option"][2:].replace("-", "_"): name for name, item in known.items()
    }
    if keyword in by_option:
        name = by_option[keyword]
        if str(known[name].type).startswith("tuple") and isinstance(value, str):
            value = [value]  # as one option of a repeatable one
        return name, value
    last = [name for name in known if name.rpartition(".")[2] == keyword]
    if len(last) == 1:
        return last[0], value
    names = {*by_option, *(name.rpartition(".")[2] for name in known), *beside}
    close = nearest(keyword, sorted(names))
    hint = f"did you mean {close[0]!r}?" if close else f"Known: {', '.join(known)}."
    raise ConfigError(keyword, f"there is no such setting; {hint}")
