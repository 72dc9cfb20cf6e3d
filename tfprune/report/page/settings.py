"""The settings of a run as a report has them: as YAML, of this or of another version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from tfprune.config import ConfigError, RunConfig, from_dict


def config_of(text: str) -> RunConfig | None:
    """Return the configuration; None where there is none, or this version can't read it."""
    try:
        nested = yaml.safe_load(text)
        return from_dict(nested) if isinstance(nested, dict) else None
    except (ConfigError, yaml.YAMLError):
        return None


def differing(configs: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """Return (setting, its value in every run) of the settings in which runs differ.

    `configs` maps a run's name to its configuration as YAML; a run that does not know a setting
    has '–' there.

    >>> differing({"a": "seed: 1\\npruning: {levels: 3}", "b": "seed: 1\\npruning: {levels: 5}"})
    [('pruning.levels', ['3', '5'])]
    """
    flat = [_flat(text) for text in configs.values()]
    names = dict.fromkeys(name for settings in flat for name in settings)
    rows = [(name, [settings.get(name, "–") for settings in flat]) for name in names]
    return [(name, values) for name, values in rows if len(set(values)) > 1]


def _flat(text: str) -> dict[str, str]:
    try:
        nested = yaml.safe_load(text)
    except yaml.YAMLError:
        return {}
    found: dict[str, str] = {}

    def walk(value: Any, name: str) -> None:
        if isinstance(value, dict) and value:
            for key, inner in value.items():
                walk(inner, f"{name}.{key}" if name else str(key))
        elif name:
            found[name] = _shown(value)

    walk(nested, "")
    return found


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value)) or "none"
    if value is None or value == {}:
        return "none"
    return str(value).lower() if isinstance(value, bool) else str(value)
