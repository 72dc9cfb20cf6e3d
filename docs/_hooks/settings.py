"""reference/configuration.md and reference/presets.md, from tfprune.config."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import MISSING, Field
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from tfprune import config as settings_of
from tfprune.config import RunConfig, preset_names, to_yaml


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add both pages to the site."""
    files.append(File.generated(config, "reference/configuration.md", content=configuration()))
    files.append(File.generated(config, "reference/presets.md", content=presets()))
    return files


def configuration() -> str:
    """Return the Markdown of every setting, section by section, and of the default as YAML."""
    parts = [
        "# Configuration",
        "A run is described by these settings: as options of `tfprune run`, in a YAML file given "
        "to `--preset`, or as a mapping given to `tfprune.run`. A file may leave out what "
        "stays at its default; options override it. `config.yaml` among a run's artifacts holds "
        "all of them, and its hash names the run.",
    ]
    groups: dict[str, list[str]] = {}
    for name, item in settings_of.settings().items():
        section = name.partition(".")[0] if "." in name else "of the run as a whole"
        groups.setdefault(section, []).append(_row(name, item))
    for section, rows in groups.items():
        cls = settings_of.SECTIONS.get(section)
        about = [cls.__doc__] if cls is not None and cls.__doc__ else []
        head = "| setting | option | default | meaning |\n|---|---|---|---|\n"
        parts += [f"## {section}", *about, head + "\n".join(rows)]
    parts += ["## The default, as YAML", f"```yaml\n{to_yaml(RunConfig())}```"]
    return "\n\n".join(parts) + "\n"


def _row(name: str, item: Field[Any]) -> str:
    meta = item.metadata
    default = item.default if item.default_factory is MISSING else item.default_factory()
    if isinstance(default, bool):
        default = "on" if default else "off"
    elif isinstance(default, tuple):
        default = ", ".join(str(part) for part in default)
    shown = f"`{default}`" if default not in (None, "", {}) else "none"
    unit = f" {meta['unit']}" if meta["unit"] and shown != "none" else ""
    text = meta["help"].replace("|", "\\|").replace("*", "\\*")
    return f"| `{name}` | `{meta['option']}` | {shown}{unit} | {text} |"


def presets() -> str:
    """Return the Markdown of every preset as it is written."""
    return "\n\n".join(["# Presets", *_preset_parts()]) + "\n"


def _preset_parts() -> Iterator[str]:
    yield (
        "`tfprune run --preset NAME`, or `--preset FILE.yaml` for one of your own in the same "
        "form. Options on the command line override a preset."
    )
    folder = Path(settings_of.__file__).parent / "presets"
    for name in preset_names():
        yield f"## {name}\n\n```yaml\n{(folder / f'{name}.yaml').read_text(encoding='utf-8')}```"
