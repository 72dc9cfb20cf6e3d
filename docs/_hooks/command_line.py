"""reference/command-line.md, from the click commands themselves."""

from __future__ import annotations

import html
import inspect
from collections.abc import Iterable, Iterator

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

PAGE = "reference/command-line.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page to the site."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return the Markdown of every command with all its options."""
    from tfprune_cli.main import cli

    context = click.Context(cli, info_name="tfprune")
    parts = [
        "# Command line",
        "Exit status: 0 done; 1 it failed while running; 2 the command line or an input is "
        "wrong; 130 interrupted. Results go to stdout, progress to stderr.",
        *(_command(context, name) for name in cli.list_commands(context)),
    ]
    return "\n\n".join(parts) + "\n"


def _command(parent: click.Context, name: str) -> str:
    group = parent.command
    assert isinstance(group, click.Group)
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, info_name=name, parent=parent)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    text = inspect.cleandoc(command.help or "").replace("\b\n", "")
    table = "\n\n".join(_tables(context))
    return f"## tfprune {name}\n\n```text\n{usage}\n```\n\n{text}\n\n{table}"


def _tables(context: click.Context) -> Iterator[str]:
    """Yield the options as a table, those of a grouped command as one for each group."""
    from tfprune_cli.options import GroupedCommand, grouped

    parameters = context.command.get_params(context)
    if not isinstance(context.command, GroupedCommand):
        yield "\n".join(_rows(context, parameters))
        return
    for heading, group in grouped(parameters).items():
        yield "\n".join([f"### {heading}\n", *_rows(context, group)])


def _rows(context: click.Context, parameters: Iterable[click.Parameter]) -> Iterator[str]:
    yield "| option | meaning |"
    yield "|---|---|"
    for parameter in parameters:
        record = parameter.get_help_record(context)
        if record is not None:
            options, text = (_escaped(cell) for cell in record)
            yield f"| <code>{options}</code> | {text} |"


def _escaped(text: str) -> str:
    """Return text that neither HTML, Markdown nor a table's cell takes for its own signs."""
    safe = html.escape(text, quote=False)
    for sign in "|*_[]`":
        safe = safe.replace(sign, f"&#{ord(sign)};")
    return safe
