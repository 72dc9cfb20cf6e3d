"""Command-line options made from the configuration's settings: one source for both."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, Field
from typing import Any, TypeVar

import click

from tfprune.config import SECTIONS, ConfigError, settings
from tfprune.config.texts import share_of_layer
from tfprune_cli.completion import SETTINGS

Command = TypeVar("Command", bound=Callable[..., Any])

_TYPES = {"int": int, "float": float}


def _default(item: Field[Any]) -> Any:
    if item.default_factory is not MISSING:
        return item.default_factory()
    return item.default


def _shown(value: Any) -> str:
    if value is None or value == () or value == {}:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def option_of(name: str) -> str:
    """Return the command-line option that sets a dotted setting (`pruning.levels`: `--levels`)."""
    known = settings()
    option: str = known[name].metadata["option"] if name in known else name
    return option


def _option(name: str, item: Field[Any]) -> Callable[[Command], Command]:
    meta = item.metadata
    kind = str(item.type).removesuffix(" | None")
    unit = f"{meta['unit']}, " if meta["unit"] else ""
    text = f"{meta['help']}  [{unit}default: {_shown(_default(item))}]"
    parameter = name.replace(".", "__")
    given: dict[str, Any] = {"help": text, "default": None}
    if kind == "bool":
        flag = meta["option"]
        return click.option(f"{flag}/--no-{flag[2:]}", parameter, **given)
    if "choices" in meta:
        given["type"] = click.Choice(meta["choices"])
    else:
        given["type"] = _TYPES.get(kind, str)
        if "metavar" in meta:
            given["metavar"] = meta["metavar"]
    if kind.startswith(("tuple", "Mapping")):
        given |= {"multiple": True, "default": ()}
    if name in SETTINGS:
        given["shell_complete"] = SETTINGS[name]
    return click.option(meta["option"], parameter, **given)


def run_options(command: Command) -> Command:
    """Give a command one option for every setting of a run."""
    for name, item in reversed(settings().items()):
        command = _option(name, item)(command)
    return command


def options_for(names: Iterable[str]) -> Callable[[Command], Command]:
    """Return what gives a command the options of some of a run's settings, in their order."""

    def give(command: Command) -> Command:
        known = settings()
        for name in reversed(list(names)):
            command = _option(name, known[name])(command)
        return command

    return give


#: what everybody needs, first in the help
FIRST = ("data.dataset", "model.name", "pruning.levels", "pruning.fraction", "training.epochs")


def grouped(parameters: Iterable[click.Parameter]) -> dict[str, list[click.Parameter]]:
    """Return heading -> options of `tfprune run`: those of FIRST, the YAML file's sections, others.

    What is no setting (names, outputs, `--help`) comes last.
    """
    known = settings()
    by_name = {(parameter.name or "").replace("__", "."): parameter for parameter in parameters}
    groups: dict[str, list[click.Parameter]] = {"First": [by_name[name] for name in FIRST]}
    headings = {section: section.capitalize() for section in SECTIONS}
    for heading in (*headings.values(), "Seeds and device", "This run"):
        groups[heading] = []
    for name, parameter in by_name.items():
        if name in FIRST:
            continue
        heading = headings.get(name.partition(".")[0], "Seeds and device")
        groups[heading if name in known else "This run"].append(parameter)
    return groups


class GroupedCommand(click.Command):
    """A command whose help lists its options in the groups of `grouped`."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for heading, parameters in grouped(self.get_params(ctx)).items():
            records = [p.get_help_record(ctx) for p in parameters]
            with formatter.section(heading):
                formatter.write_dl([record for record in records if record is not None])


def given_settings(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted setting -> value for the options that were given on the command line."""
    changes: dict[str, Any] = {}
    for name, item in settings().items():
        value = values.get(name.replace(".", "__"))
        if value is None or value == ():
            continue
        if str(item.type).startswith("Mapping"):
            value = dict(share_of_layer(name, text) for text in value)
        changes[name] = value
    return changes


def usage_error(error: ConfigError, context: click.Context | None = None) -> click.UsageError:
    """Return the click error for a wrong setting, naming the option that sets it."""
    return click.BadParameter(error.reason, ctx=context, param_hint=f"'{option_of(error.field)}'")
