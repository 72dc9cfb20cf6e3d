"""Command lines that pages quote are ones that the command line takes; nothing is run."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from tfprune_cli.main import cli

FENCE = re.compile(r"^```[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(
    r"^ {4}(?:\$ )?(tfprune [a-z][^\n]*)$"  # a line of a block
    r"|`(tfprune [a-z][^`\n]*)`",  # within a sentence
    re.MULTILINE,
)


def quoted(text: str) -> list[str]:
    indented = FENCE.sub(lambda fence: re.sub(r"^", "    ", fence[1], flags=re.MULTILINE), text)
    lines = re.sub(r"\\\n\s*", "", indented)
    return [block or inline for block, inline in QUOTED.findall(lines)]


def refusal(line: str) -> str | None:
    """Return why the command line would not take this line; None when it would."""
    words = shlex.split(re.split(r" [|>] ", line)[0], comments=True)[1:]
    try:
        with click.Context(cli, info_name="tfprune") as context:
            name, command, rest = cli.resolve_command(context, words)
            assert command is not None
            command.make_context(name, rest, parent=context)
    except click.exceptions.Exit:  # --help
        return None
    except click.ClickException as error:
        return f"{line}: {error.format_message()}"
    return None


def is_whole(line: str) -> bool:
    """Whether a line could be typed: no choice left open, and more than a command's mere name."""
    is_open = "..." in line or re.search(r"\w\|\w", line)
    return not is_open and line.split()[1:] not in NAMES


NAMES = [[name] for name in cli.list_commands(click.Context(cli))]


def test_commands_that_are_named_exist(pages):
    named = {line.split()[1] for text in pages.values() for line in quoted(text)}
    assert named <= {name for (name,) in NAMES}


def test_every_command_line_in_the_pages_is_taken(pages):
    lines = {line for text in pages.values() for line in quoted(text) if is_whole(line)}
    assert len(lines) > 20
    assert not [reason for line in sorted(lines) if (reason := refusal(line))]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("tfprune run --levls 3", "No such option '--levls'"),
        ("tfprune run --levels many", "'many' is not a valid integer"),
        ("tfprune resume", "Missing argument 'RUN'"),
        ("tfprune rnu", "No such command 'rnu'"),
        ("tfprune models --jsn | jq", "No such option '--jsn'"),
    ],
)
def test_a_command_line_that_would_be_refused_is_found(line, reason):
    assert reason in refusal(line)


def test_lines_are_found_in_blocks_and_in_sentences():
    text = (
        "Say `tfprune ui` or\n\n    tfprune run --levels 3\n\n```console\n$ tfprune sync x\n```\n"
    )
    assert quoted(text) == ["tfprune ui", "tfprune run --levels 3", "tfprune sync x"]
