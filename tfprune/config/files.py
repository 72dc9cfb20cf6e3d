"""Configurations as mappings and YAML files, their identity, and the presets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from tfprune.config.check import ConfigError, Duration, shown
from tfprune.config.schema import SECTIONS, RunConfig, settings
from tfprune.errors import InputError, check_kind, nearest, unknown_name

_PRESETS = Path(__file__).parent / "presets"


def _plain(value: Any) -> Any:
    if isinstance(value, Duration):
        return str(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    return value


def to_dict(config: RunConfig) -> dict[str, Any]:
    """Return the configuration as nested plain values, sections first (see `from_dict`)."""
    nested: dict[str, Any] = {}
    for section, cls in SECTIONS.items():
        part = getattr(config, section)
        nested[section] = {item.name: _plain(getattr(part, item.name)) for item in fields(cls)}
    for item in fields(config):
        if item.name not in SECTIONS:
            nested[item.name] = _plain(getattr(config, item.name))
    return nested


def flatten(nested: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted name -> value (`training.epochs`), as MLflow's params hold it."""
    flat: dict[str, Any] = {}
    for key, value in nested.items():
        if key in SECTIONS and isinstance(value, Mapping):
            flat.update({f"{key}.{name}": item for name, item in value.items()})
        else:
            flat[key] = value
    return flat


def from_dict(nested: Mapping[str, Any]) -> RunConfig:
    """Return the configuration written by nested values; settings left out keep their default.

    Raises ConfigError for an unknown setting (naming the nearest) and for a wrong value.
    """
    check_kind(nested, Mapping, "a mapping of settings by section, as in a YAML file")
    known = settings()
    for section in SECTIONS:
        part = nested.get(section, {})
        if not isinstance(part, Mapping):
            raise ConfigError(section, f"expected settings of {section}; got {shown(part)}.")
    for name, value in flatten(nested).items():
        if name not in known:
            # a mapping is meant for a section, and a name without a dot may be
            among = list(SECTIONS) if isinstance(value, Mapping) else [*SECTIONS, *known]
            close = nearest(str(name), among)
            hint = f"did you mean {close[0]!r}?" if close else f"Known: {', '.join(among)}."
            raise ConfigError(str(name), f"there is no such setting; {hint}")
    parts = {section: cls(**nested.get(section, {})) for section, cls in SECTIONS.items()}
    own = {key: value for key, value in nested.items() if key not in SECTIONS}
    return RunConfig(**parts, **own)


def override(nested: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return `nested` with dotted `changes` laid over it (`{'training.epochs': '2ep'}`)."""
    merged = {
        key: dict(value) if isinstance(value, Mapping) else value for key, value in nested.items()
    }
    for name, value in changes.items():
        section, _, rest = name.partition(".")
        if rest:
            part = merged.setdefault(section, {})
            if not isinstance(part, dict):
                raise ConfigError(section, f"expected settings of {section}; got {shown(part)}.")
            part[rest] = value
        else:
            merged[name] = value
    return merged


def config_hash(config: RunConfig) -> str:
    """Return 12 hex digits that identify the computation a configuration describes.

    SHA-256 of the canonical JSON of all settings; where data lies on the disk does not count, nor
    whether it stays there, nor does a setting marked `later` at its default: what a run was called
    before it came, it still is.
    """
    nested = to_dict(config)
    for name in ("data_dir", "stream"):
        nested["data"].pop(name)
    parts = [(nested, config), *((nested[name], getattr(config, name)) for name in SECTIONS)]
    for values, part in parts:
        for item in fields(part):
            if item.metadata.get("later") and getattr(part, item.name) == item.default:
                values.pop(item.name, None)
    text = json.dumps(nested, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def run_name(config: RunConfig) -> str:
    """Return a name that says what the run is, what differs most often first."""
    share = f"{config.pruning.fraction:.0%}x{config.pruning.levels}"
    model = Path(config.model.name).name if "/" in config.model.name else config.model.name
    seeds = f"seed {config.seed}"
    if config.replicates > 1:
        seeds = f"seeds {config.seeds[0]}-{config.seeds[-1]}"
    # MLflow shows the first twenty letters or so: what differs between runs stands there
    what = f"{config.pruning.strategy} {share} {config.pruning.rewind_to}"
    return f"{what} {model} {_shown(config.data.dataset)} {seeds} {config_hash(config)[:6]}"


def _shown(dataset: str) -> str:
    """Return a data set's name; of a path of one's own its last part."""
    is_path = dataset.startswith(("/", ".", "~")) or dataset.endswith("/")
    return (Path(dataset).name or dataset) if is_path else dataset


def to_yaml(config: RunConfig) -> str:
    """Return the configuration as YAML, in reading order."""
    import yaml

    return yaml.safe_dump(to_dict(config), sort_keys=False, allow_unicode=True)


def read_mapping(path: str | Path) -> dict[str, Any]:
    """Return the mapping in a YAML file; raises InputError when it is none or can't be read."""
    import yaml

    try:
        text = Path(path).read_text(encoding="utf-8")
        loaded = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the configuration {str(path)!r} can't be read: {error}.") from error
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split())
        raise InputError(f"the configuration {str(path)!r} is not valid YAML: {reason}.") from error
    if loaded is None:
        return {}
    if not isinstance(loaded, dict):
        raise InputError(
            f"the configuration {str(path)!r} should hold settings by section "
            f"({', '.join(SECTIONS)}); it holds a {type(loaded).__name__}."
        )
    return loaded


def preset_names() -> dict[str, str]:
    """Return preset name -> its one-line summary (the first comment line of its file)."""
    found = {}
    for path in sorted(_PRESETS.glob("*.yaml")):
        with path.open(encoding="utf-8") as file:
            found[path.stem] = file.readline().lstrip("# ").strip()
    return found


def load_preset(name: str) -> dict[str, Any]:
    """Return the settings of a preset: a known name, or a YAML file of one's own."""
    check_kind(name, str, "a preset's name or the path of a YAML file, as text")
    if name in preset_names():
        return read_mapping(_PRESETS / f"{name}.yaml")
    if "/" in name or name.endswith((".yaml", ".yml")) or Path(name).is_file():
        return read_mapping(name)
    raise unknown_name(
        "preset", name, preset_names(), where="A file of your own is given as NAME.yaml."
    )
